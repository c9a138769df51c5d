"""What a link in a mail leads to, on a phone and on a desk: sound, and decided with one press."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from executor.domain.approval_link import Approval, ApprovalLinks
from executor.domain.build import State
from executor.domain.outcome import Artifact, Done, Outcome
from executor.domain.step import StepContext
from tests.browser.conftest import Opening
from tests.web.conftest import Site, serving

KEY = b"k" * 32
DIFF = " app/main.py | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\ndiff --git a/x b/x\n"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = {"state_key": KEY, "provider": "anthropic"}
    async with serving(tmp_path, api=made, server={"token": "t" * 20}) as running:
        yield running


async def linked(site: Site) -> tuple[str, str]:
    """A build that waits before its deploy, and the link that somebody was sent."""

    async def works(_: StepContext) -> Outcome:
        return Done("Built.", {"tests_passing": 12, "files_created": 15}, (Artifact("diff", DIFF),))

    site.world.steps[4].script = works
    build = await site.world.submit(
        "Build Library Droplet for books " + "and shelves " * 40, approval_mode="final"
    )
    build = await site.world.until(build.id, State.WAITING_APPROVAL)
    assert build.hold is not None
    approval = Approval(build.id, "built", build.hold["gate_id"], "a@example.org")
    return build.id, f"/a/{ApprovalLinks(KEY).token(approval)}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
async def test_a_link_is_decided_with_one_press_without_a_login_and_without_scripts(
    site: Site, opening: Opening, size: str, scheme: str
) -> None:
    build_id, link = await linked(site)
    async with opening(site.url, size=size, scheme=scheme, scripts=scheme == "light") as window:
        await window.go(link)
        await window.screenshot(f"approval-{size}-{scheme}")
        assert "12 pass" in await window.page.locator("main").inner_text()
        await window.page.get_by_role("button", name="Approve").click()
        await window.page.get_by_text("Approved.").wait_for()
        await window.screenshot(f"approval-done-{size}-{scheme}")
        await window.go(link)
        await window.page.get_by_text("Decided by mail:a@example.org").wait_for()
        await window.screenshot(f"approval-closed-{size}-{scheme}")
    assert (await site.world.until(build_id)).state is State.COMPLETE


@pytest.mark.parametrize("size", ["wide", "phone"])
async def test_its_pages_are_sound_and_fit_their_window(site: Site, opening: Opening, size: str) -> None:
    _, link = await linked(site)
    async with opening(site.url, size=size, scheme="dark") as window:
        for answer in ("Approve", ""):
            await window.go(link)
            assert await window.serious_findings() == []
            assert await window.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            if answer:
                await window.page.get_by_role("button", name=answer).click()
                await window.page.get_by_text("Approved.").wait_for()
                assert await window.serious_findings() == []
