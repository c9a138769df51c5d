"""One process: the real engine over the real store, from its start to its stop or its death."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from executor.domain.build import Build
from executor.domain.droplet import DropletIdentity
from executor.domain.estimate import DEFAULT_SECONDS, Estimator
from executor.domain.retry import RetryPolicy
from executor.engine.bus import Bus
from executor.engine.channel_sender import ChannelSender
from executor.engine.commands import Commands
from executor.engine.decisions import Decisions
from executor.engine.deliveries import Deliveries
from executor.engine.intake import Defaults, Intake
from executor.engine.live import Live
from executor.engine.machine import Lifecycle
from executor.engine.notices import NOTIFY, Notices
from executor.engine.reports import REPLY, Reports
from executor.engine.runner import Limits, Runner
from executor.engine.scheduler import Scheduler
from executor.steady_clock import SteadyClock
from executor.store.store import Store
from tests.crash.simulation.checks import ASKS, rests
from tests.crash.simulation.people import Memory, People
from tests.crash.simulation.services import Receiver
from tests.crash.simulation.steps import Outside, Owners, SimulatedStep, SimulatedWithdrawal
from tests.crash.simulation.world import World

_URL = "http://localhost:8400"
_LOOKS_EVERY = 10.0
_LONGEST_CALM = 4 * 3600.0
"""No wait that a build or a message may need is longer (RetryPolicy, LONGEST_RETRY_AFTER)."""
_LONGEST_WORLD = 8 * 3600.0


@dataclass
class Engine:
    """The parts that a life drives."""

    store: Store
    bus: Bus
    live: Live
    scheduler: Scheduler
    deliveries: Deliveries
    commands: Commands
    clock: SteadyClock


async def live(world: World, outside: Outside, receiver: Receiver, memory: Memory, stop_at: float) -> None:
    """Start, work until `stop_at` or until nothing is left to do, and stop as the daemon does.

    Without any `finally`: a process that is killed does not clean up.
    """
    store = await Store.open(world.where)
    engine = _engine(world, store, outside, receiver)
    engine.live.estimator.learn_all(await store.builds.history())
    await engine.scheduler.load()
    people = People(world, memory, engine.commands, store)
    background = [
        _task("scheduler", engine.scheduler.run()),
        _task("deliveries", engine.deliveries.run()),
        _task("time", _keep_time(engine)),
        _task("subscriber", _subscribe(world, engine.bus)),
        _task("people", people.run()),
    ]
    await _until_still(world, engine, people, stop_at)
    await people.leave()
    engine.live.draining = True
    await engine.scheduler.stop()
    for task in reversed(background):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await store.close()


def _engine(world: World, store: Store, outside: Outside, receiver: Receiver) -> Engine:
    bus = Bus()
    estimator = Estimator(DEFAULT_SECONDS["scaffold"])
    clock = SteadyClock(world.wall, world.time)
    live = Live(estimator, clock)

    def noted(build: Build) -> None:
        scheduler.note(build)
        deliveries.note(build)
        world.show(build)

    lifecycle = Lifecycle(store.builds, bus, estimator, clock, noted, notices=Notices(_URL))
    owners = Owners(world)
    runner = Runner(
        lifecycle=lifecycle,
        store=store,
        live=live,
        steps={n: SimulatedStep(n, outside, store.droplets, owners) for n in range(1, 9)},
        withdrawal=SimulatedWithdrawal(outside, store.droplets, owners),
        limits=Limits(deadline=300.0, retry=RetryPolicy(patience=900.0)),
    )
    scheduler = Scheduler(store, runner, lifecycle, clock, world.plan.max_concurrent)
    live.counts = scheduler.counts
    deliveries = Deliveries(
        store=store,
        senders={NOTIFY: ChannelSender({"hook": receiver}, store.outbox), REPLY: receiver},
        reports=Reports(_URL, 12),
        clock=clock,
    )
    intake = Intake(
        store=store,
        bus=bus,
        live=live,
        lifecycle=lifecycle,
        scheduler=scheduler,
        defaults=Defaults(
            own_id=12,
            approval_mode="auto",
            target="process",
            max_queued=4,
            has_model=True,
            port=8000,
            missing_for={"hook": ""},
        ),
        registered=lambda: (),
        preview=_preview,
        noted=noted,
    )
    decisions = Decisions(store, live, lifecycle, has_model=True, submit=intake.submit)
    commands = Commands(
        store=store, live=live, lifecycle=lifecycle, scheduler=scheduler, intake=intake, decisions=decisions
    )
    return Engine(store, bus, live, scheduler, deliveries, commands, clock)


async def _until_still(world: World, engine: Engine, people: People, stop_at: float) -> None:
    while world.time() < stop_at and not world.problems:
        await asyncio.sleep(min(_LOOKS_EVERY, max(0.0, stop_at - world.time())))
        if world.time() > _LONGEST_WORLD:
            world.broken("people and programs have not come to an end")
        if not people.are_done:
            continue
        if world.calm_since is None:
            world.calm_since = world.time()
            world.note("nobody does anything any more, and nothing goes wrong")
        if await _is_still(engine):
            world.over = True
            return
        if world.time() - world.calm_since > _LONGEST_CALM:
            states = [(b.id, b.state.value) for b in (await engine.store.builds.page()).builds]
            world.broken(f"something waits for ever; the builds: {states}")
            world.over = True
            return


async def _is_still(engine: Engine) -> bool:
    if engine.scheduler.counts()["running"]:
        return False
    rows = await engine.store.database.fetch("SELECT state, droplet_id FROM builds")
    asking = {row["droplet_id"] for row in rows if row["state"] in ASKS}
    return (
        all(rests(row["state"], row["droplet_id"] in asking) for row in rows)
        and await engine.store.outbox.next_at((NOTIFY, REPLY)) is None
        and not await engine.store.orders.ended()
    )


async def _subscribe(world: World, bus: Bus) -> None:
    """Whoever subscribes is told each build's events in order and without gaps, and only what is on disk."""
    last: dict[str, int] = {}
    with bus.subscribe(None) as heard:
        while True:
            for frame in await heard.take():
                event = frame.event
                if event.seq != last.setdefault(event.build_id, event.seq - 1) + 1:
                    world.broken(f"event {event.seq} of {event.build_id} came after {last[event.build_id]}")
                last[event.build_id] = event.seq
                world.tell(event)
                world.note(f"told: {event.build_id} {event.seq} {event.event_type}: {event.message}")


async def _keep_time(engine: Engine) -> None:
    """As the daemon does: the wall's time is taken over while nothing runs."""
    while True:
        await asyncio.sleep(30.0)
        if not engine.scheduler.counts()["running"]:
            engine.clock.settle()


def _task(name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(work, name=name)


def _preview(intent: str, identity: DropletIdentity) -> dict[str, Any]:
    return {"spec": f"# {identity.name}\n{intent}"}
