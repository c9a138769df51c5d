"""The ecosystem Verifier's opinion is a note, whatever it decides and whether it decides at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from executor.adapters.verifier_service import VerifierService
from executor.domain.findings import Finding, Result
from tests.fakes.verifier_service import NEEDED, FakeVerifierService


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture
def droplet(tmp_path: Path) -> Path:
    for name in (*NEEDED, ".venv/bin/python"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if "." in path.name or path.name == "python":
            path.touch()
        else:
            path.mkdir(exist_ok=True)
    return tmp_path


async def heard(
    verifier: FakeVerifierService, session: aiohttp.ClientSession, droplet: Path, limit: float = 30.0
) -> Finding:
    async with verifier:
        return await VerifierService(session, verifier.url, limit=limit, pause=0.01).opinion(
            droplet, "library"
        )


async def test_its_decision_is_told(session: aiohttp.ClientSession, droplet: Path):
    verifier = FakeVerifierService(sh="bash")
    finding = await heard(verifier, session, droplet)
    assert finding == Finding("V2", finding.title, Result.NOTE, "APPROVED")
    assert verifier.requests == [{"droplet_path": str(droplet), "droplet_name": "library"}]


async def test_what_it_finds_wanting_is_named_and_fails_nothing(
    session: aiohttp.ClientSession, droplet: Path
):
    finding = await heard(FakeVerifierService(sh="dash"), session, droplet)
    assert finding.result is Result.NOTE
    assert finding.evidence == "FIXES_REQUIRED; UDC Compliance: FAIL; Functionality: FAIL"


async def test_a_job_that_fails_is_told(session: aiohttp.ClientSession, droplet: Path):
    finding = await heard(FakeVerifierService(ends="failed"), session, droplet)
    assert finding.result is Result.NOTE and "could not finish" in finding.evidence


async def test_nobody_waits_for_it_longer_than_the_limit(session: aiohttp.ClientSession, droplet: Path):
    finding = await heard(FakeVerifierService(looks=10**9), session, droplet, limit=0.3)
    assert finding.result is Result.NOTE and finding.evidence.startswith("not heard: ")


async def test_one_that_is_away_is_told(session: aiohttp.ClientSession, droplet: Path):
    async with FakeVerifierService() as verifier:
        url = verifier.url
    finding = await VerifierService(session, url).opinion(droplet, "library")
    assert finding.result is Result.NOTE
    assert "The Verifier does not answer" in finding.evidence
