"""The droplet contract, probed on the running service (ecosystem.md section 1)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

from executor.checks.probe import Answer, Probe, probing, until_up
from executor.checks.rules import judged
from executor.checks.tokens import TokenMaker
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Finding
from executor.sandbox.base import Bind, Limits, RunningService, Sandbox, SandboxCommand
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places

GETS = ("/health", "/capabilities", "/state", "/dependencies")
HEALTH_B = {"active", "inactive", "error"}
HEALTH_A = {"healthy", "degraded", "unhealthy"}
_SLOWEST_HEALTH = 1.0
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
MESSAGE_A = {"from_service": "verifier", "message_type": "query", "payload": {"ask": "status"}}
MESSAGE_B = {
    "trace_id": "3f1c9a2e-0000-4000-8000-000000000001", "source": "verifier", "target": "droplet",
    "message_type": "query", "payload": {}, "timestamp": "2026-01-01T00:00:00Z",
}  # fmt: skip
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-xss-protection": "",
    "strict-transport-security": "",
}
_LEAKS = re.compile(r"Traceback|site-packages|File \"|sqlite3\.|/ws/")


@dataclass(frozen=True, slots=True)
class Subject:
    """The droplet that is probed, and the walls that it is probed in."""

    source: Path
    venv: Path
    identity: DropletIdentity
    sandbox: Sandbox
    places: Places
    limits: Limits


@dataclass(frozen=True, slots=True)
class ContractVerdict:
    """How the running service answered; `output` is what it printed."""

    findings: tuple[Finding, ...]
    output: str


async def check_contract(subject: Subject) -> ContractVerdict:
    """Start the service twice, open and with a key, and judge U1 to U12, U17, S7, S9 and S1's live half."""
    (open_findings, output), locked = await asyncio.gather(
        _open_service(subject), _locked_service(subject, TokenMaker.new())
    )
    return ContractVerdict((*open_findings, *locked), output)


async def _open_service(subject: Subject) -> tuple[tuple[Finding, ...], str]:
    async with _served(subject, _environment(subject.identity)) as (service, socket, problem):
        if problem:
            return (judged("U1", "All five endpoints answer", [problem]),), service.output()
        async with probing(socket) as probe:
            findings = await _probe_all(probe, subject.identity)
    output = service.output()
    return (*findings, _logs(output)), output


async def _probe_all(probe: Probe, identity: DropletIdentity) -> list[Finding]:
    prefix = f"/{identity.name}"
    root = {path: await probe.ask("GET", path) for path in GETS}
    named = {path: await probe.ask("GET", prefix + path) for path in GETS}
    posts = {p: await probe.ask("POST", f"{p}/message", body=MESSAGE_B) for p in ("", prefix)}
    return [
        judged("U1", "All five endpoints answer", _unanswered({**root, "/message": posts[""]})),
        judged("U1p", f"They answer under {prefix} too", _unanswered({**named, "/message": posts[prefix]})),
        judged("U1f", "Their bodies have the fields of variants A and B", _missing_fields(root)),
        await _quick(probe),
        judged("U3", "Health speaks variant B at the root and A under the name", _health(root, named)),
        await _listed(probe, root["/capabilities"]),
        await _fresh(probe),
        judged(
            "U6", "Dependencies state what is lost without an optional one", _impacts(root["/dependencies"])
        ),
        await _messages(probe),
        *await _errors(probe),
        judged("S7", "Answers carry the security headers", _headers(root["/health"])),
    ]


async def _locked_service(subject: Subject, tokens: TokenMaker) -> tuple[Finding, ...]:
    env = {**_environment(subject.identity), "JWT_PUBLIC_KEY": tokens.public_pem}
    title = "With a key configured, all but /health need a valid RS256 token"
    async with _served(subject, env) as (_, socket, problem):
        if problem:
            return (judged("U8", title, [problem]),)
        async with probing(socket) as probe:
            wrong = [*await _let_in(probe, tokens), *await _kept_out(probe, tokens.good())]
            health = await probe.ask("GET", "/health")
    shut = [f"/health answers {health.status} without a token"] if health.status != 200 else []
    return (judged("U8", title, wrong), judged("U2a", "Health needs no token", shut))


