"""Step 4 with a scripted model: every way in which a build by conversation can go, and how it ends."""

from __future__ import annotations

import json

import pytest

from executor.domain.build import State
from tests.fakes.apprentice import ReadsTheAnswer, answer, finish, run_tests, tool
from tests.fakes.model import Fault, script, text, thought
from tests.steps.workbench import asks, events, told, workbench

THREAT = "money"


async def test_a_straight_success_is_one_iteration_and_the_executor_says_done(tmp_path):
    async with workbench(tmp_path / "state", script([answer(), finish()])) as (house, model):
        done = await house.made()
    assert (done.facts["ai_iterations"], done.facts["provider"]) == (1, "anthropic")
    assert done.facts["turns"] == 3  # the SPEC, the code, the hidden tests
    assert len(model.bodies) == 1
    assert done.facts["cost_usd"] > 0


async def test_requirements_that_no_hidden_test_shows_are_named_in_the_report(tmp_path):
    async with workbench(tmp_path / "state", script([answer(), finish()])) as (house, _):
        done = await house.made()
        report = json.loads((await house.store.builds.artifact(done.id, "report"))["body"])
    assert done.facts["not_shown"] == "R1, R2"
    assert any("R1, R2" in note and "hidden test" in note for note in report["notes"])


async def test_two_failing_rounds_then_green_are_three_iterations_with_a_commit_and_a_diff_each(tmp_path):
    replies = script(
        [answer("test_a", "test_b"), run_tests()], [answer("test_b"), finish()], [answer(), finish()]
    )
    async with workbench(tmp_path / "state", replies) as (house, model):
        done = await house.made()
        rounds = await events(house, done, "iteration_finished")
        diffs = await house.store.builds.artifact_versions(done.id, "diff")
    assert [e.data["failed"][:2] for e in rounds] == [["test_a", "test_b"], ["test_b", "T1"], []]
    assert done.facts["ai_iterations"] == 3
    assert [d["meta"].get("iteration") for d in diffs] == [1, 2, 3, None]  # and the whole of it
    assert len({d["meta"]["commit"] for d in diffs}) == 3
    assert "test_a" in told(model, 1)
    assert "1 fail" in told(model, 2)


async def test_the_model_is_not_believed_when_it_says_that_it_is_done(tmp_path):
    replies = script([answer("test_a"), finish()], "Everything works perfectly.", [answer(), finish()])
    async with workbench(tmp_path / "state", replies) as (house, model):
        done = await house.made()
    assert done.facts["ai_iterations"] == 2
    assert "finish" in told(model, 2)


async def test_a_round_that_could_only_repeat_the_last_one_is_not_run(tmp_path):
    verifier = ReadsTheAnswer()
    replies = script(
        [answer("test_a"), run_tests()], [run_tests(), finish()], [answer(), run_tests()], [finish()]
    )
    async with workbench(tmp_path / "state", replies, verifier=verifier) as (house, model):
        done = await house.made()
    assert done.facts["ai_iterations"] == 2
    assert len(verifier.judged) == 3  # two rounds, and step 5
    assert "Nothing has changed" in told(model, 2)


async def test_stuck_means_a_nudge_then_a_fresh_conversation_then_a_question_and_its_answer_goes_on(tmp_path):
    stuck = [
        [answer("test_a"), tool("bash", command=f"echo {n}"), answer("test_a", f"# {n}"), finish()]
        for n in range(9)
    ]
    replies = script(*stuck, [answer(), finish()])
    settings = {"model": {"stronger_model": "claude-opus-5-5"}}
    async with workbench(tmp_path / "state", replies, **settings) as (house, model):
        build = await house.submit()
        waiting = await house.until(build.id, State.WAITING_INPUT)
        question = waiting.hold["questions"][0]
        assert question["options"] == ["retry", "stop"]
        assert question["dossier"]["tried"].count("failing") == 9
        assert "test_a" in question["dossier"]["output"]
        assert "answer.txt" in question["dossier"]["diff"]
        await house.commands.answer(build.id, {"go_on": "leave test_a empty"})
        done = await house.until(build.id)
        nudges, fresh = await events(house, done, "nudged"), await events(house, done, "fresh_context")
    assert done.state is State.COMPLETE, done.error
    assert (len(nudges), len(fresh)) == (1, 1)
    assert "three times in a row" in told(model, 3)
    assert [r["model"] for r in model.bodies] == ["claude-sonnet-5-5"] * 6 + ["claude-opus-5-5"] * 4
    opening = model.bodies[6]["messages"]
    assert len(opening) == 1
    assert "<spec>" in opening[0]["content"][0]["text"]
    assert "test_a" in opening[0]["content"][0]["text"]
    assert "leave test_a empty" in told(model, 9)


