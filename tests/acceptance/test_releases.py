"""Releases of one droplet: a second one, its data, a rollback to the first, and to nothing."""

from __future__ import annotations

import json
import urllib.request


def ask(url: str, body: object = None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def test_a_second_release_keeps_the_data_and_a_rollback_brings_the_first_one_back(daemon):
    first = daemon.until(
        daemon.build("Build a droplet that stores books with title and year", droplet_name="shelf")
    )
    ask(f"{first['deployment_url']}/books", {"title": "Emma", "year": 1815})

    second = daemon.until(daemon.build("Also store authors with name", droplet_name="shelf"))
    assert second["droplet_id"] == first["droplet_id"]
    assert second["release"] != first["release"]
    assert [b["title"] for b in ask(f"{second['deployment_url']}/books")["data"]] == ["Emma"]
    assert ask(f"{second['deployment_url']}/authors")["data"] == []
    mine = [name for name in daemon.releases_alive() if "-shelf-" in name]
    assert mine == [second["release"]]

    status, body = daemon.call("POST", f"/executor/builds/{second['build_id']}/rollback")
    assert status < 300, body
    assert daemon.until(second["build_id"], "rolled_back")["status"] == "rolled_back"
    droplet = next(d for d in daemon.get("/executor/droplets") if d["name"] == "shelf")
    assert droplet["release"] == first["release"]
    assert ask(f"{droplet['url']}/health")["release"] == first["release"]
    assert [b["title"] for b in ask(f"{droplet['url']}/books")["data"]] == ["Emma"]

    daemon.call(
        "POST",
        f"/executor/builds/{first['build_id']}/approve",
        {"checkpoint": "deployed", "decision": "reject", "feedback": "not what I meant"},
    )
    assert daemon.until(first["build_id"], "rolled_back")["review"]["decision"] == "rejected"
    assert not [name for name in daemon.releases_alive() if "-shelf-" in name]
    droplet = next(d for d in daemon.get("/executor/droplets") if d["name"] == "shelf")
    assert droplet["url"] is None
