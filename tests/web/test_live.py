"""The live half of the pages: every line once and in order, however the reader came; parts as they change."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from executor.domain.build import State
from executor.domain.outcome import Done, Outcome
from executor.domain.step import StepContext
from executor.web.event_stream import EventStream
from executor.web.live import MOST_LINES
from tests.patience import PATIENCE
from tests.web.conftest import Serving, Site
from tests.web.test_sse import messages
from tests.web.test_stream import Chatty

Message = dict[str, Any]


class Talker:
    """A step that writes log lines whenever it is let to, and ends on demand."""

    def __init__(self) -> None:
        self.wanted: asyncio.Queue[list[tuple[str, str]]] = asyncio.Queue()

    async def __call__(self, context: StepContext) -> Outcome:
        while lines := await self.wanted.get():
            for level, text in lines:
                context.log(text, level)
        return Done("Enough was said.")

    def say(self, *texts: str, level: str = "info") -> None:
        self.wanted.put_nowait([(level, text) for text in texts])

    def stop(self) -> None:
        self.wanted.put_nowait([])


class Live:
    """An open live stream, read message by message as a browser does."""

    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        self._lines = lines
        self.last_id = ""

    async def next(self, event: str) -> Message:
        """The data of the next message of this kind; what comes between is passed over."""
        async with asyncio.timeout(PATIENCE):
            while True:
                name, data = await self._message()
                if name == event:
                    return data

    async def _message(self) -> tuple[str, Message]:
        found: dict[str, str] = {}
        async for raw in self._lines:
            line = raw.decode().rstrip("\n")
            if not line:
                break
            name, _, value = line.partition(": ")
            found[name] = value
        if not found:
            raise ConnectionError("The stream is over.")
        self.last_id = found.get("id", self.last_id)
        return found["event"], json.loads(found["data"])

    async def until(self, event: str, word: str) -> Message:
        """The next message of this kind whose HTML has the word."""
        while word not in (message := await self.next(event))["html"]:
            pass
        return message


@asynccontextmanager
async def live(site: Site, path: str, **headers: str) -> AsyncIterator[Live]:
    async with site.client.get(site.url + path, headers=headers) as reply:
        assert reply.status == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        yield Live(reply.content)


def lines_of(text: str) -> list[str]:
    """The texts of the log lines in a finished stream, in the order of their coming."""
    appended = [json.loads(m["data"]) for m in messages(text) if m.get("event") == "append"]
    html = "".join(message["html"] for message in appended)
    return re.findall(r'<span class="text">(?:<b>\w+</b> )?([^<]*)</span>', html)


async def a_build_with_lines(site: Site, count: int) -> str:
    talker = Talker()
    site.world.steps[3].script = talker
    build_id = await site.started()
    talker.say(*(f"line {n}" for n in range(1, count + 1)))
    talker.stop()
    await site.world.until(build_id)
    return build_id


async def test_a_finished_build_is_told_whole_and_ends(site: Site) -> None:
    build_id = await a_build_with_lines(site, 30)
    _, text, _ = await site.get(f"/live/builds/{build_id}")
    assert lines_of(text) == [f"line {n}" for n in range(1, 31)]
    assert messages(text)[-1]["event"] == "end"
    parts = {json.loads(m["data"])["id"] for m in messages(text) if m["event"] == "part"}
    assert {"status", "needs", "timeline", "actions"} <= parts


async def test_after_a_lost_connection_no_line_is_missing_and_none_comes_twice(site: Site) -> None:
    build_id = await a_build_with_lines(site, 700)
    _, text, _ = await site.get(f"/live/builds/{build_id}")
    whole = lines_of(text)
    assert len(whole) == 700
    ids = [message["id"] for message in messages(text) if "id" in message]
    assert len(ids) > 1
    for last in ids:
        seen = int(last.partition(".")[2])
        _, rest, _ = await site.get(f"/live/builds/{build_id}", headers={"Last-Event-ID": last})
        assert whole[:seen] + lines_of(rest) == whole
        _, rest, _ = await site.get(f"/live/builds/{build_id}?after={last}")
        assert whole[:seen] + lines_of(rest) == whole


async def test_whoever_was_away_for_long_gets_as_much_as_a_page_keeps(site: Site) -> None:
    build_id = await a_build_with_lines(site, MOST_LINES + 100)
    _, text, _ = await site.get(f"/live/builds/{build_id}?after=1.10")
    assert lines_of(text) == [f"line {n}" for n in range(101, MOST_LINES + 101)]


async def test_a_new_line_is_appended_while_the_build_works(site: Site) -> None:
    talker = Talker()
    site.world.steps[3].script = talker
    build_id = await site.started()
    async with live(site, f"/live/builds/{build_id}") as stream:
        await stream.until("part", "in progress")
        talker.say("first <b>")
        appended = await stream.until("append", "first")
        assert appended["id"] == "log"
        assert "first &lt;b&gt;" in appended["html"]
        talker.say("second")
        assert "first" not in (await stream.until("append", "second"))["html"]
        talker.stop()
        await stream.next("end")
    assert len(site.api.watchers) == 0


async def test_the_filters_of_the_log_hold_for_what_comes(site: Site) -> None:
    talker = Talker()
    site.world.steps[3].script = talker
    build_id = await site.started()
    talker.say("a Red fox", "a blue fox")
    talker.say("a red flag", level="warning")
    talker.stop()
    await site.world.until(build_id)
    _, text, _ = await site.get(f"/live/builds/{build_id}?search=red")
    assert lines_of(text) == ["a Red fox", "a red flag"]
    _, text, _ = await site.get(f"/live/builds/{build_id}?search=red&level=warning")
    assert lines_of(text) == ["a red flag"]


async def test_events_are_appended_to_their_tab_each_once(site: Site) -> None:
    chatty = Chatty()
    site.world.steps[3].script = chatty
    build_id = await site.started()
    found = []
    async with live(site, f"/live/builds/{build_id}?tab=events") as stream:
        await stream.next("append")
        chatty.wanted.put_nowait(3)
        await stream.until("append", "noted")
        first = stream.last_id
    chatty.wanted.put_nowait(4)
    chatty.wanted.put_nowait(0)
    build = await site.world.until(build_id)
    _, text, _ = await site.get(f"/live/builds/{build_id}?tab=events&after={first}")
    for message in messages(text):
        if message["event"] == "append":
            found += [int(n) for n in re.findall(r'id="E(\d+)"', message["data"].replace("\\", ""))]
    assert found == list(range(int(first.partition(".")[0]) + 1, build.last_seq + 1))


async def test_a_gate_shows_itself_with_its_form_and_goes_when_it_is_decided(site: Site) -> None:
    await site.get("/")
    build_id = await site.started(approval_mode="final")
    async with live(site, f"/live/builds/{build_id}") as stream:
        gate = await stream.until("part", "/decide")
        assert re.search(r'name="csrf" value="[0-9a-f]{40}"', gate["html"])
        await site.post(f"/executor/builds/{build_id}/approve", {})
        await stream.until("part", "The release is live")
        await stream.next("end")


async def test_what_somebody_looks_at_in_an_earlier_version_stays(site: Site) -> None:
    build = await site.finished()
    for query, told in (("tab=spec", True), ("tab=spec&still=1", False), ("tab=log&still=1", False)):
        _, text, _ = await site.get(f"/live/builds/{build.id}?{query}")
        parts = [json.loads(m["data"])["id"] for m in messages(text) if m["event"] in {"part", "append"}]
        assert ("tab" in parts) == told
        assert "log" not in parts


async def test_a_quiet_build_sends_no_part_again(site: Site) -> None:
    build_id = await site.started(approval_mode="final")
    await site.world.until(build_id, State.WAITING_APPROVAL)
    async with live(site, f"/live/builds/{build_id}") as stream:
        seen = [(await stream.next("part"))["id"] for _ in range(4)]
        site.world.bus.publish((await site.world.store.builds.events(build_id))[-1:])
        name, data = await stream._message()
        assert (name, data) == ("still", {})
    assert sorted(seen) == ["actions", "needs", "status", "timeline"]


async def test_the_front_page_hears_of_every_build(site: Site) -> None:
    async with live(site, "/live/home") as stream:
        await stream.next("part")
        first = await site.started(droplet_id=20, droplet_name="books", approval_mode="final")
        await stream.until("part", f"/builds/{first}/decide")
        second = await site.finished(droplet_id=21, droplet_name="films")
        history = await stream.until("part", second.id)
        while history["id"] != "history":
            history = await stream.until("part", second.id)
        assert first not in history["html"]


async def test_the_first_build_takes_the_place_of_how_to_begin(site: Site) -> None:
    async with live(site, "/live/home") as stream:
        assert "Nothing has been built here yet" in (await stream.until("part", "curl"))["html"]
        await site.finished()
        while (part := await stream.next("part"))["id"] != "hello":
            pass
        assert "curl" not in part["html"]


async def test_the_front_page_keeps_its_filters_while_it_is_live(site: Site) -> None:
    books = await site.finished(droplet_id=20, droplet_name="books")
    films = await site.finished(droplet_id=21, droplet_name="films")
    async with live(site, "/live/home?droplet=21") as stream:
        parts = [await stream.next("part") for _ in range(4)]
    history = next(part["html"] for part in parts if part["id"] == "history")
    assert films.id in history
    assert books.id not in history


async def test_a_drain_ends_every_stream_without_calling_the_build_finished(serve: Serving) -> None:
    async with serve() as site:
        build_id = await site.started(approval_mode="final")
        await site.world.until(build_id, State.WAITING_APPROVAL)
        ask, url = site.client.get, f"{site.url}/live"
        async with ask(f"{url}/builds/{build_id}") as one, ask(f"{url}/home") as two:
            while len(site.api.watchers) < 2:
                await asyncio.sleep(0.01)
            site.world.live.draining = True
            site.api.watchers.nudge()
            async with asyncio.timeout(PATIENCE):
                told = (await one.text(), await two.text())
        assert all("event: part" in text and "event: end" not in text for text in told)
        assert len(site.api.watchers) == 0


async def test_a_reader_that_takes_nothing_is_let_go(site: Site) -> None:
    async def chunks(_: Any) -> AsyncIterator[str]:
        while True:
            yield "event: still\ndata: {}\n\n"

    async def never() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE):
        stream = EventStream(site.api, None, chunks, backlog=100, stall=0.05)
        await stream({"method": "GET"}, never, send)  # type: ignore[arg-type]
    assert len(site.api.watchers) == 0


async def test_unknown_builds_and_odd_ids_are_answered_plainly(site: Site) -> None:
    assert (await site.get("/live/builds/build-99-none-20260101-001"))[0] == 404
    build = await site.finished()
    for odd in ("x", "1", "1.x", "-1.-1", "1.2.3", "9" * 20 + ".1"):
        status, text, _ = await site.get(f"/live/builds/{build.id}", headers={"Last-Event-ID": odd})
        assert (status, "event: end" in text) == (200, True), odd


async def test_with_a_token_the_stream_wants_it(serve: Serving) -> None:
    async with serve(server={"token": "correct-horse-battery"}) as site:
        for path in ("/live/home", "/live/builds/build-13-x-20260101-001"):
            assert (await site.get(path))[0] == 401
