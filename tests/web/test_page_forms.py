"""The forms of a build's page: taken with the session's token, answered by the page, harmless when stale."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest

from executor.domain.build import Build, State
from executor.domain.outcome import Ask, Done, Outcome
from executor.domain.step import StepContext
from executor.errors import Permanent
from tests.web.conftest import Serving, Site

Reply = tuple[int, str, str]


@dataclass
class Form:
    """A form as a browser reads it: its fields with what is filled in, its buttons, its radio buttons."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)
    options: dict[str, list[str]] = field(default_factory=dict)


class Forms(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._area = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(named.get("action", "")))
        name = named.get("name", "")
        if not self.found or not name:
            return
        form = self.found[-1]
        if tag == "button":
            form.buttons.append(named["value"])
        elif named.get("type") == "radio":
            form.options.setdefault(name, []).append(named["value"])
            if "checked" in named:
                form.fields[name] = named["value"]
        elif tag in {"input", "textarea"}:
            form.fields[name] = named.get("value", "")
        self._area = name if tag == "textarea" else ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.found[-1].fields[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        self._area = ""


async def form_on(site: Site, path: str, verb: str) -> Form:
    """The form with this verb on a page that was asked for just now."""
    _, text, _ = await site.get(path)
    return next(form for form in Forms(text).found if form.action.endswith(f"/{verb}"))


async def send(site: Site, form: Form, **fields: Any) -> Reply:
    """Press its button: status, place it leads to, text."""
    data = {**form.fields, **fields}
    async with site.client.post(f"{site.url}{form.action}", data=data, allow_redirects=False) as reply:
        return reply.status, reply.headers.get("Location", ""), await reply.text()


async def at_gate(site: Site, **more: Any) -> Build:
    return await site.world.until(await site.started(approval_mode="final", **more), State.WAITING_APPROVAL)


async def test_approving_on_the_page_goes_on_and_says_who_it_was(site: Site) -> None:
    build = await at_gate(site)
    form = await form_on(site, f"/builds/{build.id}", "decide")
    status, place, _ = await send(site, form, decision="approve", feedback="good")
    assert (status, place) == (303, f"/builds/{build.id}?said=Approved.")
    assert "Approved." in (await site.get(place))[1]
    assert (await site.world.until(build.id)).state is State.COMPLETE
    events = await site.world.store.builds.events(build.id)
    approved = next(event for event in events if event.event_type == "approved")
    assert approved.data["by"] == "page"
    assert approved.data["feedback"] == "good"


async def test_a_decision_on_the_front_page_leads_back_to_it(site: Site) -> None:
    build = await at_gate(site)
    status, place, _ = await send(site, await form_on(site, "/", "decide"), decision="reject")
    assert (status, place) == (303, "/?said=Rejected.")
    assert (await site.world.until(build.id)).state is State.REJECTED


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/docs", ""])
async def test_a_form_leads_nowhere_but_to_the_front_page_and_its_build(site: Site, back: str) -> None:
    build = await at_gate(site)
    _, place, _ = await send(site, await form_on(site, "/", "decide"), decision="approve", back=back)
    assert place == f"/builds/{build.id}?said=Approved."


async def test_pressing_twice_decides_once(site: Site) -> None:
    build = await at_gate(site)
    form = await form_on(site, f"/builds/{build.id}", "decide")
    both = await asyncio.gather(*(send(site, form, decision="approve") for _ in range(2)))
    assert [status for status, _, _ in both] == [303, 303]
    await site.world.until(build.id)
    assert (await site.world.event_types(build.id)).count("approved") == 1


async def test_a_stale_gate_is_refused_on_the_page(site: Site) -> None:
    build = await at_gate(site)
    form = await form_on(site, f"/builds/{build.id}", "decide")
    status, _, text = await send(site, form, decision="approve", gate_id="built-000000000000")
    assert status == 409
    assert text.startswith("<!doctype html>")
    assert 'role="alert"' in text
    assert f"/builds/{build.id}/decide" in text
    assert (await site.world.store.builds.get(build.id)).state is State.WAITING_APPROVAL


@pytest.mark.parametrize("csrf", ["", "0" * 40, "ü"])
async def test_a_form_without_the_sessions_token_does_nothing(site: Site, csrf: str) -> None:
    build = await at_gate(site)
    form = await form_on(site, f"/builds/{build.id}", "decide")
    assert (await send(site, form, decision="approve", csrf=csrf))[0] == 403
    site.client.cookie_jar.clear()
    assert (await send(site, form, decision="approve"))[0] == 403
    assert (await site.world.store.builds.get(build.id)).state is State.WAITING_APPROVAL


async def test_every_verb_wants_the_sessions_token(site: Site) -> None:
    build = await at_gate(site)
    posts = [
        o.path for o in site.app.state.operations if o.method == "POST" and o.path.startswith("/builds/")
    ]
    assert len(posts) == 6
    for path in posts:
        status, _, _ = await send(site, Form(path.format(build_id=build.id)), usd="5", decision="approve")
        assert status == 403, path
    assert (await site.world.store.builds.get(build.id)).version == build.version


async def test_with_a_token_the_forms_want_a_session(serve: Serving) -> None:
    async with serve(server={"token": "correct-horse-battery"}) as site:
        status, _, text = await send(site, Form("/builds/build-13-x-20260101-001/cancel"))
        assert (status, "UNAUTHORIZED" in text) == (401, True)


async def test_a_revision_wants_words_and_a_refused_one_keeps_them(serve: Serving) -> None:
    async with serve(api={"provider": "anthropic"}) as site:
        build = await at_gate(site)
        form = await form_on(site, f"/builds/{build.id}", "decide")
        assert form.buttons == ["approve", "revise", "reject"]
        status, _, text = await send(site, form, decision="revise", feedback="  ")
        assert (status, "A revision needs your words." in text) == (400, True)
        status, _, text = await send(site, form, decision="revise", feedback="<b>smaller</b>")
        assert status == 409  # the engine of this test has no model
        again = next(form for form in Forms(text).found if form.action.endswith("/decide"))
        assert again.fields["feedback"] == "<b>smaller</b>"
        assert "<b>smaller" not in text
        assert (await site.world.store.builds.get(build.id)).state is State.WAITING_APPROVAL


async def test_with_the_scaffold_there_is_no_button_that_cannot_work(site: Site) -> None:
    build = await at_gate(site)
    assert (await form_on(site, f"/builds/{build.id}", "decide")).buttons == ["approve", "reject"]
    assert "Needs a model" in (await site.get(f"/builds/{build.id}"))[1]


@pytest.mark.parametrize(
    "fields", [{"decision": "explode"}, {"decision": ""}, {"decision": "approve", "checkpoint": "lunch"}]
)
async def test_a_decision_that_is_none_is_refused(site: Site, fields: dict[str, str]) -> None:
    build = await at_gate(site)
    form = await form_on(site, f"/builds/{build.id}", "decide")
    assert (await send(site, form, **fields))[0] == 400


async def test_questions_are_answered_with_the_suggestion_chosen_already(site: Site) -> None:
    asked = (
        {"id": "go_on", "question": "Go on?", "options": ["retry", "stop"], "default": "retry"},
        {"id": "hint", "question": "Which colour?", "options": ["red"], "free_text": True, "default": "red"},
        {"id": "why", "question": "Why?"},
    )

    async def ask(context: StepContext) -> Outcome:
        return Done("Answered.") if await context.sayings() else Ask("Two ways are open.", asked)

    site.world.steps[4].script = ask
    build = await site.world.until(await site.started(), State.WAITING_INPUT)
    form = await form_on(site, f"/builds/{build.id}", "answer")
    assert form.options == {"q.go_on": ["retry", "stop"], "q.hint": ["red"]}
    assert form.fields["q.go_on"] == "retry"
    status, _, text = await send(site, form)
    assert (status, "do not fit the questions" in text) == (400, True)
    status, place, _ = await send(site, form, **{"t.hint": "blue", "q.why": "because"})
    assert (status, "Answered" in place) == (303, True)
    await site.world.until(build.id)
    events = await site.world.store.builds.events(build.id)
    answered = next(event for event in events if event.event_type == "input_received")
    assert answered.data["answers"] == {"go_on": "retry", "hint": "blue", "why": "because"}


async def test_the_budget_is_raised_by_what_was_typed(site: Site) -> None:
    build = await at_gate(site, budget_usd=5)
    form = await form_on(site, f"/builds/{build.id}", "budget")
    for usd in ("", "much", "-1", "nan", "inf", "1e9"):
        assert (await send(site, form, usd=usd))[0] == 400, usd
    assert (await send(site, form, usd="2.5"))[0] == 303
    assert (await site.world.store.builds.get(build.id)).budget_usd == 7.5


async def test_cancel_stops_the_build_and_a_second_cancel_is_refused(site: Site) -> None:
    build = await at_gate(site)
    form = await form_on(site, f"/builds/{build.id}", "cancel")
    assert (await send(site, form))[0] == 303
    assert (await site.world.until(build.id)).state is State.CANCELLED
    status, _, text = await send(site, form)
    assert (status, "already cancelled" in text) == (409, True)


async def test_retry_goes_on_from_the_step_that_was_chosen(site: Site) -> None:
    async def fail(_: StepContext) -> Outcome:
        raise Permanent("It broke.")

    site.world.steps[3].script = fail
    build = await site.world.until(await site.started(), State.FAILED)
    form = await form_on(site, f"/builds/{build.id}", "retry")
    site.world.steps[3].script = None
    assert (await send(site, form, from_step="9"))[0] == 400
    assert (await send(site, form, from_step="2"))[0] == 303
    assert (await site.world.until(build.id)).state is State.COMPLETE
    assert [len(site.world.steps[n].calls) for n in (1, 2, 3)] == [1, 2, 2]


async def test_roll_back_withdraws_the_release(site: Site) -> None:
    build = await site.finished()
    assert (await send(site, await form_on(site, f"/builds/{build.id}", "rollback")))[0] == 303
    assert (await site.world.until(build.id, State.ROLLED_BACK)).state is State.ROLLED_BACK


async def test_a_form_for_no_build_is_the_page_that_says_so(site: Site) -> None:
    build = await at_gate(site)
    form = await form_on(site, f"/builds/{build.id}", "cancel")
    form.action = "/builds/build-99-none-20260101-001/cancel"
    status, _, text = await send(site, form)
    assert (status, "Not here" in text) == (404, True)
