"""The front page: cards of what waits and runs, the history with its filters in the address."""

from __future__ import annotations

import json
import re
import time

import pytest

from executor.domain.build import State
from executor.domain.outcome import Artifact, Ask, Done, Outcome
from executor.domain.step import StepContext
from tests.web.conftest import Serving, Site
from tests.web.test_page_forms import at_gate

SUMMARY = " 3 files changed, 40 insertions(+), 2 deletions(-)\n\ndiff --git a/x b/x\n"


async def history(site: Site, query: str = "") -> list[str]:
    """The builds that the history lists, in its order."""
    status, text, _ = await site.get(f"/{query}")
    assert status == 200
    part = text.partition('data-part="history"')[2]
    return re.findall(r'<a href="/builds/([^"]+)"><strong>', part)


async def test_a_card_shows_what_is_asked_the_evidence_and_what_it_cost(site: Site) -> None:
    async def build_it(_: StepContext) -> Outcome:
        return Done("Built.", {"cost_usd": 1.5}, (Artifact("diff", SUMMARY),))

    async def verify(_: StepContext) -> Outcome:
        findings = [{"rule": "C11", "title": "Coverage", "result": "pass", "evidence": "91.5 %"}]
        facts = {"tests_passing": 41, "tests_failing": 1, "rules_checked": 44, "rules_failed": ["U3"]}
        return Done("Verified.", facts, (Artifact("tests", json.dumps({"findings": findings})),))

    site.world.steps[4].script, site.world.steps[5].script = build_it, verify
    build = await at_gate(site, budget_usd=5)
    text = (await site.get("/"))[1].partition('data-part="running"')[0]
    for shown in (
        "The droplet is built and verified. Approving deploys it.",
        "41 pass, 1 fail",
        "91.5 %",
        "3 files, +40 −2",  # noqa: RUF001 - a minus beside the plus
        "44 checked, U3 broken",
        "$1.50",
        "of $5.00",
        "It is deployed and registered.",
        "The build ends; nothing is deployed.",
        f"/builds/{build.id}?tab=diff",
    ):
        assert shown in text, shown


@pytest.mark.parametrize("body", ["plain text", "[]", '{"findings": 3}', '{"findings": [{"rule": "C11"}]}'])
async def test_a_report_of_another_form_costs_the_card_its_coverage_and_nothing_else(
    site: Site, body: str
) -> None:
    async def verify(_: StepContext) -> Outcome:
        return Done("Verified.", {"tests_passing": 3}, (Artifact("tests", body),))

    site.world.steps[5].script = verify
    build = await at_gate(site)
    for path in ("/", f"/builds/{build.id}?tab=tests"):
        status, text, _ = await site.get(path)
        assert (status, "3 pass, 0 fail" in text, "Coverage" in text) == (200, True, False)


async def test_questions_stand_on_the_front_page_with_a_form(site: Site) -> None:
    async def ask(_: StepContext) -> Outcome:
        return Ask(
            "Money is spent.", ({"id": "go_on", "question": "Go on?", "default": "retry"},), needs="budget"
        )

    site.world.steps[4].script = ask
    build = await site.world.until(await site.started(), State.WAITING_INPUT)
    text = (await site.get("/"))[1]
    assert f"/builds/{build.id}/answer" in text
    assert f"/builds/{build.id}/budget" in text
    assert "Money is spent." in text


async def test_reviews_come_after_what_holds_a_build_up_and_are_not_without_end(site: Site) -> None:
    held = await at_gate(site, droplet_id=90, droplet_name="held")
    done = [await site.finished(droplet_id=20 + n, droplet_name=f"d-{n}") for n in range(8)]
    text = (await site.get("/"))[1].partition('data-part="running"')[0]
    cards = re.findall(r'action="/builds/([^"]+)/decide"', text)
    assert cards == [held.id, *(build.id for build in reversed(done[2:]))]
    assert "2 more builds wait for their review" in text


async def test_an_accepted_review_asks_nobody_any_more(site: Site) -> None:
    build = await site.finished(auto_approve=True)
    text = (await site.get("/"))[1]
    assert "Needs you <" not in text
    assert build.id in await history(site)


async def test_filters_stand_in_the_address(site: Site) -> None:
    one = await site.finished(droplet_id=20, droplet_name="books", architect_intent="Build a Library")
    two = await site.finished(droplet_id=21, droplet_name="films", architect_intent="Build a Cinema")
    gate = await at_gate(site, droplet_id=22, droplet_name="songs")
    await site.post(f"/executor/builds/{gate.id}/approve", {"decision": "reject"})
    assert await history(site) == [gate.id, two.id, one.id]
    assert await history(site, "?status=complete") == [two.id, one.id]
    assert await history(site, "?status=rejected") == [gate.id]
    assert await history(site, "?droplet=20") == [one.id]
    assert await history(site, "?q=cINEma") == [two.id]
    assert await history(site, f"?q={one.id}") == [one.id]
    assert await history(site, "?status=complete&droplet=22") == []
    text = (await site.get("/?status=complete&droplet=22&q=x%22y"))[1]
    assert "No finished build fits." in text
    assert 'value="x&#34;y"' in text
    assert '<option value="complete" selected>' in text


@pytest.mark.parametrize(
    "query",
    ["?status=lunch", "?status=queued", "?droplet=x", "?droplet=²", "?droplet=-1", "?cursor=x", "?cursor=1_x",
     "?cursor=nan_build-13-x-20260101-001", "?q=%00"],
)  # fmt: skip
async def test_a_filter_that_makes_no_sense_is_left_out(site: Site, query: str) -> None:
    build = await site.finished()
    assert await history(site, query) == [build.id]


async def test_the_history_pages_back_to_the_first_build_and_keeps_its_filters(site: Site) -> None:
    builds = [await site.finished(droplet_id=20, droplet_name="books") for _ in range(27)]
    await site.finished(droplet_id=21, droplet_name="films")
    found, path = [], "?droplet=20"
    while path:
        found += await history(site, path)
        text = (await site.get(f"/{path}"))[1]
        older = re.search(r'<a href="/([^"#]+)#history">Older builds', text)
        path = older.group(1).replace("&amp;", "&") if older else ""
        assert not path or "droplet=20" in path
    assert found == [build.id for build in reversed(builds)]


async def test_without_scripts_the_page_comes_again_only_while_something_runs(serve: Serving) -> None:
    async with serve() as site:
        await site.finished()
        assert "http-equiv" not in (await site.get("/"))[1]
        build = await at_gate(site)
        assert "http-equiv" not in (await site.get(f"/builds/{build.id}"))[1]


async def test_the_front_page_names_the_page_that_one_is_on(site: Site) -> None:
    for path, name in (("/", "Home"), ("/docs", "API")):
        assert f'<a href="{path}" aria-current="page">{name}</a>' in (await site.get(path))[1]


async def test_logging_out_is_offered_only_where_there_is_something_to_leave(serve: Serving) -> None:
    async with serve() as site:
        assert "Log out" not in (await site.get("/"))[1]
    async with serve(server={"token": "correct-horse-battery"}) as site:
        await site.client.post(f"{site.url}/login", data={"token": "correct-horse-battery"})
        assert "Log out" in (await site.get("/"))[1]


async def test_a_cursor_outlives_the_build_that_it_names(site: Site) -> None:
    build = await site.finished()
    later = f"{time.time() + 10!r}_{build.id}"
    assert await history(site, f"?cursor={later}") == [build.id]
