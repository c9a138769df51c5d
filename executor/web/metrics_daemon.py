"""Metrics of the daemon itself: its loop, its database and disk, its neighbours, its HTTP interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import Metric

from executor.store.condition import Room
from executor.store.histogram import Histogram
from executor.web.api import Api
from executor.web.metrics_families import counter, gauge, histogram, one

_REACHABLE = {"connected", "available"}


@dataclass(frozen=True, slots=True)
class Files:
    """What a look at the state directory found; the times are in seconds since the epoch, 0 for never."""

    room: Room
    backup_at: float
    written_at: float


def daemon_families(api: Api, files: Files) -> Iterator[Metric]:
    """Everything that is not about builds."""
    yield gauge("fpai_build_info", "The executor's version.", {(api.version,): 1}, ("version",))
    yield gauge("fpai_draining", "1 while the daemon stops.", one(int(api.live.draining)))
    yield from _work(api)
    yield from _storage(api, files)
    yield from _http(api)


def _work(api: Api) -> Iterator[Metric]:
    running = api.live.counts().get("running", 0)
    yield gauge("fpai_slots_used", "Builds that run at this moment.", one(running))
    yield gauge("fpai_slots", "Builds that may run at once.", one(api.settings.builds.max_concurrent))
    yield gauge(
        "fpai_event_loop_lag_seconds", "Delay of the event loop at the last look.", one(api.pulse.lag)
    )
    worst = one(api.pulse.worst)
    yield gauge("fpai_event_loop_lag_max_seconds", "Its longest delay in two minutes.", worst)
    reachable = {(found.name,): int(found.status in _REACHABLE) for found in api.dependencies()}
    says = "1 while what the daemon leans on was there at the last look."
    yield gauge("fpai_dependency_up", says, reachable, ("name",))


def _storage(api: Api, files: Files) -> Iterator[Metric]:
    yield gauge("fpai_database_bytes", "Size of the database.", one(files.room.database))
    yield gauge("fpai_database_wal_bytes", "Size of its write-ahead log.", one(files.room.wal))
    free = one(files.room.free)
    yield gauge("fpai_disk_free_bytes", "Free bytes on the disk of the state directory.", free)
    yield gauge(
        "fpai_backup_last_success_timestamp_seconds",
        "When the newest sound backup was taken; 0 when there is none.",
        one(files.backup_at),
    )
    yield gauge(
        "fpai_database_last_write_timestamp_seconds",
        "When the database was written last: what came after the newest backup is not in it.",
        one(files.written_at),
    )
    latency = api.store.database.latency
    says = "How long a checkpoint, or another write, waited until it was on disk."
    yield _histogram("fpai_checkpoint_duration_seconds", says, {(): latency})


def _http(api: Api) -> Iterator[Metric]:
    routes = api.traffic.routes
    yield counter(
        "fpai_http_requests",
        "HTTP requests by the route that took them; none: no route did.",
        {(method, route, str(code)): n for (method, route, code), n in routes.answers.items()},
        ("method", "route", "code"),
    )
    by_route = {(route,): found for route, found in routes.durations.items()}
    says = "Time until the last byte of an answer was handed over."
    yield _histogram("fpai_http_request_duration_seconds", says, by_route, "route")
    yield gauge("fpai_watchers", "Open event streams.", one(len(api.watchers)))


def _histogram(name: str, says: str, found: Mapping[Any, Histogram], *labels: str) -> Metric:
    bounds = next(iter(found.values())).bounds if found else ()
    cells = {key: (one.counts, one.seconds) for key, one in found.items()}
    return histogram(name, says, bounds, cells, labels)
