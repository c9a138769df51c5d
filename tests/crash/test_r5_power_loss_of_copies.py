"""R5, R13: a backup that was told of is there after a power cut, and a restore that is cut off ends well."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.disk import copies
from tests.crash.disk.check import DATABASE, fault_of, fault_of_copies, laid_out
from tests.crash.disk.power import Disk, moments
from tests.crash.disk.recorder import COMPILER, Operation, compiled, operations, preload
from tests.proof.scale import scaled

ROOT = Path(__file__).parents[2]
STATES = scaled(100, 3_000)

pytestmark = pytest.mark.skipif(COMPILER is None, reason="the recorder needs a C compiler")


def done(what: str, directory: Path, into: Path) -> list[Operation]:
    """What a process that does this does to the disk."""
    log = into / "disk.log"
    env = {**os.environ, **preload(compiled(into), directory, log)}
    argv = [sys.executable, "-m", "tests.crash.disk.copies", what, str(directory)]
    subprocess.run(argv, cwd=ROOT, env=env, check=True, timeout=60)
    return operations(log, directory)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    directory.mkdir()
    return directory


def test_r5_a_backup_that_was_told_of_is_there_and_whole_after_a_power_cut(tmp_path, state_dir, ledger):
    for seed, disk in moments(done("taken", state_dir, tmp_path), STATES, Disk()):
        with laid_out(disk.crash(random.Random(seed))) as root:
            fault = fault_of_copies(root, disk.acknowledged)
        assert not fault, f"crash state {seed}: {fault}"
        ledger.tried("crash states of a disk with backups")


async def test_r5_r13_a_power_cut_during_a_restore_is_made_good_by_the_next_start(
    tmp_path, state_dir, ledger
):
    await copies.taken(state_dir)
    with (state_dir / DATABASE).open("r+b") as file:
        file.seek(3 * 4096)
        file.write(bytes(4096))
    before = Disk.holding(state_dir)
    always = json.dumps({"droplet": copies.TAKEN * copies.DROPLETS})
    for seed, disk in moments(done("restored", state_dir, tmp_path), STATES, before):
        with laid_out(disk.crash(random.Random(seed))) as root:
            fault = fault_of(root, [always, *disk.acknowledged], whole=False)
            if fault.startswith("corrupt") and not disk.acknowledged:
                fault = fault_of(root, [always], whole=False)
        assert not fault, f"crash state {seed}: {fault}"
        ledger.tried("crash states of a restore")