async def test_past_the_allowed_iterations_a_person_is_asked_even_if_every_round_fails_otherwise(tmp_path):
    replies = script(*[[answer(f"test_{n}"), finish()] for n in range(3)], [answer(), finish()])
    async with workbench(tmp_path / "state", replies, builds={"max_iterations": 3}) as (house, _):
        build = await house.submit()
        waiting = await house.until(build.id, State.WAITING_INPUT)
        assert "after 3 iterations" in waiting.hold["reason"]
        await house.commands.answer(build.id, {"go_on": "retry"})
        assert (await house.until(build.id)).state is State.COMPLETE


async def test_one_reply_full_of_rounds_passes_no_limit_of_iterations(tmp_path):
    rounds = [call for n in range(5) for call in (answer(f"test_{n}"), run_tests())]
    replies = script([*rounds, answer(), finish()], [answer(), finish()])
    async with workbench(tmp_path / "state", replies, builds={"max_iterations": 2}) as (house, model):
        build = await house.submit()
        waiting = await house.until(build.id, State.WAITING_INPUT)
        assert waiting.facts["ai_iterations"] == 2
        await house.commands.answer(build.id, {"go_on": "retry"})
        done = await house.until(build.id)
    assert done.facts["ai_iterations"] == 3
    assert told(model).count("not run: first read") == 4


@pytest.mark.parametrize("judges", [run_tests, finish])
async def test_a_workspace_that_git_must_not_hold_is_for_the_model_to_mend_and_no_end_of_the_build(
    tmp_path, judges
):
    replies = script([answer("test_a")], [judges()], [asks()])

    def rule(body, number):
        if number == 2:  # as a command behind the walls may leave it
            (written,) = (tmp_path / "state/places").rglob("answer.txt")
            (written.parent / ".git").mkdir()
        return replies(body, number)

    async with workbench(tmp_path / "state", rule) as (house, model):
        build = await house.submit(approval_mode="final")
        waiting = await house.until(build.id, State.WAITING_INPUT, State.FAILED)
        assert waiting.state is State.WAITING_INPUT, waiting.error
        assert waiting.facts["ai_iterations"] == 0
    (result,) = model.bodies[2]["messages"][-1]["content"]
    assert result["is_error"]
    assert "cannot be kept" in result["content"]


async def test_a_refusal_is_shown_and_a_person_can_let_a_fresh_conversation_go_on(tmp_path):
    refusal = {
        "content": [],
        "stop_reason": "refusal",
        "stop_details": {"type": "refusal", "category": "cyber"},
    }
    replies = script([answer("test_a"), run_tests()], refusal, [answer(), finish()])
    async with workbench(tmp_path / "state", replies) as (house, model):
        build = await house.submit()
        waiting = await house.until(build.id, State.WAITING_INPUT)
        assert "declined" in waiting.hold["reason"]
        await house.commands.answer(build.id, {"go_on": "it is a toy"})
        done = await house.until(build.id)
    assert done.state is State.COMPLETE
    assert len(model.bodies[2]["messages"]) == 1
    assert "it is a toy" in told(model, 2)


async def test_a_call_that_the_token_limit_cut_is_not_run_and_the_model_is_told(tmp_path):
    cut = {"content": [answer("test_a"), answer("test_half")], "stop_reason": "max_tokens"}
    async with workbench(tmp_path / "state", script(cut, [answer(), finish()])) as (house, model):
        done = await house.made()
        calls = await house.store.turns.calls(done.id, 2)
    assert [c.is_error for c in calls.values()] == [False, True]
    assert "limit of tokens" in told(model, 1)


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ({"content": [], "stop_reason": "end_turn"}, ["text"]),
        ({"content": [thought("Hm."), text("\n\n")], "stop_reason": "end_turn"}, ["thinking", "text"]),
        ({"content": [thought("Hm.")], "stop_reason": "end_turn"}, ["thinking", "text"]),
        ({"content": [thought("Hm") | {"signature": ""}], "stop_reason": "max_tokens"}, ["text"]),
        ([text("\n"), answer("test_a"), run_tests()], ["tool_use", "tool_use"]),
    ],
    ids=["nothing", "blank text", "a thought alone", "a cut thought", "blank text before calls"],
)
async def test_what_the_api_gives_and_would_not_take_back_stops_no_build(tmp_path, reply, kept):
    replies = script([answer("test_a"), run_tests()], reply, [answer(), finish()])
    async with workbench(tmp_path / "state", replies) as (house, model):
        done = await house.made()
    assert done.facts["turns"] == 5
    message = model.bodies[2]["messages"][-2]
    assert message["role"] == "assistant"
    assert [block["type"] for block in message["content"]] == kept


