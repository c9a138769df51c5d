"""Work that must not be left half way when whoever awaits it is cancelled: a thread cannot be stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_Result = TypeVar("_Result")


async def unbroken(work: Awaitable[_Result]) -> _Result:
    """Await something to its end although the caller is cancelled, then let the cancellation through."""
    running = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return running.result()
