"""Two checks at once, neither of which outlives the other's failure."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_First = TypeVar("_First")
_Second = TypeVar("_Second")


async def both(
    first: Coroutine[Any, Any, _First], second: Coroutine[Any, Any, _Second]
) -> tuple[_First, _Second]:
    """Return both results. If one raises, the other is cancelled and awaited before its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            one, other = group.create_task(first), group.create_task(second)
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    return one.result(), other.result()
