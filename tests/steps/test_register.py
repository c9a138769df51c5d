"""Step 7 tells the registry, waits while it is away, and tells it again what has been taken back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from executor.adapters.registry import CoreRegistry
from executor.adapters.registry_entry import Ways
from executor.adapters.registry_numbered import NumberedRegistry
from executor.domain.build import Build, State
from executor.errors import Transient
from executor.steps.register import RegisterStep
from tests.fakes.numbered_registry import FakeNumberedRegistry
from tests.fakes.registry import FakeRegistry
from tests.steps.conftest import House, open_house

CAPABILITIES = {"features": ["metrics", "udc"], "udc_version": "1.0", "version": "9.9.9"}


@asynccontextmanager
async def serving(capabilities: dict[str, Any]) -> AsyncIterator[str]:
    """A release that answers GET /capabilities; yields its address."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(capabilities)

    app = web.Application()
    app.router.add_get("/capabilities", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def at(build: Build, url: str, attempt: int = 1) -> Build:
    return replace(build, step=7, attempt=attempt, facts={**build.facts, "deployment_url": url})


async def logged(house: House, build: Build) -> str:
    await house.store.log_lines.flush()
    rows = await house.store.database.fetch("SELECT text FROM log_lines WHERE build_id = ?", (build.id,))
    return "\n".join(row["text"] for row in rows)


async def test_a_release_that_was_deregistered_is_registered_again_by_a_later_attempt(registered, registry):
    build = await registered.made()
    async with aiohttp.ClientSession() as session:
        step = RegisterStep(CoreRegistry(session, registry.url, None), registered.store.droplets)
        registry.droplets.clear()
        await step.run(registered.context(replace(build, step=7, attempt=1)))
        assert registry.droplets == {}, "the same attempt is not made twice"
        await step.run(registered.context(replace(build, step=7, attempt=2)))
    assert registry.droplets[build.droplet_id]["endpoint"] == build.facts["deployment_url"]


async def test_the_core_registry_learns_what_the_running_release_can_do_and_what_the_build_measured(
    house, registry
):
    build = await house.made()
    async with aiohttp.ClientSession() as session, serving(CAPABILITIES) as url:
        step = RegisterStep(CoreRegistry(session, registry.url, None), house.store.droplets)
        await step.run(house.context(at(build, url)))
    metadata = registry.droplets[build.droplet_id]["metadata"]
    assert metadata["features"] == ["metrics", "udc"]
    assert metadata["version"] == "0.1.0", "the executor knows which version it deployed"
    assert metadata["commit"] == build.facts["commit"]
    assert metadata["tests_passing"] == 3


async def test_a_release_that_tells_no_capabilities_fails_no_build(registered, registry):
    build = await registered.made()  # nothing listens at the address of its release
    assert "features" not in registry.droplets[build.droplet_id]["metadata"]
    assert "not told all that the release can do" in await logged(registered, build)


async def test_the_numbered_registry_learns_what_it_has_a_place_for_and_the_log_says_what_it_does_not(
    tmp_path,
):
    async with numbered_house(tmp_path) as (house, registry):
        build = await house.made()
        entry = registry.droplets[f"droplet-{build.droplet_id}"]
        assert f"http://{entry['fqdn']}" == build.facts["deployment_url"]
        assert (entry["name"], entry["version"]) == (build.droplet_name, "0.1.0")
        assert "keeps no metadata" in await logged(house, build)


async def test_a_rollback_leaves_a_withdrawn_entry_in_the_numbered_registry_and_says_so(tmp_path):
    async with numbered_house(tmp_path) as (house, registry):
        first = await house.made()
        second = await house.made(droplet_name=first.droplet_name)
        entry = registry.droplets[f"droplet-{first.droplet_id}"]
        assert entry["version"] == "0.2.0"
        await rolled_back(house, second)
        assert (entry["version"], entry["env"]) == ("0.1.0", "production")
        await rolled_back(house, first)
        assert entry["env"] == "withdrawn"
        assert "cannot delete" in await logged(house, first)


@asynccontextmanager
async def numbered_house(tmp_path) -> AsyncIterator[tuple[House, FakeNumberedRegistry]]:
    async with FakeNumberedRegistry() as registry:
        table = {"registry": {"url": registry.url, "flavour": "numbered"}}
        async with open_house(tmp_path / "state", settings=table) as house:
            yield house, registry


async def rolled_back(house: House, build: Build) -> None:
    await house.commands.rollback(build.id)
    done = await house.until(build.id, State.ROLLED_BACK)
    assert done.state is State.ROLLED_BACK


@pytest.mark.parametrize("flavour", ["core", "numbered"])
async def test_r3_a_step_whose_reply_was_lost_ends_in_the_entry_that_it_made(house, flavour, ledger):
    build = await house.made()
    fake = FakeRegistry() if flavour == "core" else FakeNumberedRegistry()
    async with fake, aiohttp.ClientSession() as session:
        registry = {"core": CoreRegistry, "numbered": NumberedRegistry}[flavour](session, fake.url)
        fake.drop()
        with pytest.raises(Transient):
            await RegisterStep(registry, house.store.droplets).run(house.context(replace(build, step=7)))
        await RegisterStep(registry, house.store.droplets).run(house.context(replace(build, step=7)))
    assert len(fake.droplets) == 1
    assert len(fake.writes) == 2
    ledger.tried("lost replies of a Registry")


async def test_a_build_whose_release_was_replaced_meanwhile_registers_nothing(registered, registry):
    async def taken(release_id: str) -> None:
        registry.add(13, "library")

    registered.target.while_starting = taken
    build = await registered.submit()
    failed = await registered.until(build.id)
    assert (failed.state, failed.step) == (State.FAILED, 7)
    registry.droplets.clear()
    registered.target.while_starting = None
    newer = await registered.made()
    entry = dict(registry.droplets[13])
    await registered.commands.retry(build.id, 7)
    again = await registered.until(build.id)
    assert (again.state, again.error["code"]) == (State.FAILED, "SUPERSEDED")
    assert newer.facts["release"] in again.error["message"]
    assert f"fpai retry {build.id} --from 1" in again.error["hint"]
    assert registry.droplets[13] == entry


class Clock:
    """Now, and as much later as a test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.mark.parametrize("flavour", ["core", "numbered"])
async def test_a_registry_that_is_down_for_ten_minutes_keeps_the_build_waiting_and_it_goes_on(
    tmp_path, flavour
):
    clock = Clock()
    fake = FakeRegistry() if flavour == "core" else FakeNumberedRegistry()
    async with fake:
        table = {"registry": {"url": fake.url, "flavour": flavour}}
        async with open_house(tmp_path / "state", settings=table, clock=clock) as house:

            async def goes_away(_: str) -> None:
                fake.away = True

            house.target.while_starting = goes_away
            build = await house.submit(budget_usd=50.0)
            waits = []
            while (now := await stands(house, build)).state is State.WAITING_RETRY:
                waits.append(now)
                fake.away = clock.ahead < 600
                clock.ahead += max(0.0, now.wake_at - clock()) + 0.01
                await house.commands.top_up(build.id, 0.01)  # any commit lets the scheduler look at the clock
                await house.until(build.id, *(s for s in State if s is not State.WAITING_RETRY))
        assert now.state is State.COMPLETE, now.error
        assert clock.ahead >= 600
        assert all(wait.step == 7 and "Registry" in wait.error["message"] for wait in waits)
        assert len(fake.droplets) == 1


async def stands(house: House, build: Build) -> Build:
    return await house.until(build.id, State.WAITING_RETRY, State.COMPLETE, State.FAILED, State.WAITING_INPUT)


class Elsewhere(CoreRegistry):
    """A registry that is known under the name of another machine."""

    ways = Ways("the core Registry", "http://registry.example:8000")


async def test_a_loopback_address_in_a_registry_elsewhere_is_said_in_the_log(house, registry):
    build = await house.made()
    async with aiohttp.ClientSession() as session:
        step = RegisterStep(Elsewhere(session, registry.url), house.store.droplets)
        await step.run(house.context(replace(build, step=7)))
    assert "[deploy] host" in await logged(house, build)
