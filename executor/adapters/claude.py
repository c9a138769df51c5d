"""Claude behind the Messages API, through the anthropic SDK: one attempt for each call, always streamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from executor.adapters.claude_errors import ErrorSorter
from executor.adapters.claude_hearing import RedactedHearing
from executor.adapters.claude_reply import ReplyReader
from executor.adapters.claude_request import arguments
from executor.domain.conversation import Block, Heard, ModelReply, ModelRequest
from executor.errors import ExecutorError
from executor.redaction import Redactor

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_CONNECT_SECONDS = 30.0
_TAIL_SECONDS = 0.5
_NO_KEY = "no-key"
# The SDK loads its parts when they are first touched, some of them for a good part of a second.
_PARTS = ("anthropic", "anthropic.types.shared.error_details", "anthropic.lib.streaming")


class Claude:
    """A ModelService. The SDK is imported at the first call, in a thread: it takes seconds and 86 MB.

    `api_key` empty stands for an endpoint that asks for none; `base_url` empty is Anthropic's; `timeout` is
    the seconds that one whole reply may take. An endpoint that says the key back is quoted without it, in
    its errors and in its replies.
    """

    def __init__(self, *, api_key: str, base_url: str = "", timeout: float = 900.0) -> None:
        self._key = api_key.strip() or _NO_KEY
        self._base_url = base_url
        self._timeout = timeout
        self._redactor = Redactor([api_key.strip()])
        self._errors = ErrorSorter(self._redactor, base_url)
        self._client: AsyncAnthropic | None = None
        self._making = asyncio.Lock()

    async def reply(self, request: ModelRequest, heard: Heard) -> ModelReply:
        """Return the whole reply; `heard` is called while it streams. Raises as ModelService says.

        A reply that is not whole and well formed is Transient, and nothing of it is returned.
        """
        client = await self._ready()
        try:
            async with asyncio.timeout(self._timeout):
                return await self._streamed(client, request, heard)
        except TimeoutError:
            raise self._errors.late(self._timeout) from None

    async def aclose(self) -> None:
        """End the connections that are kept open."""
        if self._client is not None:
            await self._client.close()

    async def _ready(self) -> AsyncAnthropic:
        async with self._making:
            if self._client is None:
                self._client = await asyncio.to_thread(self._made)
            return self._client

    def _made(self) -> AsyncAnthropic:
        """The client: no retries of its own, no redirects, since they would carry the key elsewhere."""
        sdk, *_ = [import_module(part) for part in _PARTS]
        timeout = sdk.Timeout(self._timeout, connect=min(_CONNECT_SECONDS, self._timeout))
        client: AsyncAnthropic = sdk.AsyncAnthropic(
            api_key=self._key,
            base_url=self._base_url or None,
            max_retries=0,
            timeout=timeout,
            http_client=sdk.DefaultAsyncHttpxClient(timeout=timeout, follow_redirects=False),
        )
        _ = client.messages
        return client

    async def _streamed(self, client: AsyncAnthropic, request: ModelRequest, heard: Heard) -> ModelReply:
        sdk = import_module("anthropic")
        manager = client.messages.stream(**arguments(request, sdk.transform_schema))
        try:
            stream = await manager.__aenter__()
        except (*_connection_errors(), sdk.APIError) as error:
            raise self._sorted(error, request.model) from None
        try:
            return await self._read(stream, request.model, heard)
        finally:
            await manager.__aexit__(None, None, None)

    async def _read(self, stream: Any, model: str, heard: Heard) -> ModelReply:
        """Whatever is stumbled over while reading means a broken or malformed stream."""
        reader, events, hearing = ReplyReader(), aiter(stream), RedactedHearing(self._redactor, heard)
        while not reader.is_whole:
            try:
                added = reader.take(await anext(events))
            except StopAsyncIteration:
                raise self._cut(stream, None) from None
            except Exception as error:
                raise self._sorted(error, model, stream) from None
            if added is not None:
                hearing.take(*added)
        hearing.end()
        try:
            reply = reader.reply(stream.current_message_snapshot)
        except ExecutorError:
            raise
        except Exception as error:
            raise self._cut(stream, error) from None
        await _read_out(events)
        return self._redacted(reply)

    def _redacted(self, reply: ModelReply) -> ModelReply:
        text, value = self._redactor.text, self._redactor.value
        return replace(
            reply,
            message_id=text(reply.message_id),
            model=text(reply.model),
            content=tuple(self._safe(block) for block in reply.content),
            stop_details=value(reply.stop_details),
        )

    def _safe(self, block: Block) -> Block:
        safe: Block = self._redactor.value(block)
        if safe is not block and block["type"] == "thinking":
            # It is signed, so it would be refused without the key, and it may not be left out before a tool.
            raise self._errors.key_in_a_thought()
        return safe

    def _sorted(self, error: Exception, model: str, stream: Any = None) -> ExecutorError:
        if hasattr(error, "status_code") and hasattr(error, "error_code"):
            return self._errors.status(error, model)
        return self._errors.connection(error) if stream is None else self._cut(stream, error)

    def _cut(self, stream: Any, error: Exception | None) -> ExecutorError:
        return self._errors.cut(error, stream.response.headers.get("content-type", ""))


async def _read_out(events: AsyncIterator[Any]) -> None:
    """Read what follows a whole reply, which is nothing, so that the connection can serve the next call."""
    with suppress(Exception):
        async with asyncio.timeout(_TAIL_SECONDS):
            async for _ in events:
                pass


def _connection_errors() -> tuple[type[Exception], ...]:
    httpx = import_module("httpx2")
    return (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError)
