"""Sums and waits are kept by the database as it is written, and reading them takes no look at the history."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from executor.domain.build import State
from executor.domain.conversation import ModelReply, StopReason, Usage
from executor.domain.events import iso
from executor.errors import StaleView
from executor.store import builds as rows
from executor.store.condition import condition, room
from executor.store.outbox import Outgoing, put
from executor.store.store import Store
from executor.store.tallies import STEP_BOUNDS, tallies
from executor.store.turns import answered
from tests.store.conftest import advance, make_build, stored


async def test_submits_and_every_state_that_a_build_enters_are_counted(store):
    build = make_build(1)
    await stored(store, build, make_build(2))
    build = await advance(store, replace(build, state=State.FAILED, finished_at=5.0))
    build = await advance(store, replace(build, state=State.QUEUED, finished_at=None))
    await advance(store, replace(build, state=State.FAILED, finished_at=9.0))
    found = await tallies(store.database)
    assert found.by_kind("build_submitted") == {"": 2}
    assert found.by_kind("build_entered") == {"failed": 2, "queued": 1}


async def test_a_release_that_is_kept_after_all_neither_ended_nor_was_withdrawn(store):
    await stored(store, build := make_build(1))
    for state in (State.COMPLETE, State.WITHDRAWING, State.COMPLETE, State.WITHDRAWING, State.ROLLED_BACK):
        build = await advance(store, replace(build, state=state, finished_at=5.0))
    found = await tallies(store.database)
    assert found.by_kind("release_withdrawn") == {"": 1}
    assert found.by_kind("build_entered") == {"complete": 1, "withdrawing": 2, "rolled_back": 1}


async def test_a_duration_is_counted_in_the_cell_that_its_bound_closes(store):
    await stored(store, build := make_build(1))
    for seconds in (0.0, *STEP_BOUNDS, 1e6):
        build = await advance(store, build, run=rows.StepRun(4, 1, "done", 0.0, seconds))
    await advance(store, build, run=rows.StepRun(4, 2, "repair", 0.0, 2.0))
    found = (await tallies(store.database)).steps
    assert found[4, "done"].counts == (2, 1, 1, 1, 1, 1, 1, 1)
    assert found[4, "done"].seconds == sum(STEP_BOUNDS) + 1e6
    assert found[4, "repair"].counts == (0, 1, 0, 0, 0, 0, 0, 0)


async def test_model_calls_are_summed_once_they_have_ended(store):
    await stored(store, make_build(1))
    first = await store.turns.begin("build-1", "apprentice", "m", 10.0)
    reply = ModelReply("msg", "m", (), StopReason.END_TURN, Usage(100, 20, 30, 40))
    await store.database.write(answered("build-1", first.number, reply, 0.5, 12.0))
    second = await store.turns.begin("build-1", "apprentice", "m", 20.0)
    await store.turns.failed("build-1", second.number, "down", 21.0)
    await store.turns.begin("build-1", "apprentice", "m", 30.0)
    await store.turns.begin("build-1", "apprentice", "m", 99.0)
    found = {row["outcome"]: row for row in (await tallies(store.database)).turns}
    assert set(found) == {"answered", "failed", "lost"}
    tokens = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    assert [found["answered"][name] for name in tokens] == [100, 20, 30, 40]
    assert (found["answered"]["usd"], found["answered"]["seconds"]) == (0.5, 2.0)
    assert (found["lost"]["seconds"], found["lost"]["unpriced"]) == (0.0, 1)


async def test_messages_are_counted_by_channel_and_never_by_an_address_of_others(store):
    await stored(store, make_build(1))
    for number, (kind, address) in enumerate(
        [("notify", "slack"), ("reply", "http://else"), ("notify", "ops")]
    ):
        message = Outgoing(f"m{number}", kind, "build-1", address, {}, 10.0 + number)
        await store.database.write(lambda c, message=message: put(c, message))
    await store.outbox.postponed("m0", 50.0, "down")
    await store.outbox.postponed("m0", 60.0, "down")
    await store.outbox.given_up("m0", 70.0, "down")
    await store.outbox.sent("m1", 70.0)
    found = await tallies(store.database)
    assert found.by_channel("message_failed") == {("notify", "slack"): 3}
    assert found.by_channel("message_given_up") == {("notify", "slack"): 1}
    assert found.by_channel("message_sent") == {("reply", ""): 1}
    waits = (await condition(store.database)).messages
    assert (waits.count, waits.since) == (1, 12.0)


async def test_what_waits_tells_since_when_its_oldest_does(store):
    for number, (state, more) in enumerate(
        [
            (State.WAITING_APPROVAL, {"hold": {"opened_at": iso(500.0)}}),
            (State.WAITING_APPROVAL, {"hold": {"opened_at": iso(300.0)}}),
            (State.WAITING_INPUT, {"hold": {"opened_at": iso(400.0)}}),
            (State.WAITING_RETRY, {"retrying_since": 200.0}),
            (State.QUEUED, {}),
            (State.COMPLETE, {"finished_at": 1.0}),
        ],
        1,
    ):
        await stored(store, replace(make_build(number), state=state, **more))
    found = await condition(store.database)
    assert found.builds == {"waiting_approval": 2, "waiting_input": 1, "waiting_retry": 1, "queued": 1}
    assert (found.gates["approval"].count, found.gates["approval"].since) == (2, 300.0)
    assert (found.gates["input"].count, found.gates["input"].since) == (1, 400.0)
    assert (found.retries.count, found.retries.since) == (1, 200.0)


async def test_an_undone_checkpoint_counts_nothing(store):
    await stored(store, build := make_build(1))
    stale = replace(build, version=build.version + 5, state=State.FAILED)
    with pytest.raises(StaleView):
        await advance(store, stale, run=rows.StepRun(1, 1, "done", 0.0, 1.0))
    found = await tallies(store.database)
    assert (found.by_kind("build_entered"), found.steps) == ({}, {})


async def test_no_question_of_a_scrape_looks_at_every_build_or_event(store):
    plans: list[str] = []

    def explain(connection: sqlite3.Connection) -> None:
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        from executor.store import condition as gauges
        from executor.store import tallies as sums

        gauges._read(connection)
        sums._read(connection)
        connection.set_trace_callback(None)
        for sql in asked:
            plans.extend(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}"))

    await store.database.read(explain)
    scanned = [plan for plan in plans if plan.startswith("SCAN")]
    assert len(plans) >= 6
    small = ("tallies", "step_tallies", "turn_tallies", "trace_queue")
    partial = ("builds_unfinished", "outbox_open")
    assert [plan for plan in scanned if plan.split()[1] not in small and not plan.endswith(partial)] == []


async def test_a_database_from_before_the_sums_gets_them_from_its_history(tmp_path):
    from tests.store.test_migrate import SCHEMAS, _released

    _released(tmp_path / "executor.db", SCHEMAS[3]).close()
    store = await Store.open(tmp_path)
    try:
        found = await tallies(store.database)
        assert found.by_kind("build_submitted") == {"": 2}
        assert found.by_kind("build_entered") == {"complete": 1, "waiting_approval": 1}
        assert found.by_channel("message_given_up") == {("notify", "email"): 1}
        assert sum(found.steps[5, "done"].counts) == 2
        assert room(store.database.path).database > 0
    finally:
        await store.close()
