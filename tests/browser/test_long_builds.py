"""A build with thousands of log lines: shown at once, followed closely, and no burden on its tab."""

from __future__ import annotations

import asyncio
import time

from executor.domain.outcome import Done, Outcome
from executor.domain.step import StepContext
from tests.browser.conftest import Opening, Window
from tests.web.conftest import Site

LINES, EVENTS, AN_HOUR = 5_000, 300, 3_600


class Chatty:
    """Step 4 logs and records as it is told to."""

    def __init__(self) -> None:
        self.orders: asyncio.Queue[tuple[int, int] | None] = asyncio.Queue()
        self.lines = 0

    async def __call__(self, context: StepContext) -> Outcome:
        while order := await self.orders.get():
            lines, events = order
            for _ in range(lines):
                self.lines += 1
                context.log(f"line number {self.lines} of a long build, with some words to it")
            for _ in range(events):
                await context.record("noted", f"after line {self.lines}")
        return Done("Enough.")


async def heap(window: Window) -> float:
    """The tab's JavaScript memory in MiB, once its garbage is collected."""
    session = await window.page.context.new_cdp_session(window.page)
    await session.send("HeapProfiler.collectGarbage")
    found = await session.send("Runtime.getHeapUsage")
    await session.detach()
    return float(found["usedSize"]) / (1 << 20)


async def shows(window: Window, text: str) -> None:
    """Wait until the page holds this text."""
    script = "text => document.body.textContent.includes(text)"
    await window.page.wait_for_function(script, arg=text, polling=10, timeout=30_000)


async def test_a_long_build_is_shown_at_once_and_an_hour_of_events_leaves_the_tab_as_it_was(
    site: Site, opening: Opening
) -> None:
    chatty = site.world.steps[4].script = Chatty()
    build = await site.world.submit()
    chatty.orders.put_nowait((LINES, EVENTS))
    while (await site.world.store.builds.get(build.id)).last_seq < EVENTS:
        await asyncio.sleep(0.05)
    async with opening(site.url) as window:
        await window.go(f"/builds/{build.id}")
        await window.go(f"/builds/{build.id}")  # as a person who has been here: styles and scripts are cached
        paints = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        await window.page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        paint = await window.page.evaluate(paints)
        await shows(window, f"line number {LINES} of")
        lags = []
        for _ in range(10):
            begun = time.perf_counter()
            chatty.orders.put_nowait((1, 1))
            await shows(window, f"line number {chatty.lines + 1} of")
            lags.append(time.perf_counter() - begun)
        before = await heap(window)
        for _ in range(12):
            chatty.orders.put_nowait((AN_HOUR // 12, AN_HOUR // 12))
            await shows(window, f"line number {chatty.lines + AN_HOUR // 12} of")
        after = await heap(window)
        kept = await window.page.evaluate(
            "document.querySelectorAll('[data-line], .log li, .log > *').length"
        )
    chatty.orders.put_nowait(None)
    lag = sorted(lags)[len(lags) // 2]
    print(f"first paint {paint:.0f} ms, updates {lag * 1000:.0f} ms, heap {before:.1f} to {after:.1f} MiB")
    assert kept <= 2_500
    assert after < before + 8
