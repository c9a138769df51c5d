"""The bus: committed events to whoever listens, and a slow listener costs a bounded amount of memory."""

from __future__ import annotations

import asyncio

from executor.domain.events import Event
from executor.engine.bus import Bus


def _events(build_id: str, first: int, count: int) -> list[Event]:
    return [Event(build_id, seq, "told", 1, 1, 0, "", 0.0, {}) for seq in range(first, first + count)]


async def test_a_listener_hears_its_own_build_and_a_listener_to_all_hears_every_one():
    bus = Bus()
    with bus.subscribe("a") as own, bus.subscribe(None) as every:
        bus.publish(_events("a", 1, 2))
        bus.publish(_events("b", 1, 1))
        assert [f.event.seq for f in await own.take()] == [1, 2]
        assert [(f.event.build_id, f.event.seq) for f in await every.take()] == [("a", 1), ("a", 2), ("b", 1)]


async def test_a_frame_is_encoded_once_for_all_who_take_it():
    bus = Bus()
    with bus.subscribe("a") as one, bus.subscribe("a") as other:
        bus.publish(_events("a", 1, 1))
        assert (await one.take())[0] is (await other.take())[0]


async def test_taking_waits_for_the_next_event_and_gives_up_after_its_time():
    bus = Bus()
    with bus.subscribe("a") as heard:
        assert await heard.take(0.01) == []
        waiting = asyncio.create_task(heard.take(10))
        await asyncio.sleep(0)
        bus.publish(_events("a", 1, 1))
        assert [f.event.seq for f in await waiting] == [1]


async def test_a_slow_listener_keeps_at_most_its_limit_and_learns_that_it_fell_behind():
    bus = Bus()
    with bus.subscribe("a", limit=10) as slow, bus.subscribe("a", limit=1000) as good:
        for first in range(1, 101, 5):
            bus.publish(_events("a", first, 5))
        kept = await slow.take()
        assert slow.overflowed
        assert [f.event.seq for f in kept] == list(range(1, 11))
        assert await slow.take() == []
        assert len(await good.take()) == 100
        assert not good.overflowed


async def test_nothing_is_kept_for_those_who_have_gone():
    bus = Bus()
    with bus.subscribe("a") as gone:
        pass
    bus.publish(_events("a", 1, 1))
    with bus.subscribe("a") as late:
        assert await late.take(0.01) == []
    assert await gone.take(0.01) == []