async def _let_in(probe: Probe, tokens: TokenMaker) -> list[str]:
    refused = {
        "no token": "",
        "an unsigned token": tokens.unsigned(),
        "an HS256 token": tokens.symmetric(),
        "an expired token": tokens.expired(),
        "a foreign token": tokens.foreign(),
    }
    wrong = []
    for what, token in refused.items():
        answers = {path: await probe.ask("GET", path, token=token) for path in ("/state", "/dependencies")}
        answers["POST /message"] = await probe.ask("POST", "/message", body=MESSAGE_B, token=token)
        wrong += [f"{path} with {what} answers {a.status}" for path, a in answers.items() if a.status != 401]
    return wrong


async def _kept_out(probe: Probe, token: str) -> list[str]:
    answers = {path: await probe.ask("GET", path, token=token) for path in GETS}
    return [f"{path} with a good token answers {a.status}" for path, a in answers.items() if a.status != 200]


@asynccontextmanager
async def _served(
    subject: Subject, env: Mapping[str, str]
) -> AsyncIterator[tuple[RunningService, Path, str]]:
    """The service on a unix socket in its walls, and what is wrong if it did not come up."""
    data, sockets = subject.places.scratch("data"), subject.places.socket_directory("probe")
    command = SandboxCommand(
        argv=("/venv/bin/python", "-m", "uvicorn", "app.main:app", "--uds", "/sockets/app.sock"),
        binds=(
            Bind(subject.source, "/ws"),
            Bind(subject.venv, "/venv"),
            Bind(data, "/data", writable=True),
            Bind(sockets, "/sockets", writable=True),
        ),
        env=env,
        limits=subject.limits,
    )
    try:
        async with subject.sandbox.serve(command) as service:
            socket = sockets / "app.sock"
            yield service, socket, await until_up(socket, service)
    finally:
        await asyncio.gather(remove_tree(data), remove_tree(sockets))


