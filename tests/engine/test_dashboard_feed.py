"""A Dashboard sees where each build stands, and never costs a build anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from executor.adapters.dashboard import Dashboard
from executor.adapters.messenger import Messenger
from executor.adapters.safe_address import AddressRules
from executor.adapters.safe_session import safe_session
from executor.domain.build import Build, State
from executor.domain.outcome import Ask, Outcome
from executor.domain.step import StepContext
from executor.engine.dashboard_feed import DashboardFeed
from tests.engine.conftest import World
from tests.fakes.receiver import FakeReceiver
from tests.patience import PATIENCE


@asynccontextmanager
async def feeding(world: World, url: str, named: str = "127.0.0.1") -> AsyncIterator[DashboardFeed]:
    rules = AddressRules(frozenset({named}))
    async with safe_session(rules) as session:
        dashboard = Dashboard(Messenger(session, rules, timeout=2), url)
        feed = DashboardFeed(dashboard, world.store.builds, world.live, "http://localhost:8400", 0.01)
        world.listeners.append(feed.note)
        running = asyncio.create_task(feed.run())
        try:
            yield feed
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


class Nobody:
    async def show(self, event: object) -> None:
        raise AssertionError("nothing is sent before the feed runs")


async def sees(receiver: FakeReceiver, build: Build) -> dict[str, object]:
    """Wait until the Dashboard has been told of the build's state."""
    async with asyncio.timeout(PATIENCE):
        while True:
            shown = [p for p in receiver.payloads if p["build_id"] == build.id]
            if shown and shown[-1]["status"] == build.state.value:
                return dict(shown[-1])
            await asyncio.sleep(0.01)


async def asks(_: StepContext) -> Outcome:
    return Ask("Which colour?", ({"id": "colour", "question": "Which?", "default": "red"},))


async def test_a_dashboard_is_told_of_a_build_to_its_end(world: World) -> None:
    async with FakeReceiver() as dashboard, feeding(world, dashboard.url + "/") as feed:
        build = await world.until((await world.submit()).id)
        last = await sees(dashboard, build)
        assert feed.status == "connected"
    heard = dashboard.heard[-1]
    assert (heard.path, heard.body["message_type"], heard.body["target"]) == (
        "/message",
        "event",
        "dashboard",
    )
    assert (last["status"], last["step"], last["progress_percent"]) == ("complete", 8, 100)
    assert {"deployment_url", "step_name", "status_url"} <= set(last)
    assert dashboard.payloads[0]["progress_percent"] < 100


async def test_a_dashboard_that_was_away_sees_only_where_each_build_stands_now(world: World) -> None:
    async with FakeReceiver() as probe:
        port = int(probe.url.rpartition(":")[2])
    async with feeding(world, f"http://127.0.0.1:{port}") as feed:
        builds = [await world.submit(f"Build {name} Droplet") for name in ("Ledger", "Stock")]
        ended = [await world.until(build.id) for build in builds]
        assert feed.status == "unavailable"
        async with FakeReceiver(port) as dashboard:
            for build in ended:
                await sees(dashboard, build)
    assert sorted(p["build_id"] for p in dashboard.payloads) == sorted(build.id for build in builds)


async def test_a_dashboard_that_hangs_holds_up_no_build(world: World) -> None:
    async with FakeReceiver() as dashboard:
        dashboard.held.clear()
        async with feeding(world, dashboard.url):
            await world.until((await world.submit()).id)
            assert len(dashboard.heard) <= 1
        dashboard.held.set()


async def test_after_a_restart_it_is_told_of_every_unfinished_build(world: World) -> None:
    world.steps[3].script = asks
    build = await world.until((await world.submit()).id, State.WAITING_INPUT)
    async with FakeReceiver() as dashboard, feeding(world, dashboard.url):
        await sees(dashboard, build)


async def test_what_it_has_not_seen_is_bounded_and_never_goes_backwards(world: World) -> None:
    build = await world.until((await world.submit()).id)
    feed = DashboardFeed(Nobody(), world.store.builds, world.live, "")
    feed.note(build)
    feed.note(replace(build, version=1))
    assert feed._unseen[build.id] == build
    for number in range(2000):
        feed.note(replace(build, id=f"build-{number}"))
    assert len(feed._unseen) == 1000


@pytest.mark.parametrize("status", [302, 404])
async def test_an_address_that_is_no_dashboard_ends_nothing(world: World, status: int) -> None:
    async with FakeReceiver() as dashboard:
        dashboard.statuses = [status] * 3
        async with feeding(world, dashboard.url):
            await sees(dashboard, await world.until((await world.submit()).id))


async def test_an_address_that_nobody_named_is_never_called(world: World) -> None:
    async with FakeReceiver() as dashboard, feeding(world, dashboard.url, named="") as feed:
        await world.until((await world.submit()).id)
        assert feed.status == "unavailable"
    assert dashboard.heard == []