async def test_a_conversation_that_no_longer_fits_goes_on_in_a_fresh_one_with_the_spec_word_for_word(
    tmp_path,
):
    full = {"content": [], "stop_reason": "model_context_window_exceeded"}
    replies = script([answer("test_a"), run_tests()], full, [answer(), finish()])
    async with workbench(tmp_path / "state", replies) as (house, model):
        done = await house.made()
        spec = (await house.store.builds.artifact(done.id, "spec"))["body"]
    fresh = model.bodies[2]["messages"]
    assert len(fresh) == 1
    assert spec.strip() in fresh[0]["content"][0]["text"]
    assert "test_a" in fresh[0]["content"][0]["text"]


async def test_a_model_that_never_finishes_stops_at_its_budget_and_a_top_up_lets_it_go_on(tmp_path, ledger):
    def endless(body, number):
        content = [answer(f"test_{number}")] if number < 40 else [answer(), finish()]
        return {"content": content, "usage": {"output_tokens": 10_000}}

    async with workbench(tmp_path / "state", endless) as (house, model):
        build = await house.submit(budget_usd=1.0)
        waiting = await house.until(build.id, State.WAITING_INPUT)
        spent, asked = waiting.facts["cost_usd"], len(model.bodies)
        notices = [e.data["percent"] for e in await events(house, build, "budget_notice")]
        assert waiting.hold["needs"] == "budget"
        await house.commands.top_up(build.id, 10.0)
        done = await house.until(build.id)
    assert 1.0 <= spent < 1.0 + 2 * spent / asked
    assert notices == [50, 80, 100]
    assert done.state is State.COMPLETE
    ledger.tried("models that never finish", threat=THREAT)


async def test_turns_and_tokens_are_limits_too(tmp_path, ledger):
    def endless(body, number):
        return [answer(), finish()] if number > 12 else [answer(f"test_{number}")]

    async with workbench(tmp_path / "state", endless, model={"max_turns": 5}) as (house, model):
        build = await house.submit()
        for turns in (5, 10):
            waiting = await house.until(build.id, State.WAITING_INPUT)
            assert len(model.bodies) == turns - 1  # and one for the SPEC
            assert "max_turns" in waiting.hold["reason"]
            await house.commands.answer(build.id, {"go_on": "retry"})
        assert (await house.until(build.id)).state is State.COMPLETE
    ledger.tried("models that never finish", threat=THREAT)


async def test_what_the_verifier_refuses_comes_back_to_the_same_conversation(tmp_path):
    verifier = ReadsTheAnswer(refused={"# slow": "GET /books answered 500"})
    replies = script([answer("# slow"), finish()], [answer("# fast"), finish()])
    async with workbench(tmp_path / "state", replies, verifier=verifier) as (house, model):
        done = await house.made()
    assert done.facts["ai_iterations"] == 2
    assert len(model.bodies[1]["messages"]) == 3
    assert "GET /books answered 500" in told(model, 1)


async def test_an_order_that_fits_no_conversation_ends_in_an_error_and_not_in_ever_new_conversations(
    tmp_path,
):
    def too_long(body, _):
        message = "prompt is too long: 9 tokens > 8 maximum"
        return Fault(status=400, message=message) if body.get("tools") else None

    async with workbench(tmp_path / "state", script([answer(), finish()]), faults=too_long) as (house, _):
        build = await house.submit()
        failed = await house.until(build.id)
        turns = await house.store.turns.newest(build.id)
    assert (failed.state, failed.error["code"]) == (State.FAILED, "CONTEXT_EXCEEDED")
    assert turns == 2  # the SPEC, and the one that was refused


async def test_no_model_without_a_price_takes_over_a_build_that_has_a_budget(tmp_path, ledger):
    stuck = [[answer("test_a", f"# {n}"), finish()] for n in range(6)]
    replies = script(*stuck, [answer(), finish()])
    settings = {"model": {"stronger_model": "claude-unheard-of"}}
    async with workbench(tmp_path / "state", replies, **settings) as (house, model):
        done = await house.made(budget_usd=50.0)
        assert len(await events(house, done, "fresh_context")) == 1
    assert {body["model"] for body in model.bodies} == {"claude-sonnet-5-5"}
    assert done.facts["cost_known"]
    ledger.tried("models without a price", threat=THREAT)
