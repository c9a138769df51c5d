"""Events over plain HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from executor.domain.build import State
from executor.web.documents import EventDocument
from tests.patience import PATIENCE
from tests.web.conftest import Serving, Site
from tests.web.test_stream import Chatty

STREAM = {"Accept": "text/event-stream"}


def messages(text: str) -> list[dict[str, str]]:
    """Server-sent messages as mappings; comments under the empty name."""
    found = []
    for block in text.split("\n\n"):
        pairs = [line.partition(":") for line in block.splitlines() if line]
        if pairs:
            found.append({name: value.removeprefix(" ") for name, _, value in pairs})
    return found


def ids(text: str) -> list[int]:
    return [int(message["id"]) for message in messages(text) if "id" in message]


async def test_events_are_an_array_that_pages_by_link(site: Site) -> None:
    build = await site.finished()
    path = f"/executor/builds/{build.id}/events?limit=4"
    found: list[Any] = []
    while path:
        status, page, headers = await site.get(path)
        assert status == 200
        found += page
        path = headers.get("link", "").partition(">")[0].removeprefix(f"<{site.url}")
    assert [EventDocument.model_validate(event).seq for event in found] == list(range(1, build.last_seq + 1))
    rest = (await site.get(f"/executor/builds/{build.id}/events?after={build.last_seq - 1}"))[1]
    assert [event["seq"] for event in rest] == [build.last_seq]


async def test_a_finished_build_streams_every_event_and_ends(site: Site) -> None:
    build = await site.finished()
    status, text, headers = await site.get(f"/executor/builds/{build.id}/events", headers=STREAM)
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert ids(text) == list(range(1, build.last_seq + 1))
    assert messages(text)[-1]["event"] == "end"
    for message in messages(text):
        if "id" in message:
            assert EventDocument.model_validate(json.loads(message["data"])).seq == int(message["id"])


async def test_last_event_id_goes_on_where_the_stream_broke(site: Site) -> None:
    build = await site.finished()
    headers = {**STREAM, "Last-Event-ID": str(build.last_seq - 3)}
    _, text, _ = await site.get(f"/executor/builds/{build.id}/events?after=1", headers=headers)
    assert ids(text) == list(range(build.last_seq - 2, build.last_seq + 1))
    status, reply, _ = await site.get(
        f"/executor/builds/{build.id}/events", headers={**STREAM, "Last-Event-ID": "x"}
    )
    assert (status, reply["error"]["code"]) == (400, "INVALID_INPUT")


async def test_a_running_build_is_followed_with_ticks_that_have_no_id(serve: Serving) -> None:
    async with serve(builds={"progress_interval": 0.05}) as site:
        chatty = site.world.steps[3].script = Chatty()
        build_id = await site.started()
        url = f"{site.url}/executor/builds/{build_id}/events"
        async with site.client.get(url, headers=STREAM) as reply:
            text = ""
            while "event: progress" not in text:
                text += (await reply.content.readany()).decode()
            chatty.wanted.put_nowait(30)
            chatty.wanted.put_nowait(0)
            text += (await reply.content.read()).decode()
        build = await site.world.until(build_id)
    assert ids(text) == list(range(1, build.last_seq + 1))
    ticks = [m for m in messages(text) if m.get("event") == "progress"]
    assert ticks
    assert all("id" not in tick and "seq" not in json.loads(tick["data"]) for tick in ticks)


async def test_a_stream_that_waits_for_a_person_is_kept_alive_by_comments(serve: Serving) -> None:
    async with serve(builds={"progress_interval": 0.05}) as site:
        build_id = await site.started(approval_mode="final")
        await site.world.until(build_id, State.WAITING_APPROVAL)
        async with site.client.get(f"{site.url}/executor/builds/{build_id}/events", headers=STREAM) as reply:
            text = ""
            while text.count(": still here") < 2:
                text += (await reply.content.readany()).decode()
        assert "event: progress" not in text.partition(": still here")[2]


async def test_a_drain_ends_streams_without_calling_it_the_end(site: Site) -> None:
    site.world.steps[3].script = Chatty()
    build_id = await site.started()
    async with site.client.get(f"{site.url}/executor/builds/{build_id}/events", headers=STREAM) as reply:
        await reply.content.readany()
        site.world.live.draining = True
        site.api.watchers.nudge()
        text = (await reply.content.read()).decode()
    assert "event: end" not in text


async def test_a_stream_whose_reader_left_is_forgotten(site: Site) -> None:
    site.world.steps[3].script = Chatty()
    build_id = await site.started()
    async with aiohttp.ClientSession() as client:
        reply = await client.get(f"{site.url}/executor/builds/{build_id}/events", headers=STREAM)
        await reply.content.readany()
        assert len(site.api.watchers) == 1
        reply.close()
    async with asyncio.timeout(PATIENCE):
        while len(site.api.watchers):
            await asyncio.sleep(0.01)
    assert not site.world.bus._by_build


async def test_a_head_of_the_stream_answers_and_ends(site: Site) -> None:
    build = await site.finished()
    status, text, _ = await site.call("HEAD", f"/executor/builds/{build.id}/events", headers=STREAM)
    assert (status, text) == (200, "")
