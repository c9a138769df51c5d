"""Submitting, listing and looking at builds."""

from __future__ import annotations

import asyncio

from executor.domain.build import State
from executor.domain.outcome import Outcome
from executor.domain.step import StepContext
from executor.web.documents import StartedDocument, StatusDocument
from tests.web.conftest import SUBMIT, Site

INTENT = "Build Analytics Engine for tracking droplet metrics"


async def test_a_submit_answers_202_with_the_contracts_body_and_a_location(site: Site) -> None:
    body = {"architect_intent": INTENT, "notify_channels": ["slack"], "approval_mode": "auto"}
    status, reply, headers = await site.post(SUBMIT, body)
    assert status == 202
    started = StartedDocument.model_validate(reply)
    assert started.droplet_id == 13
    assert started.droplet_name == "analytics"
    assert started.stream_url == f"ws{site.url[4:]}/executor/builds/{started.build_id}/stream"
    assert (
        headers["location"] == started.status_url == f"{site.url}/executor/builds/{started.build_id}/status"
    )
    assert started.web_url == f"{site.url}/builds/{started.build_id}"
    assert "slack" in started.warnings[0]
    assert (await site.get(started.web_url.removeprefix(site.url)))[0] == 200


async def test_the_same_idempotency_key_and_body_answer_the_same_build_again(site: Site) -> None:
    key = {"Idempotency-Key": "one"}
    first = await site.post(SUBMIT, {"architect_intent": INTENT, "auto_approve": False}, headers=key)
    again = await site.post(SUBMIT, {"auto_approve": False, "architect_intent": INTENT}, headers=key)
    assert (again[0], again[1]) == (202, first[1])
    assert again[2]["idempotent-replayed"] == "true"
    status, reply, _ = await site.post(SUBMIT, {"architect_intent": "Build another"}, headers=key)
    assert (status, reply["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert len((await site.get("/executor/builds"))[1]) == 1


async def test_ten_submits_at_once_with_one_key_start_one_build(site: Site) -> None:
    body, key = {"architect_intent": INTENT}, {"Idempotency-Key": "race"}
    replies = await asyncio.gather(*(site.post(SUBMIT, body, headers=key) for _ in range(10)))
    assert {reply[1]["build_id"] for reply in replies} == {replies[0][1]["build_id"]}


async def test_a_dry_run_shows_the_plan_and_starts_nothing(site: Site) -> None:
    status, plan, _ = await site.post(f"{SUBMIT}?dry_run=1", {"architect_intent": INTENT})
    assert status == 200
    assert plan["droplet_name"] == "analytics"
    assert [step["step"] for step in plan["steps"]] == list(range(1, 9))
    assert (await site.get("/executor/builds"))[1] == []


async def test_a_finished_builds_status_has_every_step_and_stays_the_same(site: Site) -> None:
    build = await site.finished()
    status, document, _ = await site.get(f"/executor/builds/{build.id}/status")
    assert status == 200
    shown = StatusDocument.model_validate(document)
    assert (shown.status, shown.progress_percent, shown.remaining_seconds) == ("complete", 100, 0.0)
    assert [step.step for step in shown.steps_completed] == list(range(1, 9))
    assert shown.review is not None
    assert shown.review["decision"] == "pending"
    assert (await site.get(f"/executor/builds/{build.id}/status"))[1] == document


async def test_a_decision_about_a_finished_build_shows_in_its_status(site: Site) -> None:
    build = await site.finished()
    path = f"/executor/builds/{build.id}"
    assert (await site.get(f"{path}/status"))[1]["review"]["decision"] == "pending"
    assert (await site.post(f"{path}/approve"))[0] == 200
    assert (await site.get(f"{path}/status"))[1]["review"]["decision"] == "approved"


async def test_the_list_is_an_array_newest_first_and_pages_by_link(site: Site) -> None:
    ids = [(await site.finished(droplet_name=f"thing-{n}", droplet_id=20 + n)).id for n in range(5)]
    path, seen = "/executor/builds?limit=2", []
    while path:
        status, page, headers = await site.get(path)
        assert status == 200
        seen += [row["build_id"] for row in page]
        link = headers.get("link", "")
        assert not link or link.endswith('; rel="next"')
        path = link.partition(">")[0].removeprefix("<").removeprefix(site.url)
    assert seen == ids[::-1]


async def test_the_list_is_filtered_by_status_words_and_droplet(site: Site) -> None:
    done = await site.finished(droplet_id=20, droplet_name="done")
    held = await site.started(droplet_id=21, droplet_name="held", approval_mode="final")
    await site.world.until(held, State.WAITING_APPROVAL)
    for query, expected in (
        ("status=complete", [done.id]),
        ("status=waiting_approval", [held]),
        ("status=complete,waiting_approval", [held, done.id]),
        ("status=failed", []),
        ("droplet_id=20", [done.id]),
    ):
        rows = (await site.get(f"/executor/builds?{query}"))[1]
        assert [row["build_id"] for row in rows] == expected, query


async def test_a_full_queue_is_429_with_retry_after(site: Site) -> None:

    async def linger(_: StepContext) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    site.world.steps[1].script = linger
    replies = [await site.post(SUBMIT, {"architect_intent": INTENT, "droplet_id": 30}) for _ in range(60)]
    refused = [reply for reply in replies if reply[0] == 429]
    assert refused
    assert refused[0][1]["error"]["code"] == "QUEUE_FULL"
    assert int(refused[0][2]["retry-after"]) > 0


async def test_a_draining_daemon_takes_no_builds_and_says_so(site: Site) -> None:
    site.world.live.draining = True
    status, reply, headers = await site.post(SUBMIT, {"architect_intent": INTENT})
    assert (status, reply["error"]["code"]) == (503, "UNAVAILABLE")
    assert headers["retry-after"]
