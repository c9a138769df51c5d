"""The architect's own examples, typed as they stand in the intent document."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request

import websockets.sync.client

# The intent is one line in the architect's document, so it is one here.
CURL = r"""
curl -s -X POST http://localhost:8400/executor/build-droplet \
  -H "Content-Type: application/json" \
  -d '{
    "architect_intent": "Build Coordinator Droplet to automate Sacred Loop Step 3. It should accept SPEC and Foundation Files via API and return a packaged repository ready for Apprentice.",
    "droplet_id": 11,
    "approval_mode": "final",
    "notify_channels": ["slack"]
  }'
"""


def test_the_curl_example_builds_waits_before_deploying_and_goes_live_once_approved(daemon):
    command = CURL.replace("8400", str(daemon.port))
    reply = json.loads(
        subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout
    )
    assert re.fullmatch(r"build-11-coordinator-\d{8}-001", reply["build_id"])
    assert (reply["status"], reply["droplet_id"], reply["droplet_name"]) == ("started", 11, "coordinator")
    assert "slack" in reply["warnings"][0]
    assert reply["stream_url"].startswith("ws://")

    frames = []
    with websockets.sync.client.connect(reply["stream_url"]) as stream:
        for text in stream:
            frames.append(json.loads(text))
            if frames[-1]["event_type"] == "approval_requested":
                break
    assert frames[0]["event_type"] == "hello"
    seqs = [frame["seq"] for frame in frames if "seq" in frame]
    assert seqs == list(range(1, len(seqs) + 1))

    waiting = daemon.status(reply["build_id"])
    assert (waiting["status"], waiting["gate"]["checkpoint"]) == ("waiting_approval", "built")
    assert waiting["deployment_url"] is None
    daemon.cli("approve", reply["build_id"])
    live = daemon.until(reply["build_id"])
    assert (live["status"], live["review"]["decision"]) == ("complete", "pending")
    with urllib.request.urlopen(f"{live['deployment_url']}/health", timeout=5) as answer:
        health = json.load(answer)
    assert (health["status"], health["release"], health["build"]) == (
        "active",
        live["release"],
        live["build_id"],
    )


def test_the_cli_example_with_auto_prints_the_address_and_exits_with_0(daemon):
    done = daemon.cli(
        "build", "Build Packager Droplet to automate Step 3", "--droplet-id", "21", "--auto", "--watch"
    )
    assert "Packager Droplet #21" in done.stderr
    assert re.search(r"http://127\.0\.0\.1:\d+", done.stdout)


def test_the_true_test_needs_no_id_and_is_approved_by_its_build_id(daemon):
    done = daemon.cli("build", "Build Analytics Engine for tracking droplet metrics", "--watch", "--json")
    last = json.loads(done.stdout.splitlines()[-1])
    build = daemon.cli("status", "@last", "--json")
    document = json.loads(build.stdout)
    assert last["build_id"] == document["build_id"]
    assert document["droplet_name"] == "analytics"
    assert document["droplet_id"] >= 13
    daemon.cli("approve", document["build_id"])
    assert daemon.status(document["build_id"])["review"]["decision"] == "approved"
    listed = {d["name"]: d for d in daemon.get("/executor/droplets")}
    assert listed["analytics"]["url"] == document["deployment_url"]


def test_auto_approve_accepts_the_review_by_itself(daemon):
    daemon.cli(
        "build", "Build Step Droplet to automate Step 3", "--droplet-id", "31", "--auto-approve", "--watch"
    )
    newest = daemon.get("/executor/builds?limit=1")[0]
    assert daemon.status(newest["build_id"])["review"]["decision"] == "approved"


def test_polling_status_with_jq_reads_the_document_of_the_architect(daemon):
    build_id = daemon.get("/executor/builds?limit=1")[0]["build_id"]
    document = daemon.status(build_id)
    assert [s["step"] for s in document["steps_completed"]] == list(range(1, 9))
    assert {s["status"] for s in document["steps_completed"]} == {"complete"}
    assert document["current_step_details"]["tests_passing"] > 50
    assert document["current_step_details"]["tests_failing"] == 0
    assert document["spec_score"] >= 80
