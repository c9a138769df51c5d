"""Short ways to write hidden tests down."""

from __future__ import annotations

from typing import Any

from executor.domain.acceptance import AcceptanceSet, Requirement, Scenario
from executor.domain.acceptance_reader import read_scenario


def check(at: str, rule: str, value: Any = None, part: str = "json") -> dict[str, Any]:
    return {"part": part, "at": at, "rule": rule, "value": value}


def save(name: str, at: str, part: str = "json") -> dict[str, Any]:
    return {"name": name, "at": at, "part": part}


def call(asked: str, *checks: dict[str, Any], status: int | list[int] = 200, **more: Any) -> dict[str, Any]:
    """`call("GET /books/${id}", check("/data/id", "equals", 1), status=200, body="{}")`."""
    method, path = asked.split(" ", 1)
    plain = {"query": [], "headers": [], "body": "", "raw": "", "wait": 0, "save": []}
    statuses = status if isinstance(status, list) else [status]
    return {**plain, "method": method, "path": path, "status": statuses, "checks": list(checks), **more}


def record(*calls: dict[str, Any], requirement: str = "R1", fresh: bool = False, title: str = "it works"):
    return {"requirement": requirement, "title": title, "fresh": fresh, "calls": list(calls)}


def scenario(*calls: dict[str, Any], key: str = "S1", **more: Any) -> Scenario:
    return read_scenario(record(*calls, **more), key)


def set_of(*scenarios: Scenario, **more: Any) -> AcceptanceSet:
    ids = dict.fromkeys(s.requirement for s in scenarios)
    return AcceptanceSet("0" * 64, tuple(Requirement(i, f"what {i} says") for i in ids), scenarios, **more)
