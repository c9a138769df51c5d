"""The spec-verifier's opinion is a note, whatever it says and whether it says anything."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from executor.adapters.spec_verifier import SpecVerifier
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Result
from executor.domain.spec_writer import SpecRequest, write_spec
from tests.fakes.spec_verifier import FakeSpecVerifier

IDENTITY = DropletIdentity(13, "library", "0.1.0", "Build a Library that stores books with title", 18513)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


async def test_our_own_specs_are_valid_and_their_score_is_told(session: aiohttp.ClientSession):
    spec = write_spec(SpecRequest(identity=IDENTITY, intent=IDENTITY.purpose))
    async with FakeSpecVerifier() as verifier:
        finding = await SpecVerifier(session, verifier.url).opinion(spec)
    assert (finding.rule, finding.result) == ("V1", Result.NOTE)
    assert finding.evidence.startswith("valid, 88.0 of 100 (completeness 85.0, clarity 90.0, ")
    assert "warnings: No example usage" in finding.evidence
    assert verifier.requests == [{"spec_content": spec}]


async def test_a_spec_that_it_finds_wanting_is_told_with_its_errors(session: aiohttp.ClientSession):
    async with FakeSpecVerifier() as verifier:
        finding = await SpecVerifier(session, verifier.url).opinion("# Nothing\n")
    assert finding.result is Result.NOTE
    assert finding.evidence.startswith("not valid, 68.0 of 100")
    assert "errors: No service name; No port; UDC endpoint /health is not documented" in finding.evidence


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (web.Response(status=500, text="broken"), "answers 500: broken"),
        (web.Response(text="<html>"), "not JSON"),
        (web.json_response({"score": 5, "valid": True}), "holds no verdict"),
        (web.json_response({}), "holds no verdict"),
    ],
)
async def test_an_answer_that_is_no_verdict_is_told_and_nothing_more(
    answer: web.Response, words: str, session: aiohttp.ClientSession
):
    async with FakeSpecVerifier() as verifier:
        verifier.answer = answer
        finding = await SpecVerifier(session, verifier.url).opinion("# SPEC\n")
    assert finding.result is Result.NOTE
    assert finding.evidence.startswith("not heard: ") and words in finding.evidence


async def test_what_it_says_cannot_write_on_a_terminal(session: aiohttp.ClientSession):
    async with FakeSpecVerifier() as verifier:
        verifier.answer = web.json_response(
            {"valid": False, "score": {"overall": 3}, "errors": ["\x1b[31m" + "x" * 9999]}
        )
        finding = await SpecVerifier(session, verifier.url).opinion("# SPEC\n")
    assert "\x1b" not in finding.evidence and len(finding.evidence) <= 1200


async def test_one_that_is_away_is_told(session: aiohttp.ClientSession):
    async with FakeSpecVerifier() as verifier:
        url = verifier.url
    finding = await SpecVerifier(session, url).opinion("# SPEC\n")
    assert finding.result is Result.NOTE
    assert "The spec-verifier does not answer" in finding.evidence
