"""The deploy lock: two executors, one that died, one that was only slow. Real sh and flock."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from executor.adapters.local_machine import LocalMachine
from executor.errors import Transient
from executor.targets.deploy_lock import DeployLock, Hold
from tests.patience import PATIENCE


@pytest.fixture
def machine(tmp_path) -> LocalMachine:
    return LocalMachine(tmp_path / "there")


@pytest.fixture
def one(machine) -> DeployLock:
    return DeployLock(machine, "executor-one", lease=600)


@pytest.fixture
def other(machine) -> DeployLock:
    return DeployLock(machine, "executor-other", lease=600)


async def taken_and_left(lock: DeployLock, build_id: str) -> Hold:
    """Take it as a process does that is killed before it can free it."""
    context = lock.held("library", build_id)
    hold = await context.__aenter__()
    lock.abandoned = context  # type: ignore[attr-defined]  # else the collector would close it
    for task in asyncio.all_tasks():
        if task is not asyncio.current_task():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    return hold


async def test_another_executor_waits_and_is_told_for_whom(one, other):
    async with one.held("library", "build-1"):
        with pytest.raises(Transient, match="build build-1 of executor-one") as refused:
            async with other.held("library", "build-9"):
                pass
        assert 0 < refused.value.retry_after <= 15
    async with other.held("library", "build-9"):
        pass


async def test_another_build_of_the_same_executor_waits_too(one):
    async with one.held("library", "build-1"):
        with pytest.raises(Transient, match="build-1"):
            async with one.held("library", "build-2"):
                pass


async def test_the_locks_of_two_droplets_are_two(one, other):
    async with one.held("library", "build-1"), other.held("shop", "build-1"):
        pass


async def test_r1_the_same_build_comes_back_in_after_a_crash_with_a_higher_number(one):
    first = await taken_and_left(one, "build-1")
    async with one.held("library", "build-1") as again:
        assert again.fence == first.fence + 1


async def test_what_a_dead_owner_left_runs_out_by_itself(machine, other):
    await taken_and_left(DeployLock(machine, "executor-one", lease=1), "build-1")
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(Transient):
                async with other.held("library", "build-9"):
                    return
            await asyncio.sleep(0.1)


async def test_a_holder_that_works_longer_than_its_lease_keeps_it(machine, other):
    async with DeployLock(machine, "executor-one", lease=4).held("library", "build-1"):
        for _ in range(10):
            await asyncio.sleep(0.5)
            with pytest.raises(Transient):
                async with other.held("library", "build-9"):
                    pass


async def test_a_command_of_a_holder_that_was_replaced_is_not_run(machine, one, tmp_path):
    slow = await taken_and_left(one, "build-1")
    async with one.held("library", "build-1") as now:
        late = await machine.run([*slow.guard, "touch", str(tmp_path / "late")])
        good = await machine.run([*now.guard, "touch", str(tmp_path / "good name")])
    assert late.code == 97 and "newer holder" in late.error_text
    assert not (tmp_path / "late").exists()
    assert good.code == 0 and (tmp_path / "good name").exists()


async def test_nobody_becomes_the_holder_while_a_guarded_command_runs(machine, one, tmp_path):
    hold = await taken_and_left(one, "build-1")
    mark = tmp_path / "mark"
    running = asyncio.create_task(
        machine.run([*hold.guard, "sh", "-c", f"touch {mark}; sleep 1; rm {mark}"], timeout=30)
    )
    while not mark.exists():
        await asyncio.sleep(0.01)
    async with one.held("library", "build-1"):
        assert not mark.exists()
    assert (await running).code == 0
