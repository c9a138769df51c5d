"""Step 4 with a scripted model: what it asks people, what they say to it, and what a new start takes over."""

from __future__ import annotations

import json

import pytest

from executor.adapters.git import Git
from executor.domain.build import State
from tests.fakes.apprentice import ReadsTheAnswer, answer, finish, run_tests, tool
from tests.fakes.model import Fault, script
from tests.fakes.spec_reply import spec_reply
from tests.steps.workbench import approve, asks, events, revise, told, workbench


async def test_in_auto_a_question_of_the_model_is_answered_with_its_own_default(tmp_path):
    async with workbench(tmp_path / "state", script([asks()], [answer(), finish()])) as (house, model):
        await house.made()
    assert "red" in told(model, 1)


@pytest.mark.parametrize("mode", ["checkpoints", "final"])
async def test_in_other_modes_the_architect_is_asked_and_the_answer_is_the_tools_result(tmp_path, mode):
    async with workbench(tmp_path / "state", script([asks()], [answer(), finish()])) as (house, model):
        build = await house.submit(approval_mode=mode)
        if mode == "checkpoints":
            await house.until(build.id, State.WAITING_APPROVAL)
            await approve(house, build)
        waiting = await house.until(build.id, State.WAITING_INPUT)
        assert waiting.hold["questions"][0]["options"] == ["red", "blue"]
        await house.commands.answer(build.id, {"architect": "blue"})
        await house.until(build.id, State.WAITING_APPROVAL)
        await approve(house, build)
        assert (await house.until(build.id)).state is State.COMPLETE
    result = model.bodies[1]["messages"][-1]["content"][0]
    assert result["type"] == "tool_result"
    assert "blue" in json.dumps(result)


async def test_r1_an_answer_of_the_architect_survives_a_stop_at_any_moment_and_is_not_asked_for_twice(
    tmp_path,
):
    refuse_once = (
        "CREATE TRIGGER stop BEFORE UPDATE ON tool_calls WHEN NEW.name = 'ask_architect'"
        " BEGIN SELECT RAISE(ABORT, 'stopped'); END"
    )
    async with workbench(tmp_path / "state", script([asks()], [answer(), finish()])) as (house, model):
        build = await house.submit(approval_mode="final")
        await house.until(build.id, State.WAITING_INPUT)
        await house.store.database.write(lambda c: c.execute(refuse_once) and None)
        await house.commands.answer(build.id, {"architect": "blue"})
        await house.until(build.id, State.FAILED)
        await house.store.database.write(lambda c: c.execute("DROP TRIGGER stop") and None)
        await house.commands.retry(build.id, None)
        await house.until(build.id, State.WAITING_APPROVAL, State.WAITING_INPUT)
        asked = await events(house, build, "input_requested")
    assert len(asked) == 1
    assert "The architect answers: blue" in told(model)


async def test_what_was_said_is_known_to_a_fresh_conversation_too(tmp_path):
    verifier = ReadsTheAnswer(refused={"# slow": "GET /books answered 500"})
    full = {"content": [], "stop_reason": "model_context_window_exceeded"}
    replies = script([asks()], [answer("# slow"), finish()], full, [answer("# fast"), finish()])
    async with workbench(tmp_path / "state", replies, verifier=verifier) as (house, model):
        build = await house.submit(approval_mode="final")
        await house.until(build.id, State.WAITING_INPUT)
        await house.commands.answer(build.id, {"architect": "blue"})
        await house.until(build.id, State.WAITING_APPROVAL)
    (fresh,) = model.bodies[3]["messages"]
    assert "GET /books answered 500" in json.dumps(fresh)
    assert "Which? The architect answers: blue" in json.dumps(fresh)


async def test_a_build_goes_on_with_the_model_that_was_chosen_since(tmp_path):
    async with workbench(tmp_path / "state", script([asks()])) as (house, _):
        build = await house.submit(approval_mode="final")
        await house.until(build.id, State.WAITING_INPUT)
    chosen = {"model": {"model": "claude-opus-5-5"}}
    async with workbench(tmp_path / "state", script([answer(), finish()]), **chosen) as (house, model):
        await house.commands.answer(build.id, {"architect": "blue"})
        await house.until(build.id, State.WAITING_APPROVAL)
    (body,) = model.bodies
    assert body["model"] == "claude-opus-5-5"
    assert "blue" in json.dumps(body["messages"])


def wants_a_package():
    return tool(
        "str_replace_based_edit_tool",
        command="insert",
        path="/ws/requirements.txt",
        insert_line=0,
        insert_text="leftpad==1.0.0\n",
    )


