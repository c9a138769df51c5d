"""POST build and GET status against a bare Starlette JSON route in the same run."""

from __future__ import annotations

import json
import time
import urllib.request
from statistics import median
from typing import Any

from tests.acceptance.daemon import free_port
from tests.bench.harness import child, place, run
from tests.bench.load import Load, Requests, load
from tests.bench.results import Figure, at_least

_INTENT = json.dumps(
    {"architect_intent": "Build a Library Droplet NUMBER that stores books", "droplet_id": 77}
)


def measure(quick: bool, number: int = 600) -> list[Figure]:
    """One connection and sixteen, the two servers in turn; so many GETs a round, a third of it POSTs.

    Raises NotWaiting when the build that is to take the only slot has left it: the daemon had more to do.
    """
    with place() as state_dir, place() as beside:
        ours, bare = free_port(), free_port()
        with (
            child("tests.bench.start_served", state_dir, ours, 0) as daemon,
            child("tests.bench.bare", beside, bare) as floor,
        ):
            daemon.answer()
            document = _first_build(ours)
            floor.tell(json.dumps(document))
            floor.answer()
            status = f"/executor/builds/{document['build_id']}/status"
            figures = _figures(ours, bare, status, number, rounds=2 if quick else 5)
            state = _fetched(ours, status)["status"]
            if state != "in_progress":
                raise NotWaiting(f"The first build is {state} by now.")
            return figures


class NotWaiting(Exception):
    """The builds did not stand still while requests were measured."""


def _figures(ours: int, bare: int, status: str, number: int, rounds: int) -> list[Figure]:
    kinds = (
        ("GET status", status, "", number, 0.7),
        ("POST build", "/executor/build-droplet", _INTENT, number // 3, 0.5),
    )
    figures = []
    for connections in (1, 16):
        for name, path, body, requests, floor in kinds:
            sides = Requests(ours, path, body), Requests(bare, path, body)
            runs = [run(_both(sides, requests, connections)) for _ in range(rounds)]
            figures += _compared(f"{name}, c={connections}", runs, floor)
    return figures


async def _both(sides: tuple[Requests, Requests], number: int, connections: int) -> tuple[Load, Load]:
    for side in sides:
        await load(side, number // 10, connections)
    return await load(sides[0], number, connections), await load(sides[1], number, connections)


def _compared(name: str, runs: list[tuple[Load, Load]], floor: float) -> list[Figure]:
    ours, bare = (median(run[side].per_second for run in runs) for side in (0, 1))
    p99 = median(run[0].p99 for run in runs) * 1e3
    ratio = median(ours.per_second / bare.per_second for ours, bare in runs)
    return [
        at_least(name, ours, "/s", f"bare Starlette: {bare:,.0f}/s", ratio, floor),
        Figure(f"{name}, p99", p99, "ms"),
    ]


def _first_build(port: int) -> dict[str, Any]:
    """Submit one build, which takes the only slot and waits; returns its status document once it does."""
    build_id = _fetched(port, "/executor/build-droplet", _INTENT)["build_id"]
    while True:
        document = _fetched(port, f"/executor/builds/{build_id}/status")
        if document["current_step"] == 5 or document["status"] not in ("queued", "in_progress"):
            return document
        time.sleep(0.05)


def _fetched(port: int, path: str, body: str = "") -> dict[str, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body.encode() or None)
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request) as reply:
        found: dict[str, Any] = json.load(reply)
    return found
