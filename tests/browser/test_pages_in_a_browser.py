"""Every page, wide and on a phone, light and dark: sound for axe, no error, nothing off the machine."""

from __future__ import annotations

import asyncio

import pytest

from executor.domain.build import State
from executor.domain.outcome import Ask, Outcome
from executor.domain.step import StepContext
from executor.errors import Permanent
from tests.browser.conftest import Opening
from tests.web.conftest import Site

PATHS = {
    "home": "/",
    "new": "/new",
    "costs": "/costs",
    "droplets": "/droplets",
    "system": "/system",
    "docs": "/docs",
    "login": "/login",
    "missing": "/builds/none",
}
TABS = ("log", "diff", "spec", "tests", "turns", "deploy", "events")


async def filled(site: Site) -> dict[str, str]:
    """A build of every kind that a page has to show."""
    done = await site.world.submit("Build Books Droplet for books")
    await site.world.until(done.id)

    async def asks(_: StepContext) -> Outcome:
        options = {
            "id": "store",
            "question": "Where are they kept?",
            "options": ["memory", "file"],
            "default": "file",
        }
        return Ask("It is not clear where they are kept.", (options,))

    async def fails(context: StepContext) -> Outcome:
        context.log("Traceback (most recent call last):\nValueError: no", "error")
        raise Permanent("The droplet cannot be packaged.", hint="Look at the log, then `fpai retry`.")

    async def lingers(context: StepContext) -> Outcome:
        context.progress("writing app/main.py", 0.4)
        context.log("a line")
        await asyncio.Event().wait()
        raise AssertionError

    found = {"done": done.id}
    for name, step, script, state, mode in (
        ("held", 2, None, State.WAITING_APPROVAL, "final"), ("asked", 2, asks, State.WAITING_INPUT, "auto"),
        ("failed", 3, fails, State.FAILED, "auto"), ("running", 4, lingers, State.IN_PROGRESS, "auto"),
    ):  # fmt: skip
        site.world.steps[step].script = script
        build = await site.world.submit(f"Build {name.title()} Droplet for things", approval_mode=mode)
        await site.world.until(build.id, state)
        site.world.steps[step].script = None
        found[name] = build.id
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
async def test_every_page_is_sound_in_a_browser(site: Site, opening: Opening, size: str, scheme: str) -> None:
    builds = await filled(site)
    paths = PATHS | {f"build-{name}": f"/builds/{build}" for name, build in builds.items()}
    paths |= {f"tab-{tab}": f"/builds/{builds['done']}?tab={tab}" for tab in TABS}
    findings = {}
    async with opening(site.url, size=size, scheme=scheme) as window:
        for name, path in paths.items():
            await window.go(path)
            await window.page.wait_for_timeout(150)
            await window.screenshot(f"{name}-{size}-{scheme}")
            wide = await window.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            found = await window.serious_findings() + (["wider than the window"] if wide > 0 else [])
            if found:
                findings[name] = found
    assert findings == {}


async def test_without_javascript_everything_can_be_read_and_decided(site: Site, opening: Opening) -> None:
    builds = await filled(site)
    async with opening(site.url, size="phone", scripts=False) as window:
        for tab in TABS:
            await window.go(f"/builds/{builds['done']}?tab={tab}")
            assert await window.page.locator("h1").count() == 1
        await window.go(f"/builds/{builds['held']}")
        await window.page.get_by_role("button", name="Approve").click()
        await window.page.wait_for_load_state()
    assert (await site.world.until(builds["held"])).state is State.COMPLETE
