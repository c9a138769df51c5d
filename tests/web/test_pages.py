"""The pages: readable, escaped, without scripts."""

from __future__ import annotations

import asyncio
import json
from html.parser import HTMLParser

import pytest

from executor.domain.build import State
from executor.domain.outcome import Artifact, Ask, Done, Outcome
from executor.domain.step import StepContext
from executor.errors import Permanent
from executor.web.page_words import duration, link
from tests.web.conftest import Site

EVIL = "<script>alert(1)</script>"


class Reader(HTMLParser):
    """Counts elements and keeps the attributes that could run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.suspects: list[tuple[str, str | None]] = []
        self.scripts: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.scripts += [dict(attrs).get("src")] if tag == "script" else []
        self.suspects += [
            (n, v)
            for n, v in attrs
            if n.startswith("on") or n == "style" or (v or "").startswith("javascript:")
        ]


async def page(site: Site, path: str) -> str:
    status, text, headers = await site.get(path)
    assert status == 200, text
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "script-src 'self';" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    read = Reader(text)
    assert all(source and source.startswith("/static/") for source in read.scripts)
    assert text.count("<script") == len(read.scripts)
    assert not read.suspects
    assert "http" not in "".join(a for a in text.split('"') if a.endswith((".css", ".js")))
    return str(text)


async def test_an_empty_home_shows_the_exact_lines_to_begin_with(site: Site) -> None:
    text = await page(site, "/")
    assert "fpai build &#34;" in text or 'fpai build "' in text
    assert f"curl -X POST {site.url}/executor/build-droplet" in text
    assert 'http-equiv="refresh"' not in text


async def test_home_lists_what_needs_a_person_what_runs_and_what_was(site: Site) -> None:
    done = await site.finished(droplet_id=20, droplet_name="books")
    held = await site.started(droplet_id=21, droplet_name="films", approval_mode="final")
    await site.world.until(held, State.WAITING_APPROVAL)

    async def linger(_: StepContext) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    site.world.steps[1].script = linger
    running = await site.started(droplet_id=22, droplet_name="songs")
    text = await page(site, "/")
    needs, rest = text.split("<h2>Running")
    assert f"fpai approve {held}" in needs
    assert f"fpai approve {done.id}" in needs
    assert running in rest.partition("<h2>History</h2>")[0]
    assert done.id in rest.partition("<h2>History</h2>")[2]
    assert 'http-equiv="refresh"' in text


async def test_a_builds_page_shows_steps_tests_log_spec_and_address(site: Site) -> None:
    async def spec(context: StepContext) -> Outcome:
        context.log("a line of the log")
        return Done("Written.", artifacts=(Artifact("spec", f"# SPEC {EVIL}"),))

    async def verify(_: StepContext) -> Outcome:
        finding = {"rule": "U1", "title": EVIL, "result": "pass", "evidence": EVIL}
        document = {"tests_passing": 12, "tests_failing": 0, "findings": [finding]}
        return Done("Verified.", artifacts=(Artifact("tests", json.dumps(document)),))

    async def deploy(_: StepContext) -> Outcome:
        return Done("Live.", {"deployment_url": "http://localhost:18500", "release": "r", "commit": "c" * 40})

    site.world.steps[2].script, site.world.steps[5].script, site.world.steps[6].script = spec, verify, deploy
    build = await site.finished()
    shown = {
        "log": ("a line of the log", "Registry Update", "http://localhost:18500"),
        "spec": ("# SPEC &lt;script",),
        "tests": ("12 pass, 0 fail", "U1", "passes"),
        "turns": ("No model was used",),
        "deploy": ("This build has deployed nothing",),
        "events": ("step_completed", "build_completed"),
        "diff": ("Nothing has been written yet.",),
    }
    for tab, words in shown.items():
        text = await page(site, f"/builds/{build.id}?tab={tab}")
        for word in words:
            assert word in text, (tab, word)


@pytest.mark.parametrize("field", ["intent", "log", "error", "question", "url"])
async def test_nothing_that_was_sent_or_generated_runs_in_a_page(site: Site, field: str) -> None:
    async def step(context: StepContext) -> Outcome:
        if field == "log":
            context.log(EVIL)
        if field == "error":
            raise Permanent(EVIL, hint=EVIL)
        if field == "question":
            return Ask(EVIL, ({"id": "x", "question": EVIL, "options": [EVIL], "default": EVIL},))
        facts = {"deployment_url": f"javascript:alert(1)//{EVIL}"} if field == "url" else {}
        return Done(EVIL, facts)

    site.world.steps[3].script = step
    build_id = await site.started(
        architect_intent=f"Build Books Droplet {EVIL}" if field == "intent" else "Build Books"
    )
    await site.world.until(build_id, State.COMPLETE, State.FAILED, State.WAITING_INPUT)
    for path in ("/", f"/builds/{build_id}"):
        await page(site, path)


async def test_an_unknown_build_has_a_page_that_says_so(site: Site) -> None:
    status, text, _ = await site.get("/builds/nothing")
    assert status == 404
    assert "Not here" in text


async def test_docs_show_every_operation(site: Site) -> None:
    text = await page(site, "/docs")
    for operation in site.app.state.operations:
        assert f"{operation.method} {operation.path}" in text


async def test_the_style_sheet_is_served(site: Site) -> None:
    status, text, headers = await site.get("/static/style.css")
    assert (status, headers["content-type"].partition(";")[0]) == (200, "text/css")
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.44, "0.4 s"), (59, "59 s"), (75, "1 min 15 s"), (5000, "1 h 23 min")]
)
def test_durations_are_written_for_people(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_only_web_addresses_become_links() -> None:
    assert link("https://x") == "https://x"
    assert link("javascript:alert(1)") == "#"
    assert link(None) == "#"
