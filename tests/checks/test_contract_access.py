"""Who a service with a key lets in, judged on one that checks tokens properly but for one fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from executor.checks.contract_access import check_access
from executor.checks.probe import Patience, probing
from executor.checks.tokens import TokenMaker
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Finding
from tests.fakes.droplet import Fake


@pytest.fixture(scope="module")
def tokens() -> TokenMaker:
    """One key pair for all tests."""
    return TokenMaker.new()


async def judge(
    fake: Fake, tokens: TokenMaker, where: Path, identity: DropletIdentity
) -> tuple[Finding, ...]:
    socket = where / "app.sock"
    async with fake.serving(socket), probing(str(socket), Patience(answer=5.0)) as probe:
        return await check_access(probe, tokens, identity)


async def test_a_service_that_checks_its_tokens_passes(
    tmp_path: Path, tokens: TokenMaker, identity: DropletIdentity, failed: Any
) -> None:
    findings = await judge(Fake(tokens.public_pem), tokens, tmp_path, identity)
    assert failed(findings) == {}
    assert [finding.rule for finding in findings] == ["U2a", "U8", "U9"]


@pytest.mark.parametrize(
    ("word", "rules", "evidence"),
    [
        ("open", {"U8", "U9"}, "without a token: status 200"),
        ("open books", {"U8"}, "GET /books/{book_id} without a token"),
        ("none", {"U9"}, "an unsigned token"),
        ("hs256", {"U9"}, "an HS256 token"),
        ("foreign", {"U9"}, "somebody else's token"),
        ("stale", {"U9"}, "an expired token"),
        ("endless", {"U9"}, "a token that never expires"),
    ],
)
async def test_letting_the_wrong_ones_in_fails_the_rule(
    tmp_path: Path, tokens: TokenMaker, identity: DropletIdentity, failed: Any, word: str, rules: set[str],
    evidence: str,
) -> None:  # fmt: skip
    fake = Fake(tokens.public_pem)
    fake.faults.add(word)
    found = failed(await judge(fake, tokens, tmp_path, identity))
    assert set(found) == rules
    assert evidence in " ".join(found.values())


async def test_keeping_a_good_token_out_fails_the_rule(
    tmp_path: Path, tokens: TokenMaker, identity: DropletIdentity, failed: Any
) -> None:
    fake = Fake(TokenMaker.new().public_pem)
    assert "/state with a good token" in failed(await judge(fake, tokens, tmp_path, identity))["U9"]


async def test_a_health_that_asks_for_a_token_fails_the_rule(
    tmp_path: Path, tokens: TokenMaker, identity: DropletIdentity, failed: Any
) -> None:
    fake = Fake(tokens.public_pem)

    async def shut(request: web.Request) -> web.StreamResponse:
        if "Authorization" in request.headers:
            return web.json_response({})
        return web.json_response({}, status=401)

    fake.handlers["GET", "/health"] = shut
    assert set(failed(await judge(fake, tokens, tmp_path, identity))) == {"U2a"}
