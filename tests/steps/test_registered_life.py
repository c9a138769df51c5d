"""The running daemon keeps the registry true: droplets and executor come back, and a drain is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from executor.errors import Conflict
from tests.fakes.numbered_registry import FakeNumberedRegistry
from tests.fakes.registry import FakeRegistry
from tests.patience import PATIENCE
from tests.steps.conftest import open_house


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("flavour", ["core", "numbered"])
async def test_a_registry_that_lost_everything_knows_droplet_and_executor_again(tmp_path, flavour):
    fake = FakeRegistry() if flavour == "core" else FakeNumberedRegistry()
    async with fake:
        table = {"registry": {"url": fake.url, "flavour": flavour, "heartbeat": 0.05}}
        async with open_house(tmp_path / "state", settings=table, itself=True) as house:
            build = await house.made()
            await until(lambda: len(fake.droplets) == 2)
            fake.droplets.clear()
            await until(lambda: len(fake.droplets) == 2)
            names = sorted(entry["name"] for entry in fake.droplets.values())
            assert names == sorted(["executor", build.droplet_name])
            assert {droplet["id"] for droplet in await house.store.droplets.all()} == {build.droplet_id}


async def test_a_daemon_that_drains_says_so_and_its_droplets_stay_as_they_are(tmp_path):
    async with FakeRegistry() as fake:
        table = {"registry": {"url": fake.url, "heartbeat": 0.05}}
        async with open_house(tmp_path / "state", settings=table, itself=True) as house:
            build = await house.made()
            await until(lambda: 12 in fake.droplets)
        assert fake.droplets[12]["status"] == "inactive"
        assert fake.droplets[build.droplet_id]["status"] != "inactive"


async def test_nobody_can_build_over_the_executors_own_entry(tmp_path):
    async with FakeRegistry() as fake:
        table = {"registry": {"url": fake.url, "heartbeat": 0.05}}
        async with open_house(tmp_path / "state", settings=table, itself=True) as house:
            await until(lambda: house.daemon.registry.entries)
            with pytest.raises(Conflict, match="executor"):
                await house.submit(droplet_id=12, droplet_name="other")
