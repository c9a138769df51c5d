"""The SPEC by the model: what it is told, what it may ask, and what the executor makes of what it answers."""

from __future__ import annotations

from contextlib import suppress

import pytest

from executor.adapters.claude import Claude
from executor.domain.build import State
from executor.domain.conversation import Usage
from executor.domain.outcome import Ask, Done, Repair
from executor.domain.spec_form import read_sections
from executor.errors import Conflict, Permanent, Transient
from tests.agent.spec_desk import INTENT, desk
from tests.fakes.model import ScriptedModel, script
from tests.fakes.spec_reply import question, spec_reply

ASKS = spec_reply(questions=(question(),))


def assumptions(spec: str) -> str:
    return read_sections(spec)["Assumptions"]


async def test_one_call_gives_a_spec_with_its_assumptions(tmp_path):
    async with desk(tmp_path, spec_reply()) as desked:
        done = await desked.finished()
        spec, log = await desked.spec(done), await desked.logged(done)
    assert len(desked.model.requests) == 1
    assert INTENT in desked.model.told()
    assert "droplet 13, named `orders`, version 0.1.0, port 8013" in desked.model.told()
    assert assumptions(spec) == "- Prices are before tax."
    assert done.facts["spec_score"] == 100
    assert done.facts["assumptions"] == ["Prices are before tax."]
    assert "score 100 of 80 needed; 1 assumptions; passes" in log


async def test_the_model_is_told_the_conventions_that_the_spec_will_carry(tmp_path):
    async with desk(tmp_path, spec_reply()) as desked:
        spec = await desked.spec(await desked.finished())
    assert read_sections(spec)["Conventions"] in desked.model.requests[0].system


async def test_auto_mode_asks_nobody_and_records_the_defaults(tmp_path):
    async with desk(tmp_path, ASKS) as desked:
        spec = await desked.spec(await desked.finished(approval_mode="auto"))
    assert len(desked.model.requests) == 1
    assert "Nobody can be asked" in desked.model.told()
    assert "Which currency are prices in? Nobody was asked; assumed: euro." in assumptions(spec)


@pytest.mark.parametrize("mode", ["checkpoints", "final"])
async def test_the_other_modes_ask_and_build_on_the_answer(tmp_path, mode):
    reply = spec_reply(assumptions=())
    async with desk(tmp_path, ASKS, reply) as desked:
        build = await desked.submit(approval_mode=mode)
        waiting = await desked.world.until(build.id, State.WAITING_INPUT)
        asked = waiting.hold["questions"]
        assert [(q["id"], q["options"], q["default"]) for q in asked] == [
            ("currency", ["euro", "dollar"], "euro")
        ]
        await desked.world.commands.answer(build.id, {"currency": "Swiss francs"})
        await desked.world.until(build.id, State.WAITING_APPROVAL)
        spec = await desked.spec(build)
    assert "The architect can be asked" in desked.model.told(0)
    assert "Which currency are prices in? Swiss francs" in desked.model.told(1)
    assert read_sections(spec)["Decisions"].endswith("- Which currency are prices in? Swiss francs")
    assert "currency" not in assumptions(spec)


async def test_answers_that_are_the_defaults_cost_no_second_call(tmp_path):
    async with desk(tmp_path, ASKS) as desked:
        build = await desked.submit(approval_mode="checkpoints")
        await desked.world.until(build.id, State.WAITING_INPUT)
        await desked.world.commands.answer(build.id, {})
        await desked.world.until(build.id, State.WAITING_APPROVAL)
        spec = await desked.spec(build)
    assert len(desked.model.requests) == 1
    assert "Which currency are prices in? euro" in read_sections(spec)["Decisions"]
    assert "Nobody was asked" not in spec


async def test_a_build_asks_once_and_at_most_three_questions_under_names_of_their_own(tmp_path):
    many = tuple(question(id=name) for name in ("go_on", "go_on", "Price Unit", "fourth"))
    async with desk(tmp_path, spec_reply(questions=many), ASKS) as desked:
        build = await desked.submit(approval_mode="checkpoints")
        waiting = await desked.world.until(build.id, State.WAITING_INPUT)
        names = [q["id"] for q in waiting.hold["questions"]]
        assert len(set(names)) == len(names) == 3
        assert "go_on" not in names
        await desked.world.commands.answer(build.id, dict.fromkeys(names, "dollar"))
        await desked.world.until(build.id, State.WAITING_APPROVAL)
    assert len(desked.model.requests) == 2


async def test_a_revision_is_told_once_and_makes_the_next_version(tmp_path):
    second = spec_reply(assumptions=("Prices are after tax.",))
    third = spec_reply(assumptions=("There is no tax.",))
    async with desk(tmp_path, spec_reply(), second, third) as desked:
        build = await desked.submit(approval_mode="checkpoints")
        for feedback in ("Prices shall be after tax", "Forget the tax"):
            await desked.world.until(build.id, State.WAITING_APPROVAL)
            await desked.world.commands.approve(
                build.id, checkpoint=None, decision="revise", feedback=feedback, gate_id=None
            )
        await desked.world.until(build.id, State.WAITING_APPROVAL)
        versions = [assumptions(await desked.spec(build, n)) for n in (1, 2, 3)]
    assert versions == ["- Prices are before tax.", "- Prices are after tax.", "- There is no tax."]
    assert "Prices shall be after tax" in desked.model.told(1)
    assert "Forget the tax" in desked.model.told(2)
    assert "Prices shall be after tax" not in desked.model.told(2)