def _environment(identity: DropletIdentity) -> dict[str, str]:
    return {
        "SERVICE_NAME": identity.name,
        "SERVICE_PORT": str(identity.port),
        "DROPLET_ID": str(identity.id),
        "ENVIRONMENT": "production",
        "LOG_LEVEL": "INFO",
        "DATA_DIR": "/data",
        "REGISTER": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _unanswered(answers: Mapping[str, Answer]) -> list[str]:
    return [
        f"{path}: {answer.problem or f'status {answer.status}, body {answer.text[:80]!r}'}"
        for path, answer in answers.items()
        if answer.status != 200 or not isinstance(answer.body, dict)
    ]


def _missing_fields(answers: Mapping[str, Answer]) -> list[str]:
    return [
        f"{path} lacks {name}"
        for path, names in FIELDS.items()
        for name in names
        if name not in answers[path].object
    ]


async def _quick(probe: Probe) -> Finding:
    seconds = median([(await probe.ask("GET", "/health")).seconds for _ in range(5)])
    slow = [f"its median is {seconds * 1000:.0f} ms"] if seconds > _SLOWEST_HEALTH else []
    return judged("U2", "Health is cheap", slow, f"median {seconds * 1000:.1f} ms of 5")


def _health(root: Mapping[str, Answer], named: Mapping[str, Answer]) -> list[str]:
    problems = []
    for where, answer, words in (("root", root["/health"], HEALTH_B), ("named", named["/health"], HEALTH_A)):
        if answer.object.get("status") not in words:
            problems.append(f"{where}: status {answer.object.get('status')!r} is not one of {sorted(words)}")
        if not _is_utc(answer.object.get("timestamp")):
            problems.append(f"{where}: timestamp {answer.object.get('timestamp')!r} is not ISO 8601 in UTC")
    return problems


def _is_utc(value: object) -> bool:
    try:
        return datetime.fromisoformat(str(value)).utcoffset() == timedelta(0)
    except ValueError:
        return False


async def _listed(probe: Probe, capabilities: Answer) -> Finding:
    served = (await probe.ask("GET", "/openapi.json")).object.get("paths", {})
    endpoints = capabilities.object.get("integration_endpoints")
    listed = (
        {e.get("path") for e in endpoints if isinstance(e, dict)} if isinstance(endpoints, list) else set()
    )
    unlisted = [path for path in served if path not in listed] if isinstance(served, dict) else []
    again = await probe.ask("GET", "/capabilities")
    moving = ["it changes between two calls"] if again.object != capabilities.object else []
    problems = [*(f"{path} is not listed" for path in unlisted), *moving]
    return judged(
        "U4", "Capabilities are static and list every public endpoint", problems, f"{len(listed)} listed"
    )


async def _fresh(probe: Probe) -> Finding:
    before = (await probe.ask("GET", "/state")).object.get("requests_total")
    await probe.ask("GET", "/health")
    after = (await probe.ask("GET", "/state")).object.get("requests_total")
    stale = not (isinstance(before, int) and isinstance(after, int) and after > before)
    return judged(
        "U5", "State follows what happens", [f"requests_total went from {before} to {after}"] if stale else []
    )


def _impacts(dependencies: Answer) -> list[str]:
    optional = dependencies.object.get("optional_services")
    if not isinstance(optional, list):
        return ["optional_services is not a list"]
    return [
        f"{o.get('name')} states no impact" for o in optional if isinstance(o, dict) and not o.get("impact")
    ]


async def _messages(probe: Probe) -> Finding:
    problems = []
    for variant, body in (("A", MESSAGE_A), ("B", MESSAGE_B)):
        answer = await probe.ask("POST", "/message", body=body)
        if answer.status != 200 or answer.object.get("received") is not True:
            problems.append(f"variant {variant} answers {answer.status} {answer.text[:80]!r}")
    empty = await probe.ask("POST", "/message", body={})
    if empty.status != 400:
        problems.append(f"an empty message answers {empty.status}, not 400")
    return judged("U7", "Messages of both variants are taken at once", problems)


async def _errors(probe: Probe) -> Iterable[Finding]:
    answers = {
        "an unknown path": await probe.ask("GET", "/no-such-path"),
        "a wrong method": await probe.ask("DELETE", "/health"),
        "malformed JSON": await probe.ask("POST", "/message", raw=b'{"message_type": '),
        "a wrong type": await probe.ask("POST", "/message", raw=b"[1, 2]"),
    }
    shapeless, surprising, leaking = [], [], []
    for what, answer in answers.items():
        error = answer.object.get("error")
        if not isinstance(error, dict) or not {"code", "message", "details"} <= error.keys():
            shapeless.append(f"{what}: {answer.status} {answer.text[:80]!r}")
        if answer.status not in {400, 401, 403, 404, 405, 413, 415}:
            surprising.append(f"{what} answers {answer.status or answer.problem}")
        if _LEAKS.search(answer.text):
            leaking.append(f"{what} shows internals")
    return (
        judged("U10", "Errors are an object with code, message and details", shapeless),
        judged("U12", "Bad input gets the contract's status codes", surprising),
        judged("S9", "Errors show no internals", leaking),
    )


def _headers(answer: Answer) -> list[str]:
    problems = []
    for name, value in HEADERS.items():
        found = answer.headers.get(name)
        if found is None or (value and found.upper() != value.upper()):
            problems.append(f"{name} is {found!r}")
    return problems


def _logs(output: str) -> Finding:
    """uvicorn's own lines aside, every line is one JSON object with an event."""
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith("INFO:")]
    wrong = [line[:80] for line in lines if not _is_event(line)]
    none = [] if lines else ["nothing was logged"]
    return judged(
        "U17", "Logs are one JSON object a line with an event", [*none, *wrong], f"{len(lines)} lines"
    )


def _is_event(line: str) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and "event" in record
