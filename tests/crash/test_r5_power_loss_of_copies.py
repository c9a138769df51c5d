"""R5, R13: a backup that was told of is there after a power cut, and a restore that is cut off ends well."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.crash.disk import copies
from tests.crash.disk.check import DATABASE, fault_of, fault_of_copies, laid_out
from tests.crash.disk.copies import done
from tests.crash.disk.power import Disk, moments
from tests.crash.disk.recorder import COMPILER, compiled
from tests.proof.scale import scaled

STATES = scaled(150, 3_000)

pytestmark = pytest.mark.skipif(COMPILER is None, reason="the recorder needs a C compiler")


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    directory.mkdir()
    return directory


def test_r5_a_backup_that_was_told_of_is_there_and_whole_after_a_power_cut(tmp_path, state_dir, ledger):
    for seed, disk in moments(done("taken", compiled(tmp_path), state_dir), STATES, Disk()):
        with laid_out(disk.crash(random.Random(seed))) as root:
            fault = fault_of_copies(root, disk.acknowledged)
        assert not fault, f"crash state {seed}: {fault}"
        ledger.tried("crash states of a disk with backups")


@pytest.mark.parametrize("damaged", ["header", "page"])
async def test_r5_r13_a_power_cut_during_a_restore_is_made_good_by_the_next_start(
    tmp_path, state_dir, damaged, ledger
):
    recorder = compiled(tmp_path)
    await copies.taken(state_dir)
    await copies.written(state_dir)
    done("beaten", recorder, state_dir)
    assert (state_dir / f"{DATABASE}-wal").stat().st_size
    with (state_dir / DATABASE).open("r+b") as file:
        file.seek(0 if damaged == "header" else 3 * 4096)
        file.write(bytes(4096))
    before = Disk.holding(state_dir)
    always = json.dumps({"droplets": copies.TAKEN * copies.DROPLETS})
    for seed, disk in moments(done("restored", recorder, state_dir), STATES, before):
        with laid_out(disk.crash(random.Random(seed))) as root:
            fault = fault_of(root, [always, *disk.acknowledged], whole=False)
            if fault.startswith("corrupt") and not disk.acknowledged:
                fault = fault_of(root, [always], whole=False)
        assert not fault, f"crash state {seed}: {fault}"
        ledger.tried("crash states of a restore")