def goes_wrong_once(advice: str):
    """A step 5 that sends back, then asks `advice`, then fails; then it lets pass."""
    outcomes = [
        Repair("Red.", "test_a fails", 4),
        Ask("What now?", ({"id": advice, "question": "?", "default": "x", "free_text": True},)),
        Permanent("Over."),
    ]

    async def script(context):
        if not outcomes:
            return Done("Fine.")
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return script


@pytest.mark.parametrize(("question_id", "calls"), [("architect", 1), ("go_on", 2)])
async def test_repairs_and_other_steps_questions_are_not_told_but_advice_is(tmp_path, question_id, calls):
    async with desk(tmp_path, spec_reply(), spec_reply()) as desked:
        desked.world.steps[5].script = goes_wrong_once(question_id)
        build = await desked.submit()
        await desked.world.until(build.id, State.WAITING_INPUT)
        await desked.world.commands.answer(build.id, {question_id: "Leave out the PDF"})
        await desked.world.until(build.id, State.FAILED)
        await desked.world.commands.retry(build.id, 2)
        await desked.world.until(build.id, State.COMPLETE)
    assert len(desked.model.requests) == calls
    assert all("test_a fails" not in desked.model.told(n) for n in range(calls))
    assert ("Leave out the PDF" in desked.model.told()) is (calls == 2)


async def test_a_weak_spec_goes_back_with_what_is_wrong_and_the_better_one_passes(tmp_path):
    weak = spec_reply(Purpose="Orders.", Requirements="none")
    async with desk(tmp_path, weak, spec_reply()) as desked:
        done = await desked.finished()
        log = await desked.logged(done)
    told = desked.model.told(1)
    assert "Purpose has 7 characters; 50 are the least." in told
    assert "No requirement is numbered" in told
    assert "needs 80" in told
    assert log.count("SPEC of") == 2
    assert "sent back" in log


async def test_a_valid_spec_below_the_score_goes_back_with_recommendations(tmp_path):
    thin = spec_reply(Dependencies="none", Capabilities="Orders.")
    async with desk(tmp_path, thin, spec_reply()) as desked:
        await desked.finished()
    assert "Write the section Capabilities" in desked.model.told(1)


async def test_after_three_revisions_the_build_fails_and_a_retry_revises_on(tmp_path):
    weak = spec_reply(Requirements="none")
    async with desk(tmp_path, weak, weak, weak, weak, spec_reply()) as desked:
        failed = await desked.failed()
        assert len(desked.model.requests) == 4
        assert failed.error["code"] == "SPEC_TOO_WEAK"
        assert "No requirement is numbered" in failed.error["message"]
        await desked.world.commands.retry(failed.id, None)
        done = await desked.world.until(failed.id)
    assert done.state is State.COMPLETE
    assert len(desked.model.requests) == 5


async def test_r8_a_step_that_runs_again_pays_for_nothing_again(tmp_path, ledger):
    weak = spec_reply(Requirements="none")
    async with desk(tmp_path, Transient("cut"), weak, Transient("cut"), spec_reply(), between=int) as desked:
        done = await desked.finished()
    sent = [len(request.messages) for request in desked.model.requests]
    assert sent == [1, 1, 3, 3]
    assert done.facts["turns"] == 2
    ledger.tried("calls that the model's API lost", len(sent) - done.facts["turns"])


async def test_r8_a_step_that_runs_again_asks_the_same_questions(tmp_path):
    async with desk(tmp_path, ASKS, between=int) as desked:
        build = await desked.submit(approval_mode="final")
        waiting = await desked.world.until(build.id, State.WAITING_INPUT)
    assert [q["id"] for q in waiting.hold["questions"]] == ["currency"]
    assert len(desked.model.requests) == 1


async def test_an_answer_that_is_not_of_the_form_is_asked_for_again(tmp_path):
    async with desk(tmp_path, "Here is your SPEC!", spec_reply()) as desked:
        await desked.finished()
    assert len(desked.model.requests) == 2


async def test_a_spent_budget_asks_a_person_and_goes_on_after_a_top_up(tmp_path):
    costly = Usage(input_tokens=1_000_000, output_tokens=0)  # $2
    async with desk(tmp_path, spec_reply(Requirements="none"), spec_reply()) as desked:
        desked.model.usage = costly
        build = await desked.submit(budget_usd=1.0)
        waiting = await desked.world.until(build.id, State.WAITING_INPUT)
        assert "$1.00" in waiting.hold["reason"]
        await desked.world.commands.top_up(build.id, 5.0)
        with suppress(Conflict):  # a top-up may let it go on by itself
            await desked.world.commands.answer(build.id, {"go_on": "retry"})
        done = await desked.world.until(build.id)
    assert done.state is State.COMPLETE, done.error


async def test_the_messages_api_takes_the_form_and_every_message(tmp_path):
    rule = script(spec_reply(questions=(question(),), Requirements="none"), spec_reply())
    async with ScriptedModel(rule) as model:
        service = Claude(api_key="sk-ant-key", base_url=model.url, timeout=30.0)
        async with desk(tmp_path, service=service) as desked:
            done = await desked.finished()
        await service.aclose()
    assert model.refused == []
    assert done.facts["turns"] == 2
    assert model.bodies[0]["output_config"]["format"]["schema"]["properties"].keys() == {
        *("questions", "assumptions", "removed", "spec")
    }