async def test_leave_to_use_a_package_is_no_answer_to_the_models_own_question(tmp_path):
    replies = script([wants_a_package(), answer("test_a"), run_tests(), asks()], [answer(), finish()])
    async with workbench(tmp_path / "state", replies) as (house, model):
        build = await house.submit(approval_mode="final")
        waiting = await house.until(build.id, State.WAITING_INPUT)
        assert waiting.hold["questions"][0]["id"] == "packages"
        await house.commands.answer(build.id, {"packages": "allow"})
        await house.until(build.id, State.QUEUED, State.IN_PROGRESS)
        waiting = await house.until(build.id, State.WAITING_INPUT, State.WAITING_APPROVAL)
        assert waiting.hold["questions"][0]["id"] == "architect"
        await house.commands.answer(build.id, {"architect": "blue"})
        await house.until(build.id, State.WAITING_APPROVAL)
    assert "answers: allow" not in told(model, 1)


async def test_a_retry_is_no_refusal_of_a_package(tmp_path):
    replies = script([wants_a_package(), answer(), finish()])
    async with workbench(tmp_path / "state", replies) as (house, _):
        build = await house.submit(approval_mode="final")
        await house.until(build.id, State.WAITING_INPUT)
        await house.commands.retry(build.id, None)
        await house.until(build.id, State.QUEUED, State.IN_PROGRESS)
        waiting = await house.until(build.id, State.WAITING_INPUT, State.WAITING_APPROVAL)
        assert waiting.hold["questions"][0]["id"] == "packages"
        await house.commands.answer(build.id, {"packages": "allow"})
        waiting = await house.until(build.id, State.WAITING_APPROVAL)
    assert waiting.facts["approved_packages"] == ["leftpad"]


async def test_a_revision_at_the_gate_continues_the_conversation_with_the_feedback(tmp_path):
    replies = script([answer("# one"), finish()], [answer("# two"), finish()])
    async with workbench(tmp_path / "state", replies) as (house, model):
        build = await house.submit(approval_mode="final")
        await house.until(build.id, State.WAITING_APPROVAL)
        await revise(house, build, "in metres")
        await house.until(build.id, State.QUEUED, State.IN_PROGRESS)
        await house.until(build.id, State.WAITING_APPROVAL)
        await approve(house, build)
        assert (await house.until(build.id)).facts["ai_iterations"] == 2
    assert "in metres" in told(model, 1)


async def test_a_new_release_starts_from_the_released_code_and_is_told_what_changed(tmp_path):
    readme = tool("str_replace_based_edit_tool", command="create", path="/ws/README.md", file_text="# Mine\n")
    replies = script([answer("# kept"), readme, finish()], [finish()])
    async with workbench(tmp_path / "state", replies) as (house, model):
        first = await house.made()
        second = await house.made(
            intent="Build a Library Droplet for books and papers", droplet_name="library"
        )
        repository = tmp_path / "state/repositories/library.git"
        shown = [
            await Git().show(repository, second.facts["commit"], name) for name in ("answer.txt", "README.md")
        ]
    assert second.facts["base_commit"] == first.facts["commit"]
    assert shown == ["# kept\n", "# Mine\n"]
    opening = model.bodies[1]["messages"][0]["content"][0]["text"]
    assert "new release, 0.2.0" in opening
    assert "books and papers" in opening


async def test_another_spec_starts_from_its_own_package_however_many_calls_failed_before(tmp_path):
    stale = tool("str_replace_based_edit_tool", command="create", path="/ws/stale.txt", file_text="old\n")
    replies = script([stale, asks()], [answer(), finish()])
    specs = iter([spec_reply(), spec_reply(Optimization_Opportunities="- Prices by the hour of the day")])
    faults = {n: Fault(status=401) for n in (1, 2, 3)}
    async with workbench(tmp_path / "state", replies, faults=faults, spec=lambda: next(specs)) as (
        house,
        model,
    ):
        build = await house.submit(approval_mode="checkpoints")
        for _ in faults:
            await house.until(build.id, State.FAILED)
            await house.commands.retry(build.id, None)
        await house.until(build.id, State.WAITING_APPROVAL)
        await approve(house, build)
        await house.until(build.id, State.WAITING_INPUT)
        await house.commands.retry(build.id, 2)
        await house.until(build.id, State.WAITING_APPROVAL)
        await revise(house, build, "think of rush hours")
        await house.until(build.id, State.QUEUED, State.IN_PROGRESS)
        for _ in ("the SPEC", "the build"):
            await house.until(build.id, State.WAITING_APPROVAL)
            await approve(house, build)
        done = await house.until(build.id)
        files = await Git().files(tmp_path / "state/repositories/library.git", done.facts["commit"])
    assert done.state is State.COMPLETE, done.error
    assert "answer.txt" in files
    assert "stale.txt" not in files
    assert "rush hours" not in told(model, 1)  # that was for the SPEC, which says it now
