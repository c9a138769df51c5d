"""Links in mails: reading decides nothing, one form decides once, a stale link says what was decided."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from executor.domain.approval_link import Approval, ApprovalLinks
from executor.domain.build import Build, State
from tests.web.conftest import Site, serving

KEY = b"k" * 32
LINKS = ApprovalLinks(KEY)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(
        tmp_path, api={"state_key": KEY, "provider": "anthropic"}, server={"token": "t" * 20}
    ) as one:
        yield one


async def held(site: Site) -> tuple[Build, str]:
    """A build at its gate, and the address of the link to it."""
    build = await site.world.submit(approval_mode="final")
    build = await site.world.until(build.id, State.WAITING_APPROVAL)
    return build, address(build, build.hold["gate_id"], "built")


def address(build: Build, gate_id: str, checkpoint: str) -> str:
    return f"/a/{LINKS.token(Approval(build.id, checkpoint, gate_id, 'a@example.org'))}"


async def get(site: Site, path: str, method: str = "GET") -> tuple[int, str]:
    async with site.client.request(method, f"{site.url}{path}", headers={"Accept": "text/html"}) as reply:
        return reply.status, await reply.text()


async def post(site: Site, path: str, **form: str) -> tuple[int, str]:
    origin = {"Origin": site.url, "Sec-Fetch-Site": "same-origin"}
    async with site.client.post(f"{site.url}{path}", data=form, headers=origin) as reply:
        return reply.status, await reply.text()


async def test_whoever_has_the_link_sees_what_is_asked_without_a_login(site):
    build, link = await held(site)
    status, text = await get(site, link)
    assert status == 200
    for words in (build.hold["asks"], "Approve", "Reject", "Revise", build.intent):
        assert words in text


async def test_a_scanner_that_follows_every_link_decides_nothing(site):
    build, link = await held(site)
    for method in ("GET", "HEAD", "GET", "OPTIONS", "GET"):
        await get(site, link, method)
    await get(site, f"{link}?decision=approve")
    assert (await site.world.store.builds.get(build.id)).state is State.WAITING_APPROVAL


async def test_the_form_decides_once_and_the_events_say_who(site):
    build, link = await held(site)
    status, text = await post(site, link, decision="approve")
    assert (status, "Approved." in text) == (200, True)
    done = await site.world.until(build.id)
    assert done.state is State.COMPLETE
    status, text = await post(site, link, decision="reject")
    assert status == 410
    assert "mail:a@example.org" in text
    assert (await get(site, link))[0] == 410
    assert (await site.world.store.builds.get(build.id)).state is State.COMPLETE


async def test_a_review_can_be_rejected_by_its_link(site):
    build = await site.world.until((await site.world.submit()).id)
    status, _ = await post(site, address(build, build.review["gate_id"], "deployed"), decision="reject")
    assert status == 200
    assert (await site.world.until(build.id, State.ROLLED_BACK)).state is State.ROLLED_BACK


async def test_a_revision_takes_words_and_sends_them_on(tmp_path):
    async with serving(tmp_path, api={"state_key": KEY, "provider": "anthropic"}) as site:
        site.world.commands._decisions._has_model = True
        build, link = await held(site)
        assert (await post(site, link, decision="revise"))[0] == 400
        assert (await site.world.store.builds.get(build.id)).state is State.WAITING_APPROVAL
        assert (await post(site, link, decision="revise", feedback="Add authors"))[0] == 200
        sayings = await site.world.store.builds.sayings(build.id)
        assert [(said.decision, said.feedback) for said in sayings] == [("revise", "Add authors")]
        again = await site.world.until(build.id, State.WAITING_APPROVAL)
        assert again.hold["gate_id"] != build.hold["gate_id"]
        assert (await post(site, link, decision="approve"))[0] == 410, "it was about the earlier opening"


@pytest.mark.parametrize(
    "change", [lambda t: t[:-2] + "xx", lambda t: "x" + t, lambda t: t.split(".")[0], lambda _: "é"]
)
async def test_a_forged_link_is_404(site, change):
    build, link = await held(site)
    forged = f"/a/{change(link.removeprefix('/a/'))}"
    assert (await get(site, forged))[0] == 404
    assert (await post(site, forged, decision="approve"))[0] == 404
    assert (await site.world.store.builds.get(build.id)).state is State.WAITING_APPROVAL


async def test_a_form_of_a_foreign_page_and_a_form_without_a_button_decide_nothing(site):
    build, link = await held(site)
    headers = {"Origin": "https://evil.example"}
    async with site.client.post(f"{site.url}{link}", data={"decision": "approve"}, headers=headers) as reply:
        assert reply.status == 403
    assert (await post(site, link, decision="perhaps"))[0] == 400
    async with site.client.post(f"{site.url}{link}", json={"decision": "approve"}) as reply:
        assert reply.status == 415
    assert (await site.world.store.builds.get(build.id)).state is State.WAITING_APPROVAL
