"""The page of a build: its banner, its timeline, and what every tab shows."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest

from executor.domain.build import State
from executor.domain.outcome import Artifact, Done, Outcome, Repair
from executor.domain.step import StepContext
from executor.errors import Permanent
from executor.store.droplets import ReleaseRow
from tests.web.conftest import Site
from tests.web.test_live import Talker
from tests.web.test_page_forms import Forms, at_gate
from tests.web.test_stream import Chatty


async def tab(site: Site, build_id: str, query: str) -> str:
    """What stands below the tabs."""
    status, text, _ = await site.get(f"/builds/{build_id}?{query}")
    assert status == 200
    return str(text.partition('data-part="tab"')[2].partition("</main>")[0])


async def logged(site: Site, *lines: tuple[str, str]) -> str:
    talker = Talker()
    site.world.steps[3].script = talker
    build_id = await site.started()
    for level, text in lines:
        talker.say(text, level=level)
    talker.stop()
    await site.world.until(build_id)
    return build_id


def texts(html: str) -> list[str]:
    return re.findall(r'<span class="text">(?:<b>\w+</b> )?([^<]*)</span>', html)


async def test_a_failure_says_in_one_place_what_happened_what_was_last_and_what_to_do(site: Site) -> None:
    async def fail(context: StepContext) -> Outcome:
        context.log("the last thing that it did")
        raise Permanent("The tests do not pass.", hint="Say it in other words.")

    site.world.steps[5].script = fail
    build = await site.world.until(await site.started(), State.FAILED)
    _, text, _ = await site.get(f"/builds/{build.id}?tab=events")
    banner = text.partition('class="note bad banner"')[2].partition('data-part="timeline"')[0]
    for shown in ("The tests do not pass.", "Say it in other words.", "the last thing that it did"):
        assert shown in banner
    assert f"fpai retry {build.id}" in banner
    assert f"fpai logs {build.id} --level error" in banner


async def test_a_page_that_can_still_change_is_live_and_one_that_cannot_is_not(site: Site) -> None:
    build = await at_gate(site)
    assert f'data-live="/live/builds/{build.id}?tab=log"' in (await site.get(f"/builds/{build.id}"))[1]
    done = await site.finished(droplet_id=20, droplet_name="books")
    assert "data-live=" not in (await site.get(f"/builds/{done.id}"))[1]


async def test_the_live_half_begins_exactly_where_the_page_ends(site: Site) -> None:
    talker = Talker()
    site.world.steps[3].script = talker
    build_id = await site.started(approval_mode="final")
    talker.say("one", "two")
    talker.stop()
    build = await site.world.until(build_id, State.WAITING_APPROVAL)
    for name in ("log", "events"):
        _, text, _ = await site.get(f"/builds/{build_id}?tab={name}")
        seq, line = re.search(r'data-after="(\d+)\.(\d+)"', text).groups()  # type: ignore[union-attr]
        assert int(seq) == build.last_seq
        assert name != "log" or int(line) == 2


async def test_every_attempt_has_its_bar(site: Site) -> None:
    async def once_back(context: StepContext) -> Outcome:
        if await context.sayings():
            return Done("Verified.")
        return Repair("2 tests fail.", "fix them", 4)

    site.world.steps[5].script = once_back
    build = await site.finished()
    _, text, _ = await site.get(f"/builds/{build.id}")
    assert text.count('class="span-repair"') == 1
    assert text.count('class="span-done"') == 9
    assert "attempt 2 done" in text


async def test_the_log_shows_its_end_and_leads_back_to_its_beginning(site: Site) -> None:
    build_id = await logged(site, *(("info", f"line {n}") for n in range(1, 751)))
    html = await tab(site, build_id, "tab=log")
    found = texts(html)
    assert found[-1] == "line 750"
    while earlier := re.search(r'data-earlier href="[^"]*after=(\d+)', html):
        html = await tab(site, build_id, f"tab=log&after={earlier.group(1)}")
        found = texts(html)[: int(texts(html)[-1].split()[1])] + found
    assert list(dict.fromkeys(found)) == [f"line {n}" for n in range(1, 751)]
    assert f"/builds/{build_id}?tab=log&amp;after=200#tabs" in await tab(site, build_id, "tab=log&after=0")


async def test_the_log_is_narrowed_by_level_and_by_text(site: Site) -> None:
    build_id = await logged(site, ("info", "a Red fox"), ("error", "a red flag"), ("info", "blue 100%"))
    assert texts(await tab(site, build_id, "level=error")) == ["a red flag"]
    assert texts(await tab(site, build_id, "search=RED")) == ["a Red fox", "a red flag"]
    assert texts(await tab(site, build_id, "search=100%25")) == ["blue 100%"]
    assert texts(await tab(site, build_id, "search=green")) == []
    assert "No line fits." in await tab(site, build_id, "search=green")
    assert len(texts(await tab(site, build_id, "level=lunch&search=%00"))) == 3


async def test_a_spec_shows_each_version_and_what_changed_between_two(site: Site) -> None:
    bodies = iter(["# SPEC\n\nfirst words\n", "# SPEC\n\nsecond <words>\n"])

    async def spec(_: StepContext) -> Outcome:
        return Done("Written.", artifacts=(Artifact("spec", next(bodies)),))

    async def back(context: StepContext) -> Outcome:
        return Done("Fine.") if await context.sayings() else Repair("Unclear.", "clearer", 2)

    site.world.steps[2].script, site.world.steps[3].script = spec, back
    build = await site.finished()
    assert "second &lt;words&gt;" in await tab(site, build.id, "tab=spec")
    assert "first words" in await tab(site, build.id, "tab=spec&version=1")
    compared = await tab(site, build.id, "tab=spec&version=2&against=1")
    assert '<span class="del">-first words' in compared
    assert '<span class="add">+second &lt;words&gt;' in compared
    assert "The two versions are the same." in await tab(site, build.id, "tab=spec&version=1&against=1")
    assert "second &lt;words&gt;" in await tab(site, build.id, "tab=spec&version=9&against=8")


async def test_a_diff_lists_its_files_and_marks_its_lines(site: Site) -> None:
    body = (
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-old\n+<new>\n"
        "diff --git a/b.py b/b.py\n@@ -0,0 +1 @@\n+b\n"
    )

    async def build_it(_: StepContext) -> Outcome:
        return Done("Built.", artifacts=(Artifact("diff", body, {"commit": "c" * 40}),))

    site.world.steps[4].script = build_it
    build = await site.finished()
    html = await tab(site, build.id, "tab=diff")
    assert "2 files" in html
    assert '<a href="#f1">a.py</a>' in html
    assert '<span class="del">-old' in html
    assert '<span class="add">+&lt;new&gt;' in html
    assert "cccccccccc" in html


async def test_failures_come_first_among_the_checks(site: Site) -> None:
    rows = [("A", "pass"), ("B", "note"), ("C", "fail"), ("D", "unheard of")]
    findings = [{"rule": rule, "title": f"title {rule}", "result": result} for rule, result in rows]

    async def verify(_: StepContext) -> Outcome:
        return Done("Verified.", artifacts=(Artifact("tests", json.dumps({"findings": findings})),))

    site.world.steps[5].script = verify
    build = await site.finished()
    html = await tab(site, build.id, "tab=tests")
    assert re.findall(r"title (\w)", html) == ["C", "B", "A", "D"]


async def test_turns_show_tokens_tools_and_dollars_and_a_dash_for_what_is_not_known(site: Site) -> None:
    build = await site.finished()

    def write(c: sqlite3.Connection) -> None:
        for number, usd in ((1, 0.25), (2, None)):
            c.execute(
                "INSERT INTO turns (build_id, number, conversation, model, state, asked_at, ended_at,"
                " input_tokens, output_tokens, cache_read_tokens, usd)"
                " VALUES (?, ?, 'apprentice', 'a-model', 'answered', 1, 3, 1200, 34, 5600, ?)",
                (build.id, number, usd),
            )

    await site.world.store.database.write(write)
    html = await tab(site, build.id, "tab=turns")
    for shown in ("a-model", "1,200", "5,600", "$0.25", "—", "2.0 s"):
        assert shown in html, shown


async def test_an_earlier_release_is_offered_only_by_the_build_that_serves(site: Site) -> None:
    old = await site.finished(droplet_id=20, droplet_name="books")
    new = await site.finished(droplet_id=20, droplet_name="books")
    for build, name in ((old, "r-old"), (new, "r-new")):
        row = ReleaseRow(
            name, 20, build.id, "0.1.0", "c" * 40, "process", "http://localhost:18500",
            {"image": "sha256:abc"}, "live", 1.0, 1.0,
        )  # fmt: skip
        await site.world.store.droplets.switch("books", row)
    html = await tab(site, new.id, "tab=deploy")
    forms = [form for form in Forms(html).found if form.action.endswith("/rollback")]
    assert [form.fields["to"] for form in forms] == ["r-old"]
    assert "sha256:abc" in html
    assert not [f for f in Forms(await tab(site, old.id, "tab=deploy")).found if f.action]


async def test_events_page_back(site: Site) -> None:
    chatty = Chatty()
    site.world.steps[3].script = chatty
    build_id = await site.started()
    chatty.wanted.put_nowait(320)
    chatty.wanted.put_nowait(0)
    build = await site.world.until(build_id)
    html = await tab(site, build_id, "tab=events")
    last = [int(n) for n in re.findall(r'id="E(\d+)"', html)]
    assert last == list(range(build.last_seq - 199, build.last_seq + 1))
    first = await tab(site, build_id, "tab=events&after=0")
    assert [int(n) for n in re.findall(r'id="E(\d+)"', first)] == list(range(1, 201))
    assert "Later events" in first


@pytest.mark.parametrize(
    "query", ["tab=lunch", "tab=log&after=x", "tab=spec&version=-1", "tab=events&after=²"]
)
async def test_an_address_that_makes_no_sense_still_shows_the_page(site: Site, query: str) -> None:
    build = await site.finished()
    assert (await site.get(f"/builds/{build.id}?{query}"))[0] == 200
