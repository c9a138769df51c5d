"""Trouble of the machine and trouble of the droplet are told apart, and neither leaves anything behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from executor.checks.verifier import Verifier
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import VerifierReport
from executor.errors import Transient
from executor.sandbox.base import Limits, Sandbox, SandboxCommand, SandboxResult
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache

Edit = Callable[[str, str, str], None]


class NoRoom:
    """Walls on a machine whose disk is full."""

    kind = "none"

    async def run(self, command: SandboxCommand) -> SandboxResult:
        raise Transient("The disk is full.")

    def serve(self, command: SandboxCommand) -> Any:
        raise Transient("The disk is full.")


async def verify(verifier: Verifier, source: Path, identity: DropletIdentity) -> VerifierReport:
    return await verifier.verify(
        source=source, commit="0" * 40, identity=identity, notify=lambda action, details: None
    )


@pytest.fixture
def nothing_left(places: Places, droplet: Path, venv: Path) -> Iterator[None]:
    """Scratch and socket directories are afterwards what they were before."""

    def there() -> set[Path]:
        return {*(places.root / "scratch").iterdir(), *places.sockets.iterdir()}

    before = there()
    yield
    assert there() == before


@pytest.mark.usefixtures("nothing_left")
async def test_the_machines_own_trouble_is_raised_and_not_held_against_the_droplet(
    droplet: Path, identity: DropletIdentity, venvs: VenvCache, places: Places
) -> None:
    verifier = Verifier(sandbox=NoRoom(), venvs=venvs, places=places, limits=Limits())
    with pytest.raises(Transient, match="disk is full"):
        await verify(verifier, droplet, identity)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("after", [0.05, 0.8, 1.5])
async def test_a_build_that_is_cancelled_meanwhile_takes_everything_with_it(
    droplet: Path, identity: DropletIdentity, sandbox: Sandbox, venvs: VenvCache, places: Places, after: float
) -> None:
    verifier = Verifier(sandbox=sandbox, venvs=venvs, places=places, limits=Limits())
    verifying = asyncio.create_task(verify(verifier, droplet, identity))
    await asyncio.sleep(after)
    verifying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await verifying


async def test_a_failing_test_and_a_wrong_word_each_fail_their_own_rule(
    droplet: Path, identity: DropletIdentity, sandbox: Sandbox, venvs: VenvCache, places: Places,
    edit: Edit, failed: Any,
) -> None:  # fmt: skip
    for path in (droplet / "tests").rglob("test_*.py"):
        path.unlink()
    (droplet / "tests" / "test_health.py").write_text(
        "def test_sums() -> None:\n    assert 1 + 1 == 3, 'sums are off'\n"
    )
    edit("app/contract.py", '_contract_router("B")', '_contract_router("A")')
    verifier = Verifier(sandbox=sandbox, venvs=venvs, places=places, limits=Limits())
    report = await verify(verifier, droplet, identity)
    found = failed(report.findings)
    assert (report.tests_passing, report.tests_failing) == (0, 1)
    assert "test_sums" in found["T1"]
    assert "at the root: status 'healthy'" in found["U3"]
    assert "sums are off" in report.output["tests"]
    assert {"U1", "U8", "S12"}.isdisjoint(found)


async def test_an_empty_repository_fails_and_raises_nothing(
    identity: DropletIdentity, sandbox: Sandbox, venvs: VenvCache, places: Places
) -> None:
    verifier = Verifier(sandbox=sandbox, venvs=venvs, places=places, limits=Limits())
    report = await verify(verifier, places.scratch("empty"), identity)
    assert not report.passed
    assert report.tests_passing == 0
