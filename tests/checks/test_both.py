"""Two checks at once end together."""

from __future__ import annotations

import asyncio

import pytest

from executor.checks.both import both
from executor.errors import Transient


async def one(value: object) -> object:
    return value


async def test_both_results_come_in_order() -> None:
    assert await both(one(1), one("two")) == (1, "two")


async def test_the_failure_of_one_ends_the_other_before_it_is_raised() -> None:
    ended = []

    async def long() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            ended.append("long")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise Transient("The disk is full.")

    with pytest.raises(Transient, match="disk is full"):
        await both(long(), fails())
    assert ended == ["long"]
