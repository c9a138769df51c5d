"""The rules that an open service keeps: its five endpoints at both places, its messages, its errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from statistics import median

from executor.checks.contract_bodies import (
    HEALTH_A,
    HEALTH_B,
    header_problems,
    health_problems,
    missing_fields,
    unanswered,
    unstated_impacts,
)
from executor.checks.contract_operations import Operation, of_business, operations
from executor.checks.probe import Answer, Probe
from executor.checks.rules import judged, noted
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Finding

GETS = ("/health", "/capabilities", "/state", "/dependencies")
MESSAGE_A = {"from_service": "verifier", "message_type": "query", "payload": {"ask": "status"}}
MESSAGE_B = {
    "trace_id": "3f1c9a2e-0000-4000-8000-000000000001", "source": "verifier", "target": "droplet",
    "message_type": "query", "payload": {}, "timestamp": "2026-01-01T00:00:00Z",
}  # fmt: skip
_QUICK, _TOO_SLOW = 0.1, 1.0  # seconds: the contract's bound, and what a busy machine explains no more
_REFUSALS = frozenset({400, 401, 403, 404, 405, 413, 415, 422})
_LEAKS = re.compile(r"Traceback|site-packages|File \"|sqlite3\.|/ws/")
_ODD_VALUES = ("9" * 40, "-1", "%00", "%2e%2e%2fetc")
_ODD_BODIES = (b'{"half": ', b"[1, 2]", b"null", b'{"a": 1e999}', b'{"\\ud800": "\\u0000"}')


async def check_answers(probe: Probe, identity: DropletIdentity) -> tuple[Finding, ...]:
    """Ask everything that needs no token, and judge each rule."""
    prefix = f"/{identity.name}"
    root = {path: await probe.ask("GET", path) for path in GETS}
    named = {path: await probe.ask("GET", prefix + path) for path in GETS}
    posts = {p: await probe.ask("POST", f"{p}/message", body=MESSAGE_B) for p in ("", prefix)}
    openapi = await probe.ask("GET", "/openapi.json")
    health = [
        *health_problems("at the root", root["/health"], HEALTH_B),
        *health_problems(f"under {prefix}", named["/health"], HEALTH_A),
    ]
    impacts = unstated_impacts(root["/dependencies"])
    return (
        judged("U1", "All five endpoints answer", unanswered({**root, "/message": posts[""]})),
        judged("U1p", f"They answer under {prefix} too", unanswered({**named, "/message": posts[prefix]})),
        judged("U1f", "Their bodies have the fields of variants A and B", missing_fields(root)),
        await _quick(probe),
        judged("U3", "Health speaks variant B at the root and A under the name", health),
        await _listed(probe, root["/capabilities"], operations(openapi)),
        await _fresh(probe),
        judged("U6", "Dependencies state what is lost without an optional one", impacts),
        await _messages(probe),
        *await _errors(probe),
        await _sturdy(probe, of_business(operations(openapi), _contract_paths(prefix))),
        judged("S7", "Answers carry the security headers", header_problems(root["/health"])),
    )


def _contract_paths(prefix: str) -> list[str]:
    return [f"{place}{path}" for place in ("", prefix) for path in (*GETS, "/message")]


async def _quick(probe: Probe) -> Finding:
    title = "Health is cheap"
    answers = [await probe.ask("GET", "/health") for _ in range(5)]
    silent = [answer.problem for answer in answers if answer.problem]
    seconds = median(answer.seconds for answer in answers)
    measured = f"median {seconds * 1000:.1f} ms of 5"
    if silent or seconds > _TOO_SLOW:
        return judged("U2", title, silent or [measured])
    return judged("U2", title, [], measured) if seconds <= _QUICK else noted("U2", title, measured)


async def _listed(probe: Probe, capabilities: Answer, served: tuple[Operation, ...]) -> Finding:
    endpoints = capabilities.object.get("integration_endpoints")
    listed = [e.get("path") for e in endpoints if isinstance(e, dict)] if isinstance(endpoints, list) else []
    unlisted = sorted({operation.path for operation in served if operation.path not in listed})
    again = await probe.ask("GET", "/capabilities")
    problems = [f"{path} is served and not listed" for path in unlisted]
    if not listed:
        problems.append("integration_endpoints lists nothing")
    if again.object != capabilities.object:
        problems.append("it changes between two calls")
    return judged(
        "U4", "Capabilities are static and list every public endpoint", problems, f"{len(listed)} listed"
    )


async def _fresh(probe: Probe) -> Finding:
    before = (await probe.ask("GET", "/state")).object.get("requests_total")
    await probe.ask("GET", "/health")
    after = (await probe.ask("GET", "/state")).object.get("requests_total")
    follows = isinstance(before, int) and isinstance(after, int) and after > before
    problems = [] if follows else [f"requests_total went from {before!r} to {after!r}"]
    return judged("U5", "State follows what happens", problems)


async def _messages(probe: Probe) -> Finding:
    problems = []
    for variant, body in (("A", MESSAGE_A), ("B", MESSAGE_B)):
        answer = await probe.ask("POST", "/message", body=body)
        if answer.status != 200 or answer.object.get("received") is not True:
            problems.append(f"variant {variant}: {answer.words}")
    empty = await probe.ask("POST", "/message", body={})
    if empty.status != 400:
        problems.append(f"an empty message: {empty.words}, not 400")
    return judged("U7", "Messages of both variants are taken at once", problems)


async def _errors(probe: Probe) -> tuple[Finding, ...]:
    answers = {
        "an unknown path": await probe.ask("GET", "/no-such-path"),
        "a wrong method": await probe.ask("DELETE", "/health"),
        "malformed JSON": await probe.ask("POST", "/message", raw=b'{"message_type": '),
        "a wrong type": await probe.ask("POST", "/message", raw=b"[1, 2]"),
    }
    surprising = [f"{what}: {a.words}" for what, a in answers.items() if a.status not in _REFUSALS - {422}]
    leaking = [f"{what} shows internals" for what, a in answers.items() if _LEAKS.search(a.text)]
    return (
        judged("U10", "Errors are an object with code, message and details", _shapeless(answers)),
        judged("U12", "Bad input gets the contract's status codes", surprising),
        judged("S9", "Errors show no internals", leaking),
    )


def _shapeless(answers: Mapping[str, Answer]) -> list[str]:
    problems = []
    for what, answer in answers.items():
        error = answer.object.get("error")
        if not isinstance(error, dict) or not {"code", "message", "details"} <= error.keys():
            problems.append(f"{what}: {answer.words}")
    return problems


async def _sturdy(probe: Probe, own: tuple[Operation, ...]) -> Finding:
    """Values and bodies that nobody means, on every operation of the droplet's own."""
    problems = []
    for operation in own:
        bodies = _ODD_BODIES if operation.takes_body else (None,)
        values = _ODD_VALUES if "{" in operation.path else ("",)
        tries = [(value, bodies[0]) for value in values] + [(values[-1], body) for body in bodies[1:]]
        for value, body in tries:
            answer = await probe.ask(operation.method, operation.address(value), raw=body)
            if answer.status >= 500 or not answer.status or _LEAKS.search(answer.text):
                problems.append(f"{operation.method} {operation.address(value)} {body!r}: {answer.words}")
    return judged(
        "S3", "Odd input to its own endpoints is refused, not a failure", problems, f"{len(own)} tried"
    )
