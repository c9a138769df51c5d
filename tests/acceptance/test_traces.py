"""A real daemon sends its builds as traces; kill -9 in between leaves one trace, not two."""

from __future__ import annotations

import asyncio

from tests.acceptance.daemon import RealDaemon
from tests.fakes.collector import FakeCollector


async def test_a_trace_goes_on_after_kill_9_and_reaches_a_collector_that_wants_a_key(tmp_path):
    async with FakeCollector() as collector:
        daemon = RealDaemon(
            tmp_path,
            FPAI_TELEMETRY__OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20canary-key",
        )
        try:
            await asyncio.to_thread(daemon.start)
            build_id = await asyncio.to_thread(
                daemon.build, "Build a droplet that stores cards", approval_mode="checkpoints"
            )
            await asyncio.to_thread(daemon.until, build_id, "waiting_approval")
            await collector.until(2)
            await asyncio.to_thread(daemon.kill)
            await asyncio.to_thread(daemon.start)
            done = await asyncio.to_thread(daemon.call, "DELETE", f"/executor/builds/{build_id}")
            assert done[0] == 200, done
            await collector.until_named("build ")
            assert (await asyncio.to_thread(daemon.terminate)) == 0
        finally:
            await asyncio.to_thread(daemon.clean_up)
    assert collector.refused == []
    assert {request.headers["authorization"] for request in collector.requests} == {"Bearer canary-key"}
    root = collector.named("build ")[0]
    assert {span["traceId"] for span in collector.spans} == {root["traceId"]}
    assert root["attributes"]["fpai.build.outcome"] == "cancelled"
    assert {span["name"] for span in collector.named("step ")} == {"step 1 Intent", "step 2 SPEC Generation"}
    assert {span["parentSpanId"] for span in collector.named("step ")} == {root["spanId"]}
    assert collector.resource["service.name"] == "fpai-executor"
    assert "canary-key" not in daemon.log.read_text()
