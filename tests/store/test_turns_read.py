"""Model calls read back as they were written."""

from __future__ import annotations

from executor.domain.conversation import ModelReply, StopReason, Usage
from executor.store.store import Store
from executor.store.turns import answered, finished
from executor.store.turns_read import TurnsRead
from tests.store.conftest import make_build, stored


def reply(usage: Usage) -> ModelReply:
    return ModelReply(
        message_id="msg_1", model="claude", content=(), stop_reason=StopReason.TOOL_USE, usage=usage
    )


async def test_a_turn_has_its_tokens_its_dollars_and_its_tool_calls(store: Store) -> None:
    await stored(store, make_build(1))
    turn = await store.turns.begin("build-1", "apprentice-1", "claude", 100.0)
    usage = Usage(10, 20, 300, 4)
    await store.database.write(answered("build-1", turn.number, reply(usage), 0.25, 107.5))
    edit = {"id": "a", "name": "str_replace_based_edit_tool", "input": {"command": "view", "path": "app.py"}}
    bash = {"id": "b", "name": "bash", "input": {"command": "pytest -q\nrm -r x"}}
    await store.turns.call_started("build-1", 1, 0, edit, 108.0)
    told = {"text": "no such file", "is_error": True}
    await store.turns.call_finished(finished("build-1", 1, 0, result=told, snapshot=None, now=108.5))
    await store.turns.call_started("build-1", 1, 1, bash, 109.0)
    found = (await TurnsRead(store.database).of_build("build-1"))[0]
    assert (found["number"], found["seconds"], found["usd"], found["stop_reason"]) == (
        1, 7.5, 0.25, "tool_use",
    )  # fmt: skip
    assert found["tokens"] == {"input": 10, "output": 20, "cache_read": 300, "cache_write": 4}
    assert found["calls"] == [
        {"name": edit["name"], "about": "app.py", "state": "finished", "seconds": 0.5, "is_error": True},
        {"name": "bash", "about": "pytest -q", "state": "started", "seconds": None, "is_error": False},
    ]


async def test_a_call_that_a_kill_cut_off_has_no_known_cost_and_no_known_duration(store: Store) -> None:
    await stored(store, make_build(1))
    await store.turns.begin("build-1", "spec", "claude", 100.0)
    await store.turns.begin("build-1", "spec", "claude", 9000.0)
    lost, asked = await TurnsRead(store.database).of_build("build-1")
    assert (lost["state"], lost["seconds"], lost["usd"]) == ("lost", None, None)
    assert (asked["state"], asked["seconds"], asked["calls"]) == ("asked", None, [])


async def test_turns_of_other_builds_are_left_out(store: Store) -> None:
    await stored(store, make_build(1), make_build(2))
    await store.turns.begin("build-2", "spec", "claude", 100.0)
    assert await TurnsRead(store.database).of_build("build-1") == []
