"""What the author of hidden tests answers, in the form that it is held to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def check(at: str, rule: str, value: Any = None) -> dict[str, Any]:
    text = "" if rule in {"present", "absent"} else json.dumps(value)
    return {"part": "json", "at": at, "rule": rule, "value": text}


def call(asked: str, *checks: Mapping[str, Any], status: int = 200, **more: Any) -> dict[str, Any]:
    method, path = asked.split(" ", 1)
    plain = {"wait": 0, "query": [], "headers": [], "body": "", "raw": "", "save": []}
    return {**plain, "method": method, "path": path, "status": [status], "checks": list(checks), **more}


def shows(requirement: str, *calls: Mapping[str, Any], title: str = "it does") -> dict[str, Any]:
    return {"requirement": requirement, "title": title, "fresh": False, "calls": list(calls)}


def written(*scenarios: Mapping[str, Any], **requirements: str) -> dict[str, Any]:
    """`written(shows("R1", …), R1="what it says")`."""
    listed = [{"id": name, "text": text} for name, text in requirements.items()]
    return {"requirements": listed, "scenarios": list(scenarios)}


def decides(key: str, decision: str, corrected: Mapping[str, Any] | None = None, quote: str = "") -> dict:
    mended = [corrected] if corrected else []
    reason = f"because of {decision}"
    return {"key": key, "decision": decision, "reason": reason, "quote": quote, "corrected": mended}


def review(*decisions: Mapping[str, Any]) -> dict[str, Any]:
    return {"decisions": list(decisions)}
