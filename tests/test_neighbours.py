"""What the configuration names is what runs: orders in, answers, tasks, heartbeats and a view out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from executor.adapters.registry import KnownDroplet
from executor.adapters.safe_address import AddressRules
from executor.adapters.safe_session import safe_session
from executor.neighbours import Neighbours, endpoint_of, neighbours
from executor.settings import Configuration, Secrets
from executor.settings_tables import Settings
from executor.store.orders import Order
from tests.engine.conftest import World, running_world
from tests.fakes.orchestrator import FakeCoreOrchestrator, FakeNumberedOrchestrator
from tests.fakes.receiver import FakeReceiver
from tests.patience import PATIENCE

LISTED = [
    KnownDroplet(10, "Orchestrator", "http://127.0.0.1:1", ours=False),
    KnownDroplet(11, "mute", "", ours=False),
    KnownDroplet(15, "11", "http://127.0.0.1:2", ours=False),
]


@asynccontextmanager
async def around(
    directory: Path, listed: list[KnownDroplet], **tables: Any
) -> AsyncIterator[tuple[World, Neighbours]]:
    settings = Settings.model_validate(tables)
    secrets = Secrets({"ORCHESTRATOR_TOKEN": "secret"})
    configuration = Configuration(settings, secrets, None, directory)
    async with running_world(directory) as world, safe_session(AddressRules.of(settings)) as session:
        world.live.counts = world.scheduler.counts
        found = neighbours(
            configuration,
            session=session,
            store=world.store,
            live=world.live,
            commands=world.commands,
            listed=lambda: listed,
            condition=lambda: "active",
            channels={},
        )
        world.listeners += found.listeners
        tasks = [asyncio.create_task(loop()) for loop in found.loops]
        try:
            yield world, found
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.01)


async def test_droplet_10_gives_a_task_and_hears_that_it_is_done(tmp_path: Path) -> None:
    async with FakeNumberedOrchestrator() as fake, FakeReceiver() as dashboard:
        fake.token = "secret"
        task = fake.assign(1, {"intent": "Build Ledger Droplet"})
        table = {"url": fake.url, "flavour": "numbered", "poll": 0.02, "heartbeat": 0.02}
        async with around(tmp_path, [], orchestrator=table, dashboard={"url": dashboard.url}) as (_, found):
            await until(lambda: task["status"] == "completed")
            await until(lambda: len(fake.beats) > 2)
            await until(lambda: any(p["status"] == "complete" for p in dashboard.payloads))
            assert found.orchestrator is not None
            assert found.feed is not None
            assert (found.orchestrator.status, found.feed.status) == ("connected", "connected")
    assert {"running", "queued"} <= set(fake.beats[0][1]["metrics"])


async def test_the_core_orchestrator_hears_beats_and_a_named_service_its_answer(tmp_path: Path) -> None:
    async with FakeCoreOrchestrator() as fake, FakeReceiver() as coordinator:
        fake.token = "secret"
        listed = [KnownDroplet(11, "coordinator", coordinator.url, ours=False)]
        table = {"url": fake.url, "heartbeat": 0.02}
        async with around(tmp_path, listed, orchestrator=table) as (world, found):
            await world.submit(order=Order("reply", "t", "Coordinator", {"variant": "a"}))
            await coordinator.until(1)
            await until(lambda: len(fake.requests) > 2)
            assert found.feed is None
    assert coordinator.heard[0].path == "/message"


async def test_with_nothing_configured_only_the_outbox_is_looked_after(tmp_path: Path) -> None:
    async with around(tmp_path, []) as (_, found):
        assert (found.orchestrator, found.feed, len(found.loops), len(found.listeners)) == (None, None, 1, 1)


@pytest.mark.parametrize(
    ("name", "address"),
    [("orchestrator", "http://127.0.0.1:1"), ("10", "http://127.0.0.1:1"), ("droplet-10", "http://127.0.0.1:1"),
     ("11", "http://127.0.0.1:2"), ("mute", None), ("nobody", None), ("", None)],
)  # fmt: skip
def test_a_service_is_found_by_name_or_number(name: str, address: str | None) -> None:
    assert endpoint_of(name, LISTED) == address
