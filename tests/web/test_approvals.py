"""Links in mails: reading decides nothing, one form decides once, a stale link says what was decided."""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from executor.domain.approval_link import Approval, ApprovalLinks
from executor.domain.build import Build, State
from executor.domain.gates import CONSEQUENCES, Checkpoint
from executor.domain.outcome import Artifact, Done, Outcome
from executor.domain.step import StepContext
from tests.web.conftest import Site, serving

THREAT = "forged approvals"

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


async def test_the_page_shows_the_evidence_and_what_each_button_does(site):
    diff = " app/main.py | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\ndiff --git a/x b/x\n"

    async def works(_: StepContext) -> Outcome:
        return Done("Built.", {"tests_passing": 12, "tests_failing": 0}, (Artifact("diff", diff),))

    site.world.steps[4].script = works
    _, link = await held(site)
    _, text = await get(site, link)
    for words in ("12 pass, 0 fail", "1 files, +1", "Cost so far", *CONSEQUENCES[Checkpoint.BUILT]):
        assert html.escape(words) in text


async def test_nobody_keeps_indexes_or_passes_on_the_page(site):
    _, link = await held(site)
    async with site.client.get(f"{site.url}{link}") as reply:
        assert reply.headers["cache-control"] == "no-store"
        assert "noindex" in reply.headers["x-robots-tag"]
        assert reply.headers["referrer-policy"] == "same-origin"


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


async def test_two_presses_at_once_decide_once(site):
    build, link = await held(site)
    answers = await asyncio.gather(*(post(site, link, decision="approve") for _ in range(4)))
    assert {status for status, _ in answers} <= {200, 410}
    await site.world.until(build.id, State.COMPLETE)
    events = await site.world.store.builds.events(build.id)
    assert [event.event_type for event in events].count("approved") == 1


async def test_a_used_link_tells_of_its_own_question_not_of_a_later_one(site):
    build, link = await held(site)
    await post(site, link, decision="approve")
    done = await site.world.until(build.id, State.COMPLETE)
    await site.world.commands.approve(
        build.id,
        checkpoint="deployed",
        decision="approve",
        feedback="",
        gate_id=done.review["gate_id"],
        by="slack:U1",
    )
    status, text = await get(site, link)
    assert (status, "Approved at built. Decided by mail:a@example.org." in text) == (410, True)
    _, text = await get(site, address(done, done.review["gate_id"], "deployed"))
    assert "Decided by slack:U1." in text


async def test_a_link_of_a_build_that_was_cancelled_says_so(site):
    build, link = await held(site)
    await site.world.commands.cancel(build.id)
    await site.world.until(build.id, State.CANCELLED)
    for status, text in (await get(site, link), await post(site, link, decision="approve")):
        assert (status, "The build is cancelled now." in text) == (410, True)


async def test_with_the_scaffold_a_revision_is_not_offered_and_refused_with_what_it_needs(tmp_path):
    async with serving(tmp_path, api={"state_key": KEY}) as site:
        build, link = await held(site)
        assert 'value="revise"' not in (await get(site, link))[1]
        status, text = await post(site, link, decision="revise", feedback="Add authors")
        assert (status, "ANTHROPIC_API_KEY" in text) == (409, True)
        assert (await site.world.store.builds.get(build.id)).state is State.WAITING_APPROVAL


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
        _, text = await post(site, link, decision="perhaps", feedback="Add <authors>")
        assert "Add &lt;authors&gt;</textarea>" in text, "what was typed is kept"
        assert (await post(site, link, decision="revise", feedback="Add authors"))[0] == 200
        sayings = await site.world.store.builds.sayings(build.id)
        assert [(said.decision, said.feedback) for said in sayings] == [("revise", "Add authors")]
        again = await site.world.until(build.id, State.WAITING_APPROVAL)
        assert again.hold["gate_id"] != build.hold["gate_id"]
        assert (await post(site, link, decision="approve"))[0] == 410, "it was about the earlier opening"


@pytest.mark.parametrize(
    "change", [lambda t: t[:-2] + "xx", lambda t: "x" + t, lambda t: t.split(".")[0], lambda _: "é"]
)
async def test_a_forged_link_is_404(site, change, ledger):
    build, link = await held(site)
    forged = f"/a/{change(link.removeprefix('/a/'))}"
    assert (await get(site, forged))[0] == 404
    assert (await post(site, forged, decision="approve"))[0] == 404
    assert (await site.world.store.builds.get(build.id)).state is State.WAITING_APPROVAL
    ledger.tried("forged links", threat=THREAT)


async def test_a_form_of_a_foreign_page_and_a_form_without_a_button_decide_nothing(site, ledger):
    build, link = await held(site)
    headers = {"Origin": "https://evil.example"}
    async with site.client.post(f"{site.url}{link}", data={"decision": "approve"}, headers=headers) as reply:
        assert reply.status == 403
    assert (await post(site, link, decision="perhaps"))[0] == 400
    async with site.client.post(f"{site.url}{link}", json={"decision": "approve"}) as reply:
        assert reply.status == 415
    assert (await site.world.store.builds.get(build.id)).state is State.WAITING_APPROVAL
    ledger.tried("foreign forms", 3, threat=THREAT)
