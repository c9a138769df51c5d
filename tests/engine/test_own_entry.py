"""The executor is listed where it can be reached, as it fares, and never in another's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web

from executor.adapters.machine_load import machine_load
from executor.adapters.registry import CoreRegistry
from executor.adapters.registry_entry import Load, Registry, Ways
from executor.adapters.registry_numbered import NumberedRegistry
from executor.engine.own_entry import OwnEntry
from tests.fakes.numbered_registry import FakeNumberedRegistry
from tests.fakes.registry import FakeRegistry
from tests.fakes.served_registry import Handler
from tests.patience import PATIENCE

MARK = "executor-12-itself"


class Executor:
    """An own entry with a clock and a condition that tests move."""

    def __init__(
        self, fake: Any, registry: Registry, base_url: str = "http://localhost:8400/", **more: Any
    ) -> None:
        self.fake = fake
        self.registry = registry
        self.now = 0.0
        self.condition = "active"
        self.entry = OwnEntry(
            registry,
            droplet_id=12,
            base_url=base_url,
            version="1.2.3",
            condition=lambda: self.condition,
            load=lambda: Load(cpu=50.0, mem=101.0, disk=None),
            monotonic=lambda: self.now,
            **more,
        )

    async def keep(self, times: int = 1) -> None:
        for _ in range(times):
            await self.entry.keep()
            self.now += 30.0


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def core(session: aiohttp.ClientSession) -> AsyncIterator[Executor]:
    async with FakeRegistry() as fake:
        yield Executor(fake, CoreRegistry(session, fake.url, executor=MARK, timeout=2))


@pytest.fixture
async def numbered(session: aiohttp.ClientSession) -> AsyncIterator[Executor]:
    async with FakeNumberedRegistry() as fake:
        yield Executor(fake, NumberedRegistry(session, fake.url, executor=MARK, timeout=2))


async def test_it_is_listed_with_its_address_without_a_trailing_slash(core):
    await core.keep()
    entry = core.fake.droplets[12]
    assert (entry["name"], entry["endpoint"]) == ("executor", "http://localhost:8400")
    assert entry["metadata"]["version"] == "1.2.3"
    assert "build" in entry["metadata"]["capabilities"]
    assert core.entry.warning == ""
    await core.keep(3)
    assert core.fake.writes == [("POST", "/droplets")], "an entry that is right is not written again"


async def test_its_status_follows_how_it_fares_and_is_inactive_once_it_has_left(core):
    await core.keep()
    core.condition = "error"
    await core.keep()
    assert core.fake.droplets[12]["status"] == "error"
    await core.entry.leave()
    assert core.fake.droplets[12]["status"] == "inactive"
    core.condition = "active"
    await core.keep()
    assert core.fake.droplets[12]["status"] == "active", "it is back"


async def test_a_registry_that_restarted_empty_lists_it_again(core):
    await core.keep()
    core.fake.restart()
    await core.keep()
    assert core.fake.droplets[12]["name"] == "executor"


@pytest.mark.parametrize(("number", "name"), [(12, "chat-orchestrator"), (20, "executor")])
async def test_a_foreign_entry_stays_and_is_warned_of_once(core, number, name):
    core.fake.add(number, name)
    with structlog.testing.capture_logs() as logs:
        await core.keep(3)
    assert core.fake.writes == []
    assert name in core.entry.warning
    assert "[server] droplet_id" in core.entry.warning
    assert len(logs) == 1
    await core.entry.leave()
    assert core.fake.writes == [], "what is not ours is not set inactive either"


async def test_the_warning_ends_with_its_reason(core):
    core.fake.add(12, "chat-orchestrator")
    await core.keep()
    core.fake.restart()
    await core.keep()
    assert core.entry.warning == ""
    assert core.fake.droplets[12]["name"] == "executor"


async def test_a_registry_that_is_away_ends_nothing_and_is_told_later(core):
    core.fake.away = True
    await core.keep()
    assert "does not answer" in core.entry.warning
    core.fake.away = False
    await core.keep()
    assert core.fake.droplets[12]["name"] == "executor"


class Elsewhere(CoreRegistry):
    """A registry that is known under the name of another machine."""

    ways = Ways("the core Registry", "http://registry.example:8000")


@pytest.mark.parametrize(
    ("base_url", "listed"), [("http://localhost:8400", False), ("https://executor.example/", True)]
)
async def test_a_loopback_address_is_not_told_to_a_registry_elsewhere(session, base_url, listed):
    async with FakeRegistry() as fake:
        executor = Executor(fake, Elsewhere(session, fake.url, executor=MARK), base_url)
        await executor.keep()
        assert bool(fake.droplets) is listed
        assert ("[server] public_url" in executor.entry.warning) is not listed


async def test_heartbeats_come_each_minute_with_what_the_machine_tells(numbered):
    await numbered.keep(5)  # two minutes of rounds, thirty seconds apart
    assert numbered.fake.beats == [{"id": "droplet-12", "cpu": 50.0, "mem": 100.0}] * 3


async def test_a_draining_executor_beats_no_more(numbered):
    await numbered.keep()
    numbered.condition = "inactive"
    await numbered.entry.leave()
    await numbered.keep(4)
    assert len(numbered.fake.beats) == 1


async def test_a_registry_that_forgot_it_has_it_listed_and_hears_of_it_in_the_next_round(numbered):
    as_it_is = numbered.fake.around

    async def forgets(request: web.Request, handler: Handler) -> web.Response:
        if request.path == "/registry/heartbeat":
            numbered.fake.droplets.clear()
            numbered.fake.around = as_it_is
        return await handler(request)

    numbered.fake.around = forgets
    await numbered.keep(2)
    assert list(numbered.fake.droplets) == ["droplet-12"]
    assert len(numbered.fake.beats) == 1


async def test_a_registry_that_hangs_does_not_keep_a_drain_waiting(session):
    async def hang(_: web.Request, __: Handler) -> web.Response:
        await asyncio.sleep(3600)
        return web.Response()

    async with FakeRegistry() as fake:
        executor = Executor(fake, CoreRegistry(session, fake.url, executor=MARK, timeout=3600), leaving=0.05)
        await executor.keep()
        fake.around = hang
        async with asyncio.timeout(PATIENCE):
            await executor.entry.leave()
    assert fake.droplets[12]["status"] == "active"


async def test_a_drain_that_begins_while_it_is_being_listed_ends_as_inactive(core):
    listed, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(request: web.Request, handler: Handler) -> web.Response:
        answer = await handler(request)
        if request.method == "POST":
            listed.set()
            await go_on.wait()
        return answer

    core.fake.around = slowly
    keeping = asyncio.create_task(core.entry.keep())
    await listed.wait()
    leaving = asyncio.create_task(core.entry.leave())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(keeping, leaving)
    assert core.fake.droplets[12]["status"] == "inactive"


async def test_it_keeps_the_entry_until_it_is_ended(core):
    task = asyncio.create_task(core.entry.run())
    async with asyncio.timeout(PATIENCE):
        while not core.fake.droplets:
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_load_of_a_machine_is_told_in_percent(tmp_path):
    load = machine_load(tmp_path)
    assert load.cpu is not None and load.cpu >= 0
    assert load.mem is not None and 0 < load.mem < 100
    assert load.disk is not None and 0 < load.disk <= 100


@pytest.mark.parametrize(
    ("text", "mem"),
    [("MemTotal: 200 kB\nMemAvailable: 50 kB\n", 75.0), ("MemTotal: 200 kB\n", None), ("odd", None)],
)
def test_memory_in_use_is_what_is_not_available(tmp_path, text, mem):
    told = tmp_path / "meminfo"
    told.write_text(text)
    assert machine_load(tmp_path, told).mem == mem
