"""What single answers of the contract have to hold, judged without asking anything."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from executor.checks.probe import Answer
from executor.checks.rules import judged
from executor.domain.findings import Finding

# Fields of variants A and B (ecosystem.md, table 1.1): one body serves both.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "/health": ("status", "timestamp", "uptime_seconds", "version", "service"),
    "/capabilities": (
        "service_name", "droplet_id", "capabilities", "supported_operations", "integration_endpoints",
        "version", "features", "dependencies", "udc_version", "metadata",
    ),
    "/state": (
        "status", "mode", "last_activity", "metrics", "uptime_seconds", "requests_total",
        "requests_per_minute", "errors_last_hour", "last_restart", "cpu_percent", "memory_mb",
    ),
    "/dependencies": (
        "required_services", "optional_services", "external_apis", "required", "optional", "missing",
    ),
}  # fmt: skip
HEALTH_B = ("active", "inactive", "error")
HEALTH_A = ("healthy", "degraded", "unhealthy")
# SECURITY_REQUIREMENTS S7; an empty value stands for any.
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-xss-protection": "",
    "strict-transport-security": "",
}
_CUT = re.compile(r"[^\n]*\n\[\.\.\. \d+ bytes left out \.\.\.\]\n[^\n]*")


def unanswered(answers: Mapping[str, Answer]) -> list[str]:
    """Those that are not 200 with a JSON object (U1)."""
    return [
        f"{path}: {answer.words}"
        for path, answer in answers.items()
        if answer.status != 200 or not isinstance(answer.body, dict)
    ]


def missing_fields(answers: Mapping[str, Answer]) -> list[str]:
    """Fields of either variant that the four reports lack."""
    return [
        f"{path} lacks {name}"
        for path, names in FIELDS.items()
        for name in names
        if name not in answers[path].object
    ]


def health_problems(where: str, answer: Answer, words: tuple[str, ...]) -> list[str]:
    """A status outside the variant's words, or a timestamp that is not ISO 8601 in UTC (U3)."""
    problems = []
    if answer.object.get("status") not in words:
        problems.append(f"{where}: status {answer.object.get('status')!r} is none of {', '.join(words)}")
    if not _is_utc(answer.object.get("timestamp")):
        problems.append(f"{where}: timestamp {answer.object.get('timestamp')!r} is not ISO 8601 in UTC")
    return problems


def unstated_impacts(dependencies: Answer) -> list[str]:
    """Optional services that do not say what is lost without them (U6)."""
    optional = dependencies.object.get("optional_services")
    if not isinstance(optional, list):
        return ["optional_services is not a list"]
    return [
        f"{one!r} states no impact" for one in optional if not (isinstance(one, dict) and one.get("impact"))
    ]


def header_problems(answer: Answer) -> list[str]:
    """Security headers that are absent or say something else (S7)."""
    found = {name: answer.headers.get(name) for name in HEADERS}
    return [
        f"{name} is {value!r}"
        for name, value in found.items()
        if value is None or (HEADERS[name] and value.upper() != HEADERS[name].upper())
    ]


def check_logs(output: str) -> Finding:
    """U17: every line is one JSON object with an event, the server's own lines before the app is up aside."""
    whole = _CUT.sub("", output)  # where the middle was left out, two lines are torn
    lines = [line for line in whole.splitlines() if line.strip() and not line.startswith("INFO:  ")]
    wrong = [repr(line[:80]) for line in lines if not _is_event(line)]
    problems = wrong or ([] if lines else ["nothing was logged"])
    return judged("U17", "Logs are one JSON object a line with an event", problems, f"{len(lines)} lines")


def _is_event(line: str) -> bool:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and "event" in record


def _is_utc(value: object) -> bool:
    try:
        return datetime.fromisoformat(str(value)).utcoffset() == timedelta(0)
    except ValueError:
        return False
