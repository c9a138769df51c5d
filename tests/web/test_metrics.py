"""What /metrics says follows what happens, in names that Prometheus' linter takes, with few labels."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from executor.domain.build import State
from executor.domain.conversation import ModelReply, StopReason, Usage
from executor.engine.channel_sender import ChannelSender
from executor.engine.deliveries import Deliveries
from executor.engine.notices import NOTIFY
from executor.engine.reports import Reports
from executor.errors import Permanent, Transient
from executor.store.droplets import ReleaseRow
from executor.store.turns import answered
from executor.web.api import Dependency
from executor.web.metrics import Metrics
from tests.engine.conftest import World
from tests.web.conftest import Serving, Site
from tests.web.metrics_seen import COMPONENT_UNITS, Seen


async def scraped(site: Site) -> Seen:
    status, text, headers = await site.get("/metrics")
    assert status == 200, text
    assert headers["content-type"].startswith("text/plain")
    return Seen.of(text)


async def test_builds_are_counted_by_state_and_by_how_they_ended(site: Site) -> None:
    await site.finished(auto_approve=True)
    waits = await site.started(approval_mode="checkpoints")
    await site.world.until(waits, State.WAITING_APPROVAL)
    seen = await scraped(site)
    assert seen.value("fpai_builds", state="waiting_approval") == 1
    assert seen.value("fpai_builds", state="queued") == 0
    assert seen.value("fpai_builds_submitted_total") == 2
    assert seen.value("fpai_builds_ended_total", outcome="complete") == 1
    assert seen.value("fpai_builds_ended_total", outcome="failed") == 0
    assert seen.value("fpai_slots_used") == 0
    assert seen.value("fpai_deployments_total") == 1
    assert seen.value("fpai_step_duration_seconds_count", step="8", name="Report", outcome="done") == 1
    assert seen.value("fpai_step_duration_seconds_bucket", step="1", outcome="done", le="+Inf") == 2


async def test_a_gate_is_open_for_as_long_as_nobody_decides(serve: Serving) -> None:
    async with serve(world={"ahead": 0.0}) as site:
        build_id = await site.started(approval_mode="checkpoints")
        build = await site.world.until(build_id, State.WAITING_APPROVAL)
        site.world.live.now = lambda: time.time() + 3600.0
        seen = await scraped(site)
        assert seen.value("fpai_gates_open", kind="approval") == 1
        assert seen.value("fpai_gate_oldest_seconds", kind="approval") >= 3600
        assert seen.value("fpai_gates_opened_total", kind="approval") == 1
        assert seen.value("fpai_gates_open", kind="input") == 0
        site.world.live.now = time.time
        await site.world.commands.cancel(build.id)
        seen = await scraped(site)
        assert seen.value("fpai_gates_open", kind="approval") == 0
        assert seen.value("fpai_gate_oldest_seconds", kind="approval") == 0
        assert seen.value("fpai_gates_opened_total", kind="approval") == 1
        assert seen.value("fpai_builds_ended_total", outcome="cancelled") == 1


async def test_a_step_that_waits_for_something_to_come_back_shows_since_when(site: Site) -> None:
    async def away(_: Any) -> Any:
        raise Transient("The service is away.", retry_after=1800.0)

    site.world.steps[5].script = away
    build_id = await site.started()
    await site.world.until(build_id, State.WAITING_RETRY)
    site.world.live.now = lambda: time.time() + 700.0
    seen = await scraped(site)
    assert seen.value("fpai_builds", state="waiting_retry") == 1
    assert seen.value("fpai_retry_oldest_seconds") >= 700
    assert seen.value("fpai_step_retries_total") == 1
    assert seen.value("fpai_step_duration_seconds_count", step="5", outcome="retry") == 1


class _Deaf:
    """A channel that never takes a notice."""

    async def tell(self, *_: object, **__: object) -> None:
        raise Transient("The channel is down.")


class _Refusing:
    """A channel that takes no notice for good."""

    async def tell(self, *_: object, **__: object) -> None:
        raise Permanent("The channel is gone.")


async def test_undelivered_messages_show_their_channel_and_their_age(serve: Serving) -> None:
    def channels(world: World) -> Mapping[str, Any]:
        return {"channels": {"slack": "", "email": "", "ops": ""}}

    async with serve(api=channels) as site:
        store = site.world.store
        before = await scraped(site)
        assert before.value("fpai_message_failures_total", kind="notify", channel="slack") == 0
        await site.finished(notify_channels=["slack", "email"])
        sender = ChannelSender({"slack": _Deaf(), "email": _Refusing()}, store.outbox)
        deliveries = Deliveries(
            store=store, senders={NOTIFY: sender}, reports=Reports(site.url, 12), clock=time.time
        )
        await deliveries.look()
        site.world.live.now = lambda: time.time() + 500.0
        seen = await scraped(site)
        assert seen.value("fpai_messages_waiting") >= 1
        assert seen.value("fpai_message_oldest_seconds") >= 500
        assert seen.value("fpai_message_failures_total", kind="notify", channel="slack") == 1
        assert seen.value("fpai_messages_given_up_total", kind="notify", channel="email") == 1
        assert seen.value("fpai_messages_sent_total", kind="notify", channel="ops") == 0


async def test_what_a_model_took_is_there_by_model_and_kind(site: Site) -> None:
    build_id, turns = await site.started(), site.world.store.turns
    first = await turns.begin(build_id, "apprentice", "claude-x", 10.0)
    reply = ModelReply("m1", "claude-x", (), StopReason.END_TURN, Usage(100, 20, 300, 40))
    await site.world.store.database.write(answered(build_id, first.number, reply, 0.25, 12.5))
    second = await turns.begin(build_id, "apprentice", "claude-x", 20.0)
    await turns.failed(build_id, second.number, "down", 21.0)
    seen = await scraped(site)
    tokens = {k: seen.value("fpai_model_tokens_total", model="claude-x", kind=k) for k in _TOKENS}
    assert tokens == {"input": 100, "output": 20, "cache_read": 300, "cache_write": 40}
    assert seen.value("fpai_model_dollars_total", model="claude-x") == 0.25
    assert seen.value("fpai_model_requests_total", model="claude-x", outcome="answered") == 1
    assert seen.value("fpai_model_requests_total", model="claude-x", outcome="failed") == 1
    assert seen.value("fpai_model_request_seconds_total", model="claude-x", outcome="answered") == 2.5
    assert seen.value("fpai_model_unpriced_requests_total", model="claude-x") == 1


_TOKENS = ("input", "output", "cache_read", "cache_write")


async def test_releases_and_neighbours_show_whether_they_are_there(serve: Serving) -> None:
    def around(world: World) -> Mapping[str, Any]:
        away = Dependency("registry", "http", "unavailable")
        near = Dependency("sandbox", "local", "available")
        return {"dependencies": lambda: (away, near), "health_of": {"r1": "active"}.get}

    async with serve(api=around) as site:
        build = await site.finished()
        row = ReleaseRow(
            "r1", build.droplet_id, build.id, "1", "c", "process", "http://x", {}, "live", 1.0, 1.0
        )
        await site.world.store.droplets.switch("coordinator", row)
        seen = await scraped(site)
        assert seen.value("fpai_releases", health="active") == 1
        assert seen.value("fpai_releases", health="unreachable") == 0
        assert seen.value("fpai_dependency_up", name="registry") == 0
        assert seen.value("fpai_dependency_up", name="sandbox") == 1


async def test_the_disk_the_database_and_its_backup_are_measured(site: Site) -> None:
    await site.finished()
    seen = await scraped(site)
    assert seen.value("fpai_backup_last_success_timestamp_seconds") == 0
    assert seen.value("fpai_database_bytes") > 0
    assert seen.value("fpai_disk_free_bytes") > 0
    writes = seen.value("fpai_checkpoint_duration_seconds_count")
    assert writes >= 9
    assert seen.value("fpai_checkpoint_duration_seconds_bucket", le="+Inf") == writes
    assert abs(seen.value("fpai_database_last_write_timestamp_seconds") - time.time()) < 600
    assert site.world.store.backups.take(5000.0) is not None
    seen = await scraped(site)
    assert seen.value("fpai_backup_last_success_timestamp_seconds") == 5000


async def test_a_loop_that_was_held_up_shows_by_how_long(site: Site) -> None:
    now = 0.0

    def clock() -> float:
        return now

    pulse = type(site.api.pulse)(clock, every=0.0)
    api = replace(site.api, pulse=pulse)
    looking = asyncio.create_task(pulse.run())
    await asyncio.sleep(0)
    now += 3.5
    while not pulse.worst:
        await asyncio.sleep(0)
    while pulse.lag:
        await asyncio.sleep(0)
    looking.cancel()
    seen = Seen.of((await Metrics(api).text()).decode())
    assert seen.value("fpai_event_loop_lag_max_seconds") == 3.5
    assert seen.value("fpai_event_loop_lag_seconds") == 0


async def test_labels_stay_few_whatever_is_asked(site: Site) -> None:
    build_id = await site.started()
    for number in range(40):
        await site.get(f"/executor/builds/build-{number}-x/status")
    await scraped(site)
    before = await scraped(site)
    odd = [f"/{'x' * (number % 50)}/{number}" for number in range(250)]
    odd += [f"/executor/builds/build-{number}/status?q={number}" for number in range(250)]
    odd += [f"/static/{number}.js" for number in range(250)]
    answers = await asyncio.gather(*(site.call("GET", path) for path in odd))
    assert {status for status, _, _ in answers} == {404}
    methods = ["PROPFIND", "MKCOL", "SEARCH", "LOCK", "PURGE"] * 50
    await asyncio.gather(*(site.call(method, "/livez") for method in methods))
    after = await scraped(site)
    assert (
        len(after.samples("fpai_http_requests_total")) <= len(before.samples("fpai_http_requests_total")) + 4
    )
    assert after.value("fpai_http_requests_total", method="GET", route="none", code="404") == 250
    route = "/executor/builds/{build_id}/status"
    assert after.value("fpai_http_requests_total", method="GET", route=route, code="404") == 290
    assert after.value("fpai_http_requests_total", method="GET", route="/static", code="404") == 250
    assert after.value("fpai_http_requests_total", method="other", route="/livez", code="405") == 250
    assert after.value("fpai_http_request_duration_seconds_count", route=route) == 290
    assert build_id not in after.text


async def test_every_name_is_as_prometheus_wants_it(site: Site) -> None:
    await site.finished()
    await scraped(site)
    families = list((await scraped(site)).families.values())
    assert len(families) > 40
    assert [problem for family in families for problem in _problems(family)] == []


def _problems(family: Metric) -> list[str]:
    """What promtool's linter would say (prometheus/promtool, check metrics)."""
    name, found = family.name, []
    samples = {sample.name for sample in family.samples}
    if not family.documentation.endswith(".") and name.startswith("fpai_"):
        found.append(f"{name} has no HELP that is a sentence")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        found.append(f"{name} is no snake_case")
    if family.type == "counter" and samples - {f"{name}_total"}:
        found.append(f"{name}: a counter ends in _total")
    if family.type == "gauge" and re.search(r"_(total|count|sum|bucket)$", name):
        found.append(f"{name}: a gauge does not end as a counter or histogram does")
    if re.search(rf"_({'|'.join(COMPONENT_UNITS)})(_|$)", name):
        found.append(f"{name}: base units only")
    if re.search(r"_(gauge|counter|histogram|summary)(_|$)", name):
        found.append(f"{name} has its type in its name")
    labels = {label for sample in family.samples for label in sample.labels} - {"le"}
    found += [f"{name} has a label {label}" for label in labels if not re.fullmatch(r"[a-z]+", label)]
    return found


async def test_a_counter_never_falls_when_the_daemon_starts_anew(tmp_path, serve: Serving) -> None:
    async with serve() as site:
        await site.finished(auto_approve=True)
        before = await scraped(site)
    async with serve() as site:
        after = await scraped(site)
    for name in (
        "fpai_builds_submitted_total",
        "fpai_builds_ended_total",
        "fpai_step_duration_seconds_count",
    ):
        assert before.samples(name)
        assert after.samples(name) == before.samples(name)


def test_the_seen_metrics_are_told_apart_by_their_labels() -> None:
    text = '# HELP a A.\n# TYPE a gauge\na{k="x"} 1.0\na{k="y"} 2.0\n'
    assert [f.name for f in text_string_to_metric_families(text)] == ["a"]
    assert Seen.of(text).value("a", k="y") == 2.0
