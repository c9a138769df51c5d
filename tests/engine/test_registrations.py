"""After step 7 the registry goes on showing what our droplets are: address, health, and only what lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web

from executor.adapters.registry import CoreRegistry
from executor.adapters.registry_cache import RegistryCache
from executor.adapters.registry_entry import Registry, RegistryEntry
from executor.adapters.registry_numbered import NumberedRegistry
from executor.domain.build import ApprovalMode, Build, State
from executor.engine.registrations import Registrations
from executor.store.builds import insert
from executor.store.droplets import ReleaseRow
from executor.store.store import Store
from tests.fakes.numbered_registry import FakeNumberedRegistry
from tests.fakes.registry import FakeRegistry
from tests.fakes.served_registry import Handler
from tests.patience import PATIENCE

REGISTERED = {"registered": True, "version": "0.1.0", "commit": "abc", "tests_passing": 3}


class Scene:
    """A real store, a registry that behaves, and what the probes are to have seen."""

    def __init__(self, store: Store, fake: Any, registry: Registry) -> None:
        self.store = store
        self.fake = fake
        self.registry = registry
        self.health: dict[str, str] = {}
        self.now = 1000.0
        cache = RegistryCache(registry)
        self.registrations = Registrations(
            registry=registry,
            cache=cache,
            droplets=store.droplets,
            builds=store.builds,
            health=lambda: self.health,
            monotonic=lambda: self.now,
        )

    async def live(
        self,
        droplet_id: int = 13,
        *,
        url: str = "http://127.0.0.1:9",
        facts: dict[str, Any] = REGISTERED,
        state: State = State.COMPLETE,
    ) -> ReleaseRow:
        """A droplet with a live release of a build that stands where it is said to."""
        name, build_id, release = f"notes-{droplet_id}", f"build-{droplet_id}", f"r{droplet_id}"
        build = Build(
            build_id, "notes", droplet_id, name, ApprovalMode.AUTO, "process", created_at=1.0, updated_at=1.0,
            state=state, facts=facts, step=7,
        )  # fmt: skip
        await self.store.database.write(lambda c: insert(c, build, ()))
        row = ReleaseRow(release, droplet_id, build_id, "0.1.0", "abc", "process", url, {}, "live", 1.0, 1.0)
        await self.store.droplets.switch(name, row)
        self.health[release] = "active"
        return row

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            await self.registrations.look()


@asynccontextmanager
async def scene(
    directory: Path, fake: Any, flavour: type[CoreRegistry | NumberedRegistry]
) -> AsyncIterator[Scene]:
    (directory / "state").mkdir()
    store = await Store.open(directory / "state", str)
    async with fake, aiohttp.ClientSession() as session:
        yield Scene(store, fake, flavour(session, fake.url, executor="executor-12", timeout=2))
    await store.close()


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, FakeRegistry(), CoreRegistry) as opened:
        yield opened


@pytest.fixture
async def numbered(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, FakeNumberedRegistry(), NumberedRegistry) as opened:
        yield opened


@pytest.fixture(params=[(FakeRegistry, CoreRegistry), (FakeNumberedRegistry, NumberedRegistry)])
async def either(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    fake, flavour = request.param
    async with scene(tmp_path, fake(), flavour) as opened:
        yield opened


@pytest.fixture
async def release() -> AsyncIterator[str]:
    """A release that tells what it can do and how busy it is; its address."""

    async def answer(request: web.Request) -> web.Response:
        bodies = {"/capabilities": {"features": ["notes"]}, "/state": {"cpu_percent": 12.5}}
        return web.json_response(bodies[request.path])

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_registry_that_restarted_empty_gets_every_live_release_again(core, release):
    await core.live(13, url=release)
    await core.live(14, url="http://127.0.0.1:9")
    await core.look()
    first = {
        key: {**entry, "registered_at": "", "updated_at": ""} for key, entry in core.fake.droplets.items()
    }
    core.fake.restart()
    await core.look()
    again = {
        key: {**entry, "registered_at": "", "updated_at": ""} for key, entry in core.fake.droplets.items()
    }
    assert again == first
    assert sorted(again) == [13, 14]
    assert again[13]["metadata"]["features"] == ["notes"]
    assert again[13]["metadata"]["tests_passing"] == 3


async def test_a_look_at_entries_that_are_as_they_should_be_writes_nothing(either):
    await either.live()
    await either.look(2)
    before = list(either.fake.writes)
    await either.look(3)
    assert either.fake.writes == before


@pytest.mark.parametrize(
    ("seen", "status"), [("active", "active"), ("error", "error"), ("unreachable", "error")]
)
async def test_the_status_follows_the_probes_there_and_back(core, seen, status):
    await core.live()
    await core.look(2)
    core.health["r13"] = seen
    await core.look()
    assert core.fake.droplets[13]["status"] == status
    core.health["r13"] = "active"
    await core.look()
    assert core.fake.droplets[13]["status"] == "active"


async def test_a_release_that_nobody_has_probed_yet_keeps_the_status_that_it_had(core):
    await core.live()
    await core.look()
    core.fake.droplets[13]["status"] = "error"
    core.health.clear()
    await core.look()
    assert core.fake.droplets[13]["status"] == "error"


async def test_the_address_follows_a_release_that_was_started_elsewhere(either):
    row = await either.live(url="http://127.0.0.1:9")
    await either.look()
    await either.store.droplets.relocate(replace(row, url="http://127.0.0.1:10"))
    await either.look()
    (known,) = await either.registry.known()
    assert known.endpoint == "http://127.0.0.1:10"


@pytest.mark.parametrize(
    ("state", "facts"),
    [
        (State.IN_PROGRESS, {}),
        (State.WAITING_RETRY, {}),
        (State.WITHDRAWING, REGISTERED),
    ],
)
async def test_what_a_build_is_about_to_tell_itself_is_left_to_it(either, state, facts):
    await either.live(facts=facts, state=state)
    await either.look()
    assert either.fake.writes == []


async def test_a_release_built_before_there_was_a_registry_is_registered_late(either):
    await either.live(facts={})
    await either.look()
    assert len(either.fake.droplets) == 1


async def test_a_superseded_or_withdrawn_release_does_not_come_back(either):
    row = await either.live()
    await either.store.droplets.withdraw(row.droplet_id, row.build_id, 2.0)
    await either.look()
    assert either.fake.writes == []


async def test_an_entry_written_while_its_release_was_withdrawn_is_taken_back(either):
    row = await either.live()
    await either.look()
    await either.store.droplets.withdraw(row.droplet_id, row.build_id, 2.0)
    await either.look()
    assert [entry for entry in await either.registry.known() if entry.endpoint] == []
    writes = list(either.fake.writes)
    await either.look()
    assert either.fake.writes == writes


async def test_an_entry_of_ours_that_this_state_directory_does_not_know_stays(either):
    stray = RegistryEntry(40, "from-another-life", "http://127.0.0.1:7", "b", "r", {})
    await either.registry.register(stray)
    await either.look()
    (known,) = await either.registry.known()
    assert known.endpoint == "http://127.0.0.1:7"


async def test_r3_a_reply_lost_while_an_entry_is_written_again_ends_in_one_entry(either, ledger):
    await either.live()
    either.fake.drop()
    await either.look(3)
    assert len(either.fake.droplets) == 1
    assert either.registrations.problems == {}
    ledger.tried("lost replies of a Registry")


async def test_r3_a_foreign_droplet_under_our_number_stays_and_is_reported_once(either, ledger):
    await either.live(13)
    await either.live(14)
    if isinstance(either.fake, FakeRegistry):
        either.fake.add(13, "payments")
    else:
        either.fake.add("13", name="payments", fqdn="pay.example")
    with structlog.testing.capture_logs() as logs:
        await either.look(3)
    known = {entry.id: entry.name for entry in await either.registry.known()}
    assert known == {13: "payments", 14: "notes-14"}, "the other droplet is registered all the same"
    assert "payments" in either.registrations.problems[13]
    assert [entry["log_level"] for entry in logs].count("warning") == 1
    ledger.tried("names and numbers that are somebody else's")


async def test_an_outage_is_logged_once_and_ends_by_itself(either):
    await either.live()
    either.fake.away = True
    with structlog.testing.capture_logs() as logs:
        await either.look(3)
    assert [entry["event"] for entry in logs] == ["registry_away"]
    assert either.fake.writes == []
    either.fake.away = False
    await either.look()
    assert len(either.fake.droplets) == 1


async def test_many_releases_are_told_a_few_at_a_time(core):
    busy, most = 0, 0

    async def counted(request: web.Request, handler: Handler) -> web.Response:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.001)
        try:
            return await handler(request)
        finally:
            busy -= 1

    core.fake.around = counted
    for number in range(13, 33):
        await core.live(number)
    await core.look()
    assert len(core.fake.droplets) == 20
    assert 1 < most <= 4


async def test_each_live_release_has_its_heartbeat_in_time_and_with_what_it_tells(numbered, release):
    await numbered.live(url=release)
    for _ in range(13):  # two minutes of looks, ten seconds apart
        await numbered.look()
        numbered.now += 10.0
    assert numbered.fake.beats == [{"id": "droplet-13", "cpu": 12.5}] * 2


async def test_a_release_that_does_not_answer_has_no_heartbeat(numbered):
    await numbered.live()
    numbered.health["r13"] = "unreachable"
    await numbered.look(3)
    assert numbered.fake.beats == []


async def test_the_core_registry_gets_no_heartbeats(core):
    await core.live()
    await core.look(3)
    assert core.fake.writes == [("POST", "/droplets")]


async def test_a_registry_that_forgot_between_look_and_heartbeat_is_told_again(numbered):
    await numbered.live()
    await numbered.look()
    as_it_is = numbered.fake.around

    async def forgets(request: web.Request, handler: Handler) -> web.Response:
        if request.path == "/registry/heartbeat":
            numbered.fake.droplets.clear()
            numbered.fake.around = as_it_is
        return await handler(request)

    numbered.fake.around = forgets
    await numbered.look()
    assert list(numbered.fake.droplets) == ["droplet-13"]
    await numbered.look()
    assert numbered.fake.beats == [{"id": "droplet-13"}]


async def test_it_goes_on_looking_at_a_registry_that_answers_nonsense(core):
    registrations = Registrations(
        registry=core.registry,
        cache=RegistryCache(core.registry),
        droplets=core.store.droplets,
        builds=core.store.builds,
        health=dict,
        heartbeat=0.001,
    )

    async def nonsense(_: web.Request, __: Handler) -> web.Response:
        return web.Response(text="[1]")

    core.fake.around = nonsense
    task = asyncio.create_task(registrations.run())
    async with asyncio.timeout(PATIENCE):
        while len(core.fake.requests) < 3:
            await asyncio.sleep(0.001)
    task.cancel()
    assert not task.done()
