"""Each rule of the contract, kept and broken by one fault, on a small service that behaves otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from executor.checks.contract_answers import check_answers
from executor.checks.probe import Patience, probing
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Finding
from tests.fakes.droplet import Fake, error

Spoil = Callable[[Fake], None]


def body(path: str, **fields: Any) -> Spoil:
    return lambda fake: fake.bodies.update({path: fields})


def answer(method: str, path: str, status: int, content: dict[str, Any] | None = None, **extra: Any) -> Spoil:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.json_response(content if content is not None else error("X"), status=status, **extra)

    return lambda fake: fake.handlers.update({(method, path): handler})


def fault(word: str) -> Spoil:
    return lambda fake: fake.faults.add(word)


async def judge(fake: Fake, where: Path, identity: DropletIdentity) -> tuple[Finding, ...]:
    socket = where / "app.sock"
    async with fake.serving(socket), probing(str(socket), Patience(answer=5.0)) as probe:
        return await check_answers(probe, identity)


async def test_a_service_that_keeps_the_contract_passes_every_rule(
    tmp_path: Path, identity: DropletIdentity, failed: Any
) -> None:
    findings = await judge(Fake(), tmp_path, identity)
    assert failed(findings) == {}
    assert len({finding.rule for finding in findings}) == len(findings)


@pytest.mark.parametrize(
    ("spoil", "rules"),
    [
        (answer("GET", "/dependencies", 302, {}, headers={"Location": "/state"}), {"U1", "U1f", "U6"}),
        (answer("GET", "/state", 503), {"U1", "U1f", "U5"}),
        (answer("GET", "/library/state", 404), {"U1p"}),
        (answer("POST", "/message", 500), {"U1", "U7", "U12"}),
        (answer("POST", "/library/message", 500), {"U1p"}),
        (body("/health", status="ok"), {"U3"}),
        (body("/health", status=["active"]), {"U3"}),
        (body("/library/health", status="active"), {"U3"}),
        (body("/health", timestamp="2026-01-01T00:00:00"), {"U3"}),
        (body("/health", timestamp=17), {"U3"}),
        (body("/capabilities", integration_endpoints=[{"path": "/health"}]), {"U4"}),
        (body("/capabilities", integration_endpoints=[{"path": []}, 7]), {"U4"}),
        (body("/capabilities", integration_endpoints="all"), {"U4"}),
        (body("/state", requests_total=7), {"U5"}),
        (body("/state", requests_total="many"), {"U5"}),
        (body("/dependencies", optional_services=[{"name": "registry"}]), {"U6"}),
        (body("/dependencies", optional_services=["\ud800"]), {"U6"}),
        (body("/message", received="yes"), {"U7"}),
        (answer("GET", "/no-such-path", 404, {"detail": "Not Found"}), {"U10"}),
        (answer("GET", "/no-such-path", 500), {"U12"}),
        (answer("DELETE", "/health", 500, error('Traceback: File "/ws/app/main.py"')), {"U12", "S9"}),
        (fault("fragile"), {"S3"}),
        (answer("POST", "/books", 500), {"S3"}),
        (fault("bare"), {"S7"}),
    ],
)
async def test_one_fault_fails_the_rules_it_breaks(
    tmp_path: Path, identity: DropletIdentity, failed: Any, spoil: Spoil, rules: set[str]
) -> None:
    fake = Fake()
    spoil(fake)
    assert set(failed(await judge(fake, tmp_path, identity))) == rules


async def test_what_a_service_says_is_kept_as_text_that_can_be_shown(
    tmp_path: Path, identity: DropletIdentity, failed: Any
) -> None:
    fake = Fake()
    body("/health", status="\x1b[2J\ud800")(fake)
    evidence = failed(await judge(fake, tmp_path, identity))["U3"]
    assert "\x1b" not in evidence
    assert evidence.encode("utf-8")


async def test_capabilities_that_change_are_not_static(
    tmp_path: Path, identity: DropletIdentity, failed: Any
) -> None:
    fake = Fake()

    async def moving(request: web.Request) -> web.StreamResponse:
        return web.json_response({**fake._report("/capabilities", "/capabilities"), "version": fake.requests})

    fake.handlers["GET", "/capabilities"] = moving
    assert set(failed(await judge(fake, tmp_path, identity))) == {"U4"}
