"""Sends what is in the outbox until it is taken, without ever holding up a build."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

import structlog

from executor.domain.build import FINISHED, Build
from executor.domain.retry import RetryPolicy
from executor.engine.reports import Reports
from executor.errors import ExecutorError, Transient
from executor.store.orders import Ended
from executor.store.outbox import Outgoing
from executor.store.store import Store

log = structlog.get_logger(__name__)

ONE_DAY = 24 * 3600.0
_SEND_SECONDS = 30.0
_LONGEST_PAUSE = 60.0


class Sender(Protocol):
    """Delivers the messages of one kind."""

    async def send(self, message: Outgoing) -> Mapping[str, Any] | None:
        """Return once the receiver has it, with its receipt if one is to be kept.

        Raises Transient to be tried again, other errors to give up.
        """
        ...


class Post(Protocol):
    """What posts a message to an address that others chose."""

    async def post(self, address: str, body: Mapping[str, Any], key: str = "") -> None:
        """Deliver one message."""
        ...


class ReplySender:
    """Sends the outbox's replies; one that may have arrived before says so in its payload."""

    def __init__(self, messenger: Post) -> None:
        self._messenger = messenger

    async def send(self, message: Outgoing) -> None:
        """Post it to where the order wanted it."""
        body = dict(message.body)
        if message.may_be_repeat:
            body["payload"] = {**body["payload"], "repeat": True}
        await self._messenger.post(message.address, body, message.id)


class Deliveries:
    """Puts the ends of ordered builds into the outbox and sends whatever is due there.

    `senders` are by kind; a kind without one waits in the outbox. Waits between tries grow to 15 minutes;
    after `policy.patience` seconds, by default a day, a message is given up and its row says why.
    """

    def __init__(
        self,
        *,
        store: Store,
        senders: Mapping[str, Sender],
        reports: Reports,
        clock: Callable[[], float],
        policy: RetryPolicy | None = None,
    ) -> None:
        self._store = store
        self._senders = dict(senders)
        self._kinds = tuple(senders)
        self._reports = reports
        self._clock = clock
        self._policy = policy or RetryPolicy(first=5.0, longest=900.0, patience=ONE_DAY)
        self._wake = asyncio.Event()

    def note(self, build: Build) -> None:
        """Called after every commit of a build: an end has to be told, and so may be what people wait for."""
        if build.state in FINISHED or build.notify_channels:
            self._wake.set()

    def nudge(self) -> None:
        """Somebody has put a message into the outbox."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled; whatever a stop cuts off is sent again after the next start."""
        while True:
            self._wake.clear()
            pause = _LONGEST_PAUSE
            try:
                pause = await self.look()
            except ExecutorError as error:
                log.warning("deliveries_wait", reason=error.message)
            except Exception:  # what went wrong once may go well next time
                log.exception("deliveries_failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def look(self) -> float:
        """Tell what has ended, send what is due; returns the seconds until there may be more to do."""
        for ended in await self._store.orders.ended():
            await self._tell(ended)
        if not self._kinds:
            return _LONGEST_PAUSE
        due = await self._store.outbox.due(self._clock(), self._kinds)
        await asyncio.gather(*(self._deliver(message) for message in due))
        next_at = await self._store.outbox.next_at(self._kinds)
        return _LONGEST_PAUSE if next_at is None else min(max(0.0, next_at - self._clock()), _LONGEST_PAUSE)

    async def _tell(self, ended: Ended) -> None:
        build = await self._store.builds.get(ended.build_id)
        if build.finished_at == ended.finished_at:  # else it was retried a moment ago
            await self._store.orders.told(ended, self._reports.of(ended, build))

    async def _deliver(self, message: Outgoing) -> None:
        attempts = await self._store.outbox.begin(message.id, self._clock() + 2 * _SEND_SECONDS)
        counted = replace(message, attempts=attempts)
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                receipt = await self._senders[message.kind].send(counted)
        except (Transient, TimeoutError) as error:
            await self._postpone(counted, error)
        except ExecutorError as error:
            await self._give_up(counted, str(error))
        except Exception as error:  # one odd message must not end the deliveries of all others
            log.exception("message_failed", message=message.id)
            await self._postpone(counted, error)
        else:
            await self._store.outbox.sent(message.id, self._clock(), receipt)
            log.info("message_delivered", message=message.id, attempts=attempts)

    async def _postpone(self, message: Outgoing, error: Exception) -> None:
        reason = str(error) or "no answer in time"
        now = self._clock()
        wait = self._policy.wait(
            message.attempts - 1,
            now - message.created_at,
            retry_after=getattr(error, "retry_after", None),
            spread=random.random(),  # noqa: S311 - spreads waits
        )
        if wait is None:
            await self._give_up(message, reason)
            return
        log.info("message_postponed", message=message.id, reason=reason, seconds=round(wait))
        await self._store.outbox.postponed(message.id, now + wait, reason)

    async def _give_up(self, message: Outgoing, reason: str) -> None:
        log.warning("message_given_up", message=message.id, address=message.address, reason=reason)
        await self._store.outbox.given_up(message.id, self._clock(), reason)
