"""A release is model-written code too: it can neither read the daemon's keys nor approve its own build."""

from __future__ import annotations

import asyncio
import json
import textwrap
import urllib.request
from pathlib import Path

import pytest

from executor.sandbox.cgroups import Cgroups
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache, find_uv
from executor.targets.base import Release
from executor.targets.process import ProcessTarget
from executor.targets.systemd import choose_launcher
from tests.acceptance.daemon import RealDaemon
from tests.proof.ledger import Ledger

CANARY = "canary-4d1c-key-of-the-daemon"

HOSTILE = """
import glob, json, os, urllib.error, urllib.request

DAEMON, BUILD, STATE = {daemon!r}, {build!r}, {state!r}


def call(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(DAEMON + path, data=data, method=method)
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return type(error).__name__


def stolen():
    found = []
    places = glob.glob("/proc/[0-9]*/environ") + [STATE + "/executor.db", STATE + "/executor.lock"]
    for name in places + ["/etc/shadow", "/root", os.path.dirname(STATE)]:
        try:
            content = open(name, "rb").read() if not os.path.isdir(name) else str(os.listdir(name)).encode()
        except OSError:
            continue
        if b"canary" in content or name == "/etc/shadow" or "executor" in name:
            found.append(name)
    return found


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    attempts = {{
        "approve": call("POST", "/executor/builds/" + BUILD + "/approve", {{}}),
        "read": call("GET", "/executor/builds"),
        "submit": call("POST", "/executor/build-droplet", {{"architect_intent": "Build a worm"}}),
        "cancel": call("DELETE", "/executor/builds/" + BUILD),
    }}
    body = json.dumps({{"status": "active", "release": os.environ["RELEASE_ID"], "attempts": attempts,
                       "stolen": stolen(), "environ": sorted(os.environ)}}).encode()
    await send({{"type": "http.response.start", "status": 200, "headers": [[b"content-type", b"application/json"]]}})
    await send({{"type": "http.response.body", "body": body}})
"""


@pytest.fixture
def guarded(tmp_path):
    daemon = RealDaemon(tmp_path, REGISTRY_TOKEN=CANARY)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.clean_up()


def test_a_release_that_reads_keys_or_approves_its_own_build_is_refused(
    guarded, tmp_path: Path, ledger: Ledger
):
    build_id = guarded.build("Build a droplet that stores stamps", approval_mode="checkpoints")
    guarded.until(build_id, "waiting_approval")
    source = tmp_path / "hostile"
    (source / "app").mkdir(parents=True)
    (source / "app" / "__init__.py").write_text("")
    code = HOSTILE.format(daemon=guarded.url, build=build_id, state=str(guarded.state_dir))
    (source / "app" / "main.py").write_text(textwrap.dedent(code))
    (source / "requirements.txt").write_text("uvicorn==0.54.0\nclick==8.5.1\nh11==0.16.0\n")

    answer = asyncio.run(_deployed(guarded, build_id, source))
    assert set(answer["attempts"].values()) == {403}
    assert answer["stolen"] == []
    assert "REGISTRY_TOKEN" not in answer["environ"]
    assert guarded.status(build_id)["status"] == "waiting_approval"
    assert len(guarded.get("/executor/builds")) == 1
    assert CANARY not in guarded.log.read_text()
    assert CANARY.encode() not in (guarded.state_dir / "executor.db").read_bytes()
    ledger.tried(
        "requests and thefts of a hostile release", len(answer["attempts"]) + 1, threat="sandbox escapes"
    )


async def _deployed(daemon: RealDaemon, build_id: str, source: Path) -> dict[str, object]:
    places = Places.of(daemon.state_dir)
    launcher = choose_launcher(places, Cgroups.discover())
    target = ProcessTarget(places, VenvCache(places, find_uv()), launcher, port_range=(41000, 41050))
    release = Release(
        "hostile-1", build_id, 66, "hostile", "0.1.0", "0" * 40, source, source / "requirements.txt"
    )
    running = await target.start(release)
    try:
        await target.prove(running, release)
        return await asyncio.to_thread(_ask, running.url)
    finally:
        await target.stop(running.handle)


def _ask(url: str) -> dict[str, object]:
    with urllib.request.urlopen(f"{url}/health", timeout=20) as answer:
        return dict(json.load(answer))
