"""What a person does: ask for a build, watch it, approve it on a phone, read the diff, come back, log in."""

from __future__ import annotations

import asyncio
import re

from executor.domain.build import State
from executor.domain.outcome import Artifact, Done, Outcome
from executor.domain.step import StepContext
from tests.browser.conftest import Opening
from tests.web.conftest import Serving, Site

DIFF = """\
diff --git a/app/main.py b/app/main.py
--- a/app/main.py
+++ b/app/main.py
@@ -1 +1 @@
-old = 1
+new = 2
"""


class Talking:
    """Step 4 says lines whenever it is let to, and ends with a diff."""

    def __init__(self) -> None:
        self.more: asyncio.Queue[int] = asyncio.Queue()
        self.said = 0

    async def __call__(self, context: StepContext) -> Outcome:
        while count := await self.more.get():
            for _ in range(count):
                self.said += 1
                context.log(f"line number {self.said}")
            context.progress(f"has said {self.said} lines", 0.5)
        return Done("Enough was said.", {"tests_passing": 12, "files_created": 15}, (Artifact("diff", DIFF),))


async def test_from_the_form_to_the_approval_on_a_phone(site: Site, opening: Opening) -> None:
    talking = site.world.steps[4].script = Talking()
    async with opening(site.url) as desk:
        await desk.go("/new")
        await desk.page.get_by_label("What do you need?").fill("Build Library Droplet for books")
        await desk.page.get_by_label("Ask before deploying", exact=False).last.check()
        line = desk.page.locator("[data-line=command]")
        assert await line.text_content() == "fpai build 'Build Library Droplet for books' --mode final"
        await desk.page.get_by_role("button", name="Preview").click()
        await desk.page.get_by_text("This would be built").wait_for()
        assert (
            await desk.page.get_by_label("What do you need?").input_value()
            == "Build Library Droplet for books"
        )
        await desk.page.get_by_role("button", name="Start the build").click()
        await desk.page.wait_for_url(re.compile("/builds/build-13-library"))
        build_id = desk.page.url.rsplit("/", 1)[1].partition("?")[0]
        talking.more.put_nowait(3)
        await desk.page.get_by_text("line number 3").wait_for()
        talking.more.put_nowait(0)
        await desk.page.get_by_role("button", name="Approve").wait_for()
        await desk.screenshot("journey-watched")
    async with opening(site.url, size="phone", scheme="dark") as phone:
        await phone.go("/")
        await phone.page.get_by_role("link", name="See the diff").click()
        await phone.page.get_by_text("+new = 2").wait_for()
        await phone.screenshot("journey-diff")
        await phone.page.get_by_role("button", name="Approve").click()
        await phone.page.get_by_text("Approved.").wait_for()
        done = await site.world.until(build_id)
        assert done.state is State.COMPLETE
    events = await site.world.store.builds.events(build_id)
    assert [event.data["by"] for event in events if event.event_type == "approved"] == ["page"]


async def test_a_form_that_is_refused_keeps_what_was_typed_and_says_what_is_wrong(
    site: Site, opening: Opening
) -> None:
    async with opening(site.url) as desk:
        await desk.go("/new")
        await desk.page.get_by_label("What do you need?").fill("Build Library Droplet for books")
        await desk.page.get_by_text("Number, name, budget, target").click()
        await desk.page.get_by_label("Droplet number").fill("many")
        await desk.page.get_by_label("Budget in dollars").fill("5")
        await desk.page.get_by_role("button", name="Start the build").click()
        await desk.page.get_by_text("a whole number is expected").wait_for()
        assert await desk.page.get_by_label("Budget in dollars").input_value() == "5"
        assert (
            await desk.page.get_by_label("What do you need?").input_value()
            == "Build Library Droplet for books"
        )
    assert (await site.world.store.builds.page()).builds == ()


async def test_a_lost_connection_is_said_and_nothing_is_lost_or_doubled(site: Site, opening: Opening) -> None:
    talking = site.world.steps[4].script = Talking()
    build = await site.world.submit()
    async with opening(site.url) as desk:
        await desk.go(f"/builds/{build.id}")
        talking.more.put_nowait(20)
        await desk.page.get_by_text("line number 20", exact=False).wait_for()
        for subscription in tuple(site.api.watchers._subscriptions):
            subscription.overflowed = True  # the daemon lets this reader go, as it does with one that stalls
        site.api.watchers.nudge()
        talking.more.put_nowait(20)
        await desk.page.get_by_text("line number 40", exact=False).wait_for(timeout=15_000)
        talking.more.put_nowait(0)
        await (
            desk.page.get_by_text("waits for a decision")
            .or_(desk.page.get_by_text("complete"))
            .first.wait_for()
        )
        text = await desk.page.locator("main").inner_text()
    numbers = [int(number) for number in re.findall(r"line number (\d+)", text)]
    assert numbers == list(range(1, 41))


async def test_a_person_logs_in_with_the_token_and_out_again(serve: Serving, opening: Opening) -> None:
    token = "correct-horse-battery-staple"
    async with serve(server={"token": token}) as site, opening(site.url, size="phone") as phone:
        await phone.go("/costs")
        assert "/login" in phone.page.url
        await phone.page.get_by_label("Token").fill("wrong")
        await phone.page.get_by_role("button", name="Log in").click()
        await phone.page.get_by_text("not this daemon's token").wait_for()
        await phone.page.get_by_label("Token").fill(token)
        await phone.page.get_by_role("button", name="Log in").click()
        await phone.page.get_by_role("heading", name="Costs").wait_for()
        await phone.go("/new")
        await phone.page.get_by_label("What do you need?").fill("Build Library Droplet for books")
        await phone.page.get_by_role("button", name="Start the build").click()
        await phone.page.wait_for_url(re.compile("/builds/build-"))
        await phone.page.get_by_role("button", name="Log out").click()
        assert "/login" in phone.page.url
        await phone.go("/")
        assert "/login" in phone.page.url
