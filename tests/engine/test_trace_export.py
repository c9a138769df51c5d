"""A build is one trace, whatever restarts; a collector that is away, slow or unwilling never holds one up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from executor.adapters.otlp import OtlpCollector
from executor.domain.build import State
from executor.domain.conversation import ModelReply, StopReason, Usage
from executor.domain.outcome import Done, Repair
from executor.domain.retry import RetryPolicy
from executor.engine.trace_export import TraceExport, trace_nothing
from executor.engine.trace_spans import SpanWriter
from executor.errors import Permanent, Transient
from executor.redaction import Redactor
from executor.store.turns import answered, finished
from tests.engine.conftest import World, running_world
from tests.fakes.collector import FakeCollector
from tests.patience import PATIENCE

SALT = b"of this state directory"


def export_of(world: World, session: aiohttp.ClientSession, url: str, **more: Any) -> TraceExport:
    redact = more.pop("redact", str)
    collector = OtlpCollector(session, url, headers={}, resource={"service.name": "fpai-executor"})
    policy = RetryPolicy(first=0.01, longest=0.02, patience=float("inf"))
    writer, clock = SpanWriter(SALT, redact), more.pop("clock", time.time)
    return TraceExport(world.store.traces, collector, writer, clock, gather=0.0, policy=policy, **more)


@asynccontextmanager
async def traced(directory: Path, collector: FakeCollector, **more: Any) -> AsyncIterator[World]:
    """A world whose builds are traced while it runs."""
    async with running_world(directory) as world, aiohttp.ClientSession() as session:
        export = export_of(world, session, collector.url, **more)
        await world.store.traces.keep(True)
        world.listeners.append(export.note)
        task = asyncio.create_task(export.run())
        try:
            yield world
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def left(world: World) -> int:
    return int((await world.store.database.fetch("SELECT count(*) AS n FROM trace_queue"))[0]["n"])


async def test_a_build_is_a_trace_with_a_span_for_every_attempt(tmp_path):
    async with FakeCollector() as collector, traced(tmp_path, collector) as world:
        tries = []

        async def verify(_: Any) -> Any:
            tries.append(1)
            return Repair("A test fails.", "test_it", 4) if len(tries) == 1 else Done("Green.")

        world.steps[5].script = verify
        build = await world.submit()
        await world.until(build.id)
        await collector.until(11)
    assert collector.refused == []
    assert collector.resource == {"service.name": "fpai-executor"}
    (root,) = collector.named("build ")
    steps = collector.named("step ")
    assert [span["name"][:6] for span in steps] == [f"step {n}" for n in (1, 2, 3, 4, 5, 4, 5, 6, 7, 8)]
    assert {span["traceId"] for span in collector.spans} == {root["traceId"]}
    assert {span["parentSpanId"] for span in steps} == {root["spanId"]}
    assert (root["parentSpanId"], root["attributes"]["fpai.build.outcome"]) == ("", "complete")
    assert root["attributes"]["fpai.build.id"] == build.id
    assert len({span["spanId"] for span in collector.spans}) == 11
    assert [s["attributes"]["fpai.step.outcome"] for s in steps[3:6]] == ["done", "repair", "done"]
    assert [s["attributes"]["fpai.step.attempt"] for s in steps[3:7]] == [1, 1, 2, 2]
    assert "step_started" in [event["name"] for event in steps[0]["events"]]
    assert int(root["startTimeUnixNano"]) <= int(steps[0]["startTimeUnixNano"])
    assert int(root["endTimeUnixNano"]) >= int(steps[-1]["endTimeUnixNano"])


async def test_model_calls_tools_and_effects_are_children_of_their_attempt(tmp_path):
    async with FakeCollector() as collector, traced(tmp_path, collector) as world:

        async def build_it(context: Any) -> Done:
            turns, build_id = world.store.turns, context.build.id
            opened = await turns.begin(build_id, "apprentice", "claude-x", context.now())
            reply = ModelReply("msg_1", "claude-x", (), StopReason.TOOL_USE, Usage(10, 20, 30, 40))
            await world.store.database.write(answered(build_id, 1, reply, 0.125, context.now()))
            block = {"id": "call_1", "name": "bash", "input": {"command": "cat secret"}}
            await turns.call_started(build_id, opened.number, 0, block, context.now())
            result = {"text": "no such file", "is_error": True}
            await turns.call_finished(
                finished(build_id, 1, 0, result=result, snapshot=None, now=context.now())
            )
            second = await turns.begin(build_id, "apprentice", "claude-x", context.now())
            await turns.failed(build_id, second.number, "The service is down.", context.now())
            return Done("Built.")

        async def deploy(context: Any) -> Done:
            async def probe() -> None:
                return None

            async def act() -> dict[str, Any]:
                return {"url": "http://x"}

            await context.effect("start/release-1/1", probe=probe, act=act)
            return Done("Live.")

        world.steps[4].script, world.steps[6].script = build_it, deploy
        await world.until((await world.submit()).id)
        await collector.until(13)
    parents = {span["name"][:6]: span["spanId"] for span in collector.named("step ")}
    first, second = collector.named("chat claude-x")
    assert first["parentSpanId"] == second["parentSpanId"] == parents["step 4"]
    said = first["attributes"]
    assert said["gen_ai.request.model"] == "claude-x"
    assert said["gen_ai.operation.name"] == "chat"
    assert said["gen_ai.usage.input_tokens"] == 80
    assert said["gen_ai.usage.cache_read.input_tokens"] == 30
    assert said["gen_ai.usage.output_tokens"] == 20
    assert said["gen_ai.response.finish_reasons"] == ["tool_use"]
    assert said["fpai.cost.usd"] == 0.125
    assert (first["kind"], first["status"]) == (3, {})
    assert second["status"] == {"code": 2, "message": "The service is down."}
    (tool,) = collector.named("execute_tool bash")
    assert (tool["parentSpanId"], tool["status"]["code"]) == (parents["step 4"], 2)
    assert "secret" not in str(tool)
    (effect,) = collector.named("effect start")
    assert (effect["parentSpanId"], effect["status"]) == (parents["step 6"], {})
    assert effect["attributes"]["fpai.effect.key"] == "start/release-1/1"


async def test_a_restart_goes_on_in_the_same_trace_and_nothing_is_sent_twice(tmp_path):
    async with FakeCollector() as collector:
        async with traced(tmp_path, collector) as world:
            build = await world.submit(approval_mode="checkpoints")
            await world.until(build.id, State.WAITING_APPROVAL)
            await collector.until(2)
            assert await settled(world) == 0
        async with running_world(tmp_path) as world:  # nobody exports, as when the daemon is killed at once
            gate = (await world.store.builds.get(build.id)).hold["gate_id"]
            await world.commands.approve(
                build.id, checkpoint=None, decision="approve", feedback="", gate_id=gate
            )
            await world.until(build.id, State.WAITING_APPROVAL)
        async with traced(tmp_path, collector) as world:
            gate = (await world.store.builds.get(build.id)).hold["gate_id"]
            await world.commands.approve(
                build.id, checkpoint=None, decision="approve", feedback="", gate_id=gate
            )
            await world.until(build.id)
            await collector.until(9)
            assert await settled(world) == 0
    assert len({span["traceId"] for span in collector.spans}) == 1
    assert len({span["spanId"] for span in collector.spans}) == len(collector.spans) == 9
    assert [span["name"][:6] for span in collector.named("step ")] == [f"step {n}" for n in range(1, 9)]


async def settled(world: World) -> int:
    """What is left in the queue once the export has noted what the collector took."""
    async with asyncio.timeout(PATIENCE):
        while await left(world):
            await asyncio.sleep(0.01)
    return 0


async def test_a_collector_that_is_away_gets_everything_when_it_is_back(tmp_path):
    async with FakeCollector() as collector:
        await collector.close()
        async with traced(tmp_path, collector) as world:
            done = await world.until((await world.submit()).id)
            assert done.state is State.COMPLETE
            assert await left(world) == 9
            await collector.open()
            await collector.until(9)
            assert await settled(world) == 0
    assert len({span["spanId"] for span in collector.spans}) == len(collector.spans) == 9


async def test_a_collector_that_never_answers_holds_no_build_up(tmp_path):
    async with FakeCollector() as collector:
        collector.held.clear()
        async with traced(tmp_path, collector) as world:
            for number in range(5):
                build = await world.submit(f"Build a Droplet {number} for work")
                assert (await world.until(build.id)).state is State.COMPLETE
            await collector.asked(1)
            assert collector.spans == []
            assert await left(world) == 45
        collector.held.set()


async def test_a_kill_before_the_yes_was_noted_sends_the_same_spans_with_the_same_ids(tmp_path):
    async with (
        FakeCollector() as collector,
        running_world(tmp_path) as world,
        aiohttp.ClientSession() as session,
    ):
        await world.store.traces.keep(True)
        await world.until((await world.submit()).id)
        collector.held.clear()
        looking = asyncio.create_task(export_of(world, session, collector.url).look())
        await collector.asked(1)
        looking.cancel()  # the request is on its way, and its answer will not be heard
        with suppress(asyncio.CancelledError):
            await looking
        collector.held.set()
        await collector.until(9)
        assert await left(world) == 9
        await export_of(world, session, collector.url).look()
        assert await left(world) == 0
    assert len(collector.spans) == 18
    assert collector.spans[:9] == collector.spans[9:]


async def test_only_what_is_at_fault_is_lost_when_a_request_is_refused(tmp_path):
    async with (
        FakeCollector() as collector,
        running_world(tmp_path) as world,
        aiohttp.ClientSession() as session,
    ):
        await world.store.traces.keep(True)
        await world.until((await world.submit()).id)
        collector.statuses = [413, 200, 400]  # all at once, the first alone, the second alone
        await export_of(world, session, collector.url).look()
        assert await left(world) == 0
    assert [span["name"][:6] for span in collector.named("step ")] == [
        f"step {n}" for n in (1, 3, 4, 5, 6, 7, 8)
    ]


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
async def test_a_collector_that_may_take_them_later_loses_nothing(tmp_path, status):
    async with (
        FakeCollector() as collector,
        running_world(tmp_path) as world,
        aiohttp.ClientSession() as session,
    ):
        await world.store.traces.keep(True)
        await world.until((await world.submit()).id)
        collector.statuses = [status]
        export = export_of(world, session, collector.url)
        with pytest.raises(Transient):
            await export.look()
        assert await left(world) == 9
        await export.look()
        assert await left(world) == 0
    assert len(collector.spans) == 9


async def test_an_outage_of_days_costs_bounded_room_and_the_newest_are_kept(tmp_path):
    async with (
        FakeCollector() as collector,
        running_world(tmp_path) as world,
        aiohttp.ClientSession() as session,
    ):
        await world.store.traces.keep(True)
        await world.until((await world.submit()).id)
        later = {"at": time.time()}
        export = export_of(world, session, collector.url, clock=lambda: later["at"], most=5)
        collector.statuses = [503, 503]
        for _ in range(2):
            with pytest.raises(Transient):
                await export.look()
        assert await left(world) == 5
        later["at"] += 25 * 3600
        await export.look()
        assert await left(world) == 0
    assert collector.spans == []


async def test_secrets_are_hidden_in_everything_that_is_sent(tmp_path):
    redact = Redactor(["canary-0123456789"]).text
    async with FakeCollector() as collector, traced(tmp_path, collector, redact=redact) as world:

        async def fails(context: Any) -> Any:
            await context.record("told", "The key is canary-0123456789.")
            raise Permanent("canary-0123456789 is no key")

        world.steps[3].script = fails
        await world.until((await world.submit("Build a Droplet with canary-0123456789")).id)
        await collector.until(4)
    assert "canary-0123456789" not in str(collector.spans)
    assert "[redacted]" in str(collector.named("step 3")[0]["status"])
    assert "[redacted]" in collector.named("build ")[0]["attributes"]["fpai.build.intent"]


async def test_a_build_that_is_cancelled_in_the_queue_and_one_that_is_retried_end_in_their_trace(tmp_path):
    async with FakeCollector() as collector, traced(tmp_path, collector) as world:

        async def fails(_: Any) -> Any:
            raise Permanent("Once.")

        world.steps[2].script = fails
        build = await world.submit()
        await world.until(build.id, State.FAILED)
        await collector.until(3)
        world.steps[2].script = None
        await world.commands.retry(build.id, None)
        await world.until(build.id, State.COMPLETE)
        await collector.until(11)
    first, again = collector.named("build ")
    assert first["status"]["code"] == 2
    assert (again["parentSpanId"], again["traceId"]) == (first["spanId"], first["traceId"])
    assert again["attributes"]["fpai.build.outcome"] == "complete"
    assert int(again["startTimeUnixNano"]) >= int(first["endTimeUnixNano"])


async def test_nothing_is_kept_for_a_collector_that_is_not_configured(tmp_path):
    async with running_world(tmp_path) as world:
        await world.store.traces.keep(True)
        await world.until((await world.submit()).id)
        assert await left(world) == 9
        await trace_nothing(world.store.traces)
        await world.until((await world.submit("Build another Droplet")).id)
        assert await left(world) == 0
