"""Builds the daemon's parts from its configuration, in order, and ends them in reverse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from executor import __version__
from executor.adapters.machine_load import machine_load
from executor.adapters.registry_cache import RegistryCache
from executor.adapters.safe_address import AddressRules
from executor.adapters.safe_session import safe_session
from executor.adapters.slack_socket import SlackSocket
from executor.adapters.transcription import Transcriber
from executor.agent.model_watch import ModelWatch
from executor.channels import channels_of, known_channels
from executor.domain.approval_link import ApprovalLinks
from executor.domain.build import Build
from executor.domain.estimate import DEFAULT_SECONDS, Estimator
from executor.domain.retry import RetryPolicy
from executor.engine.bus import Bus
from executor.engine.commands import Commands
from executor.engine.decisions import Decisions
from executor.engine.identity import Known
from executor.engine.intake import Defaults, Intake
from executor.engine.live import Live
from executor.engine.machine import Lifecycle
from executor.engine.notices import Notices
from executor.engine.own_entry import OwnEntry
from executor.engine.registrations import Registrations
from executor.engine.runner import Limits, Runner
from executor.engine.scheduler import Scheduler
from executor.engine.trace_export import TraceExport, trace_nothing
from executor.neighbours import Neighbours, neighbours
from executor.outside import Outside, real_world
from executor.pipeline import RELEASE_ENV, steps_of, withdrawal_of
from executor.sandbox.base import Sandbox
from executor.sandbox.leftovers import sweep_leftovers
from executor.settings import Configuration
from executor.slack import slack_clicks, slack_socket
from executor.state_key import state_key
from executor.steady_clock import SteadyClock
from executor.steps.spec import preview
from executor.store.store import Store
from executor.store.upkeep import Upkeep
from executor.targets.choice import target_words
from executor.targets.keeper import ReleaseKeeper
from executor.tracing import trace_export
from executor.web.slack_clicks import SlackClicks

log = structlog.get_logger(__name__)
_SETTLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Daemon:
    """Everything that runs, for the web layer to serve."""

    configuration: Configuration
    store: Store
    bus: Bus
    live: Live
    commands: Commands
    scheduler: Scheduler
    keeper: ReleaseKeeper
    sandbox: Sandbox
    registry: RegistryCache | None
    model: ModelWatch | None
    neighbours: Neighbours
    entries: RegistryEntries | None
    clicks: SlackClicks | None
    slack_socket: SlackSocket | None
    transcriber: Transcriber | None
    traces: TraceExport | None


@dataclass(frozen=True, slots=True)
class RegistryEntries:
    """What is kept up to date in the registry: the executor's own entry, and its releases'."""

    own: OwnEntry
    releases: Registrations


@asynccontextmanager
async def assembled(
    configuration: Configuration,
    redact: Callable[[str], str],
    outside: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, Outside]] | None = None,
    clock: Callable[[], float] | None = None,
) -> AsyncIterator[Daemon]:
    """Run the engine while the context is open; leaving it drains. `outside` replaces the real world.

    `clock` is in seconds since the epoch; left out, it is a SteadyClock.
    """
    steady = SteadyClock()
    clock = clock or steady
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        outbound = await stack.enter_async_context(safe_session(AddressRules.of(configuration.settings)))
        world = await (outside(session) if outside else real_world(configuration, session))
        if world.with_model is not None:
            stack.push_async_callback(world.with_model.service.aclose)
        stack.push_async_callback(world.targets.aclose)
        for machine in world.machines:
            stack.push_async_callback(machine.aclose)
        await sweep_leftovers(world.places)
        state = configuration.settings.state
        store = await Store.open(configuration.state_dir, redact, keep_backups=state.keep_backups)
        stack.push_async_callback(store.close)
        daemon = _engine(configuration, store, world, session, clock, outbound=outbound)
        daemon.live.estimator.learn_all(await store.builds.history())
        if daemon.clicks is not None:
            stack.push_async_callback(daemon.clicks.aclose)
        unfinished = await daemon.scheduler.load()
        if unfinished:
            log.info("builds_picked_up", count=unfinished)
        traces = daemon.traces.run() if daemon.traces else trace_nothing(store.traces)
        background: list[Coroutine[Any, Any, None]] = [traces, daemon.scheduler.run(), daemon.keeper.run()]
        if daemon.registry is not None and daemon.entries is None:
            background.append(daemon.registry.run())  # with entries, each look at them refreshes the list
        if daemon.model is not None:
            background.append(daemon.model.run())
        background += [loop() for loop in daemon.neighbours.loops]
        if daemon.slack_socket is not None:
            background.append(daemon.slack_socket.run())
        background.append(Upkeep(store, state.backup_every, time.time).run())
        background.append(_keep_time(steady, daemon.scheduler))
        if daemon.entries is not None:
            background += [daemon.entries.own.run(), daemon.entries.releases.run()]
        for work in background:
            task = asyncio.create_task(work)
            stack.push_async_callback(_end, task)
        if daemon.entries is not None:
            stack.push_async_callback(daemon.entries.own.leave)
        stack.push_async_callback(_drain, daemon)
        yield daemon


def _engine(
    configuration: Configuration,
    store: Store,
    world: Outside,
    session: aiohttp.ClientSession,
    clock: Callable[[], float],
    *,
    outbound: aiohttp.ClientSession,
) -> Daemon:
    settings = configuration.settings
    bus = Bus()
    watch = world.with_model.service if world.with_model else None
    has_model = watch is not None
    estimator = Estimator(DEFAULT_SECONDS["anthropic" if has_model else "scaffold"])
    live = Live(estimator, clock)

    listeners: list[Callable[[Build], None]] = []

    def noted(build: Build) -> None:
        scheduler.note(build)
        for listener in listeners:
            listener(build)

    notices = Notices(configuration.base_url)
    lifecycle = Lifecycle(store.builds, bus, estimator, clock, noted, notices=notices)
    runner = Runner(
        lifecycle=lifecycle,
        store=store,
        live=live,
        steps={step.number: step for step in steps_of(configuration, store, world)},
        withdrawal=withdrawal_of(configuration, store, world),
        limits=Limits(settings.builds.deadline, RetryPolicy(patience=settings.model.patience)),
    )
    scheduler = Scheduler(store, runner, lifecycle, clock, settings.builds.max_concurrent)
    live.counts = scheduler.counts
    cache = RegistryCache(world.registry) if world.registry is not None else None
    intake = Intake(
        store=store,
        bus=bus,
        live=live,
        lifecycle=lifecycle,
        scheduler=scheduler,
        defaults=Defaults(
            own_id=settings.server.droplet_id,
            approval_mode=settings.builds.approval_mode,
            target=settings.deploy.target,
            targets=target_words(settings.deploy),
            max_queued=settings.builds.max_queued,
            has_model=has_model,
            port=settings.deploy.port_range[0],
            budget_usd=settings.builds.budget_usd or None,
            model_refusal=lambda: watch.refusal(settings.model.model) if watch else "",
            missing_for={name: configuration.missing_for(name) for name in known_channels(configuration)},
            unpriced_model="" if settings.model.model in settings.model.prices else settings.model.model,
        ),
        registered=lambda: _registered(cache),
        preview=preview,
        noted=noted,
    )
    commands = Commands(
        store=store,
        live=live,
        lifecycle=lifecycle,
        scheduler=scheduler,
        intake=intake,
        decisions=Decisions(store, live, lifecycle, has_model=has_model, submit=intake.submit),
    )

    def condition() -> str:
        return "inactive" if live.draining else "error" if world.sandbox.kind == "none" else "active"

    around = neighbours(
        configuration,
        session=outbound,
        store=store,
        live=live,
        commands=commands,
        listed=lambda: cache.entries if cache else (),
        condition=condition,
        channels=channels_of(
            configuration, session, ApprovalLinks(state_key(configuration.state_dir)), time.time
        ),
    )
    listeners.extend(around.listeners)
    traces = trace_export(configuration, session, store.traces, clock)
    if traces is not None:
        listeners.append(traces.note)
    keeper = ReleaseKeeper(
        droplets=store.droplets,
        targets=world.targets,
        places=world.places,
        env=RELEASE_ENV,
        session=session,
        clock=clock,
    )
    entries = None
    if world.registry is not None and world.own_registry is not None and cache is not None:
        entries = RegistryEntries(
            own=OwnEntry(
                world.own_registry,
                droplet_id=settings.server.droplet_id,
                base_url=configuration.base_url,
                version=__version__,
                condition=condition,
                load=lambda: machine_load(configuration.state_dir),
                heartbeat=settings.registry.heartbeat,
            ),
            releases=Registrations(
                registry=world.registry,
                cache=cache,
                droplets=store.droplets,
                builds=store.builds,
                health=lambda: keeper.health,
                heartbeat=settings.registry.heartbeat,
            ),
        )
    clicks = slack_clicks(configuration, session, commands, store.builds)
    return Daemon(
        configuration=configuration,
        store=store,
        bus=bus,
        live=live,
        commands=commands,
        scheduler=scheduler,
        keeper=keeper,
        sandbox=world.sandbox,
        registry=cache,
        model=watch,
        neighbours=around,
        entries=entries,
        clicks=clicks,
        slack_socket=slack_socket(configuration, session, clicks),
        transcriber=_transcriber(configuration, session),
        traces=traces,
    )


def _transcriber(configuration: Configuration, session: aiohttp.ClientSession) -> Transcriber | None:
    voice, key = configuration.settings.voice, configuration.secrets.get("VOICE_API_KEY")
    if not voice.url:
        return None
    return Transcriber(session, voice.url, voice.model, key, voice.language, voice.timeout)


def _registered(cache: RegistryCache | None) -> list[Known]:
    return [Known(e.id, e.name, ours=e.ours) for e in cache.entries] if cache else []


async def _keep_time(clock: SteadyClock, scheduler: Scheduler) -> None:
    while True:
        await asyncio.sleep(_SETTLE_SECONDS)
        if not scheduler.counts()["running"]:
            clock.settle()


async def _drain(daemon: Daemon) -> None:
    daemon.live.draining = True
    await daemon.scheduler.stop()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
