"""Brings traces to a collector behind the builds' backs: from what is committed, and never in their way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from executor.domain.build import Build
from executor.domain.retry import RetryPolicy
from executor.domain.spans import Span
from executor.engine.trace_spans import SpanWriter
from executor.errors import ExecutorError, Permanent, Transient
from executor.store.traces import Ended, Traces

log = structlog.get_logger(__name__)
KEPT_SECONDS = 24 * 3600.0
MOST_WAITING = 20_000
"""A collector that was away is told of a day when it is back, and of at most so many attempts and builds."""
_LONGEST_PAUSE = 60.0
_GATHER_SECONDS = 1.0


class Collector(Protocol):
    """Takes spans."""

    async def send(self, spans: Sequence[tuple[str, Span]]) -> str:
        """Take spans, each with its trace's id; returns what is said of those that were not kept.

        Raises Permanent when it will never take them, Transient to be asked again later.
        """
        ...


class TraceExport:
    """Sends what is in the queue in order. A kill between the collector's yes and ours sends a batch again.

    It is then the same spans with the same ids. `gather` is how long it waits for more once something
    ended, `most` how many entries wait for a collector that is away.
    """

    def __init__(
        self,
        traces: Traces,
        collector: Collector,
        writer: SpanWriter,
        clock: Callable[[], float],
        *,
        gather: float = _GATHER_SECONDS,
        most: int = MOST_WAITING,
        policy: RetryPolicy | None = None,
    ) -> None:
        self._traces = traces
        self._collector = collector
        self._writer = writer
        self._clock = clock
        self._gather = gather
        self._most = most
        self._policy = policy or RetryPolicy(first=1.0, longest=_LONGEST_PAUSE, patience=float("inf"))
        self._wake = asyncio.Event()
        self._failures = 0

    def note(self, _: Build) -> None:
        """Called after every commit of a build."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled; what was not sent is after the next start."""
        pause = 0.0
        while True:
            try:
                await self._traces.keep(True)
                pause = await self.look()
            except Transient as error:
                pause = self._wait_after(error)
            except ExecutorError as error:
                log.warning("traces_wait", reason=error.message)
                pause = _LONGEST_PAUSE
            except Exception:  # what went wrong once may go well next time
                log.exception("traces_failed")
                pause = _LONGEST_PAUSE
            await asyncio.sleep(pause)
            await self._something()

    async def look(self) -> float:
        """Send what is due; returns the seconds in which to gather more. Raises what the collector raises."""
        while due := await self._traces.due():
            is_late = bool(self._failures) or due[0].at < self._clock() - KEPT_SECONDS
            if is_late and await self._forget():
                continue
            try:
                await self._send(due)
            except Transient:
                self._failures += 1
                raise
            await self._traces.taken(due[-1].number)
            self._failures = 0
        return self._gather

    async def _something(self) -> None:
        """Until a build has moved, or there is something to be tried again."""
        if not self._failures:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_PAUSE):
                    await self._wake.wait()
        self._wake.clear()

    async def _send(self, due: Sequence[Ended]) -> None:
        """All at once; where that is refused, each by itself, so that only what is at fault is lost."""
        try:
            await self._one_request(due)
        except Permanent as error:
            if len(due) == 1:
                log.warning("trace_refused", build_id=due[0].build["id"], reason=error.message)
                return
            for ended in due:
                await self._send([ended])

    async def _one_request(self, due: Sequence[Ended]) -> None:
        spans = [
            (self._writer.ids(ended.build["id"]).trace, span)
            for ended in due
            for span in self._writer.spans(ended)
        ]
        if not_kept := await self._collector.send(spans):
            log.warning("spans_not_kept", reason=not_kept)

    async def _forget(self) -> int:
        dropped = await self._traces.forget(self._clock() - KEPT_SECONDS, self._most)
        if dropped:
            log.warning("traces_dropped", count=dropped, reason="no collector took them for too long")
        return dropped

    def _wait_after(self, error: Transient) -> float:
        if self._failures == 1:
            log.warning("traces_wait", reason=error.message)
        wait = self._policy.wait(
            self._failures - 1,
            0.0,
            retry_after=error.retry_after,
            spread=random.random(),  # noqa: S311 - spreads waits
        )
        return wait if wait is not None else _LONGEST_PAUSE


async def trace_nothing(traces: Traces) -> None:
    """Stop what an earlier configuration asked for."""
    try:
        await traces.keep(False)
    except ExecutorError as error:
        log.warning("traces_not_stopped", reason=error.message)
