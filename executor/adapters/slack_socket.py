"""Socket Mode: clicks come over a WebSocket that the daemon opens, so it needs no address of its own."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import structlog

from executor.adapters.slack_api import SlackApi
from executor.adapters.slack_errors import no_answer
from executor.domain.retry import RetryPolicy
from executor.errors import ExecutorError, Permanent

log = structlog.get_logger(__name__)
Handle = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any] | None]]
_HEARTBEAT = 20.0
"""Seconds between pings; a connection whose other end is gone is noticed within half as many more."""
_ROUTINE = frozenset({"warning", "refresh_requested"})
_FOREVER = float("inf")
_LARGEST = 1 << 20


class SlackSocket:
    """Keeps one connection open for as long as it runs. `api` has the app's token (xapp-…).

    `handle` answers a payload with what the acknowledgement is to carry. Waits between tries grow to
    `policy.longest` and never end; a refusal of Slack's waits that long at once, and is logged as a warning.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api: SlackApi,
        handle: Handle,
        policy: RetryPolicy | None = None,
    ) -> None:
        self._session = session
        self._api = api
        self._handle = handle
        self._policy = policy or RetryPolicy(first=1.0, longest=120.0, patience=_FOREVER)
        self._failures = 0
        self._answers: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except Permanent as refused:
                self._failures = 30
                log.warning("slack_socket_refused", reason=str(refused))
            except ExecutorError as error:
                self._failed(error.message)
                if (asked := getattr(error, "retry_after", None)) is not None:
                    await asyncio.sleep(min(asked, self._policy.longest))
            if self._failures:
                await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        spread = random.random()  # noqa: S311 - spreads waits
        return self._policy.wait(self._failures - 1, 0.0, retry_after=None, spread=spread) or 0.0

    async def _listen(self) -> None:
        """One connection, from its opening to its end. Raises Transient, Permanent."""
        opened = await self._api.call("apps.connections.open")
        with no_answer():
            async with self._session.ws_connect(
                str(opened.get("url", "")), heartbeat=_HEARTBEAT, max_msg_size=_LARGEST
            ) as socket:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT and not self._take(socket, message.data):
                        return
        self._failed("The connection ended without a word of Slack's.")

    def _failed(self, reason: str) -> None:
        self._failures += 1
        log.info("slack_socket_away", reason=reason, tries=self._failures)

    def _take(self, socket: aiohttp.ClientWebSocketResponse, text: str) -> bool:
        """One envelope; False when Slack asks to come back over a new connection."""
        try:
            envelope = json.loads(text)
            kind, envelope_id = envelope["type"], envelope.get("envelope_id")
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("slack_envelope_unread")
            return True
        if kind == "hello":
            self._failures = 0
            log.info("slack_socket_open")
        elif kind == "disconnect":
            if envelope.get("reason") == "link_disabled":
                raise Permanent("Socket Mode is turned off.", hint="Turn it on on the app's page.")
            self._failures += envelope.get("reason") not in _ROUTINE
            return False
        elif envelope_id:
            task = asyncio.create_task(self._answer(socket, envelope))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)
        return True

    async def _answer(self, socket: aiohttp.ClientWebSocketResponse, envelope: Mapping[str, Any]) -> None:
        """Handle an envelope and acknowledge it; Slack repeats what is not acknowledged."""
        said: Mapping[str, Any] | None = None
        try:
            payload = envelope.get("payload")
            if envelope["type"] == "interactive" and isinstance(payload, dict):
                said = await self._handle(payload)
        except ExecutorError as error:
            log.warning("slack_payload_unread", reason=error.message)
        acknowledgement: dict[str, Any] = {"envelope_id": envelope["envelope_id"]}
        if said and envelope.get("accepts_response_payload"):
            acknowledgement["payload"] = said
        try:
            await socket.send_json(acknowledgement)
        except (ConnectionError, aiohttp.ClientError) as error:
            log.info("slack_acknowledgement_lost", reason=type(error).__name__)
