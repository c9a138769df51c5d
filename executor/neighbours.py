"""The ecosystem around the engine: who orders, who is told, and what runs for them in the background."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from executor.adapters.dashboard import Dashboard
from executor.adapters.messenger import Messenger
from executor.adapters.orchestrator import CoreOrchestrator, Self
from executor.adapters.orchestrator_numbered import NumberedOrchestrator
from executor.adapters.safe_address import AddressRules
from executor.domain.build import Build
from executor.engine.assignments import Assignments, TaskSender
from executor.engine.assignments_heartbeat import OrchestratorHeartbeat
from executor.engine.channel_sender import Channel, ChannelSender
from executor.engine.dashboard_feed import DashboardFeed
from executor.engine.deliveries import Deliveries, ReplySender, Sender
from executor.engine.live import Live
from executor.engine.notices import NOTIFY
from executor.engine.reports import REPLY, TASK, Reports
from executor.engine.requests import SubmitReply, SubmitRequest
from executor.settings import Configuration
from executor.store.store import Store
from executor.web.orders import submit_fields

_DASHBOARD_SECONDS = 3.0
Loop = Callable[[], Coroutine[Any, Any, None]]


class Submits(Protocol):
    """The engine's verb that this needs."""

    async def submit(self, request: SubmitRequest) -> SubmitReply:
        """Store a new build."""
        ...


class Listed(Protocol):
    """A droplet that the registry knows."""

    @property
    def id(self) -> object:
        """Its number."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def endpoint(self) -> str:
        """Its address, empty if it has none."""
        ...


@dataclass(frozen=True, slots=True)
class Neighbours:
    """`listeners` are told of every commit, `loops` run as long as the daemon.

    `orchestrator` and `feed` are None where none is configured; their `status` is for /dependencies.
    """

    deliveries: Deliveries
    orchestrator: OrchestratorHeartbeat | None
    feed: DashboardFeed | None
    listeners: tuple[Callable[[Build], None], ...]
    loops: tuple[Loop, ...]


def neighbours(
    configuration: Configuration,
    *,
    session: aiohttp.ClientSession,
    store: Store,
    live: Live,
    commands: Submits,
    listed: Callable[[], Sequence[Listed]],
    condition: Callable[[], str],
    channels: Mapping[str, Channel],
) -> Neighbours:
    """Whatever `[orchestrator]` and `[dashboard]` ask for, and the answers to orders by message.

    `session` has to be a `safe_session` of `AddressRules.of(settings)`; `listed` is what the registry knows,
    as last seen; `condition` answers active, inactive or error; `channels` are where people are
    told, by name.
    """
    settings, base_url = configuration.settings, configuration.base_url
    rules, reports = AddressRules.of(settings), Reports(base_url, settings.server.droplet_id)
    replies = Messenger(session, rules, lambda name: endpoint_of(name, listed()))
    senders: dict[str, Sender] = {
        REPLY: ReplySender(replies),
        NOTIFY: ChannelSender(channels, store.outbox),
    }
    loops: list[Loop] = []
    heartbeat = feed = None
    if settings.orchestrator.url:
        orchestrator = _orchestrator(configuration, session, live)
        if isinstance(orchestrator, NumberedOrchestrator):
            senders[TASK] = TaskSender(orchestrator)
            assignments = Assignments(
                orchestrator=orchestrator,
                store=store,
                submit=commands.submit,
                submit_fields=submit_fields,
                reports=reports,
                poll=settings.orchestrator.poll,
            )
            loops.append(assignments.run)
        beat = settings.orchestrator.heartbeat
        heartbeat = OrchestratorHeartbeat(orchestrator, condition, live.counts, beat)
        loops.append(heartbeat.run)
    if settings.dashboard.url:
        messenger = Messenger(session, rules, timeout=_DASHBOARD_SECONDS)
        dashboard = Dashboard(messenger, settings.dashboard.url, clock=live.now)
        feed = DashboardFeed(dashboard, store.builds, live, base_url)
        loops.append(feed.run)
    deliveries = Deliveries(store=store, senders=senders, reports=reports, clock=live.now)
    listeners = (deliveries.note, feed.note) if feed is not None else (deliveries.note,)
    return Neighbours(deliveries, heartbeat, feed, listeners, (deliveries.run, *loops))


def _orchestrator(
    configuration: Configuration, session: aiohttp.ClientSession, live: Live
) -> CoreOrchestrator | NumberedOrchestrator:
    table = configuration.settings.orchestrator
    own = Self(configuration.settings.server.droplet_id, configuration.base_url)
    token = configuration.secrets.get("ORCHESTRATOR_TOKEN") or None
    if table.flavour == "numbered":
        return NumberedOrchestrator(session, table.url, own, token=token)
    return CoreOrchestrator(session, table.url, own, token=token, clock=live.now)


def endpoint_of(name: str, listed: Sequence[Listed]) -> str | None:
    """A service's address by its name in any case, or by number as `10` or `droplet-10`."""
    wanted = name.strip().lower()
    number = wanted.removeprefix("droplet-")
    by_name = (entry for entry in listed if entry.name.lower() == wanted)
    by_number = (entry for entry in listed if number.isdigit() and str(entry.id) == number)
    return next((entry.endpoint for entry in (*by_name, *by_number) if entry.endpoint), None)
