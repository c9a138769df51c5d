"""R5: power loss loses no acknowledged transition, whatever part of the unsynced writes is on the disk."""

from __future__ import annotations

import random

import pytest

from tests.crash.disk.check import fault_of, fault_of_copies, laid_out
from tests.crash.disk.power import Disk, moments
from tests.crash.disk.recorded_daemon import recorded
from tests.crash.disk.recorder import COMPILER, Operation
from tests.proof.scale import scaled

STATES = scaled(500, 20_000)
_WHOLE_EVERY = 20

pytestmark = pytest.mark.skipif(COMPILER is None, reason="the recorder needs a C compiler")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> list[Operation]:
    """What a real daemon did to its disk, and whom it told what."""
    return recorded(tmp_path_factory.mktemp("recorded"))


def test_r5_a_power_cut_at_any_moment_leaves_a_sound_database_with_everything_acknowledged(done, ledger):
    told = [one for one in done if one.kind == "A"]
    assert len(told) > 40
    assert any(one.kind == "R" and one.data.startswith(b"backups/") for one in done)
    for seed, disk in moments(done, STATES, Disk()):
        with laid_out(disk.crash(random.Random(seed))) as root:
            fault = fault_of(root, disk.acknowledged, whole=seed % _WHOLE_EVERY == 0)
            fault = fault or fault_of_copies(root, ())
        assert not fault, f"crash state {seed}: {fault}"
        ledger.tried("crash states of a real daemon's disk")


def test_r5_the_check_finds_what_a_disk_that_only_pretends_to_sync_has_lost(done):
    found = set()
    for seed, disk in moments(done, 60, Disk(lying=True)):
        disk.synced_names = dict(disk.names)
        with laid_out(disk.crash(random.Random(seed))) as root:
            found.add(fault_of(root, disk.acknowledged, whole=False).partition(":")[0])
    assert "lost" in found
