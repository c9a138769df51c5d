"""Metrics of what the daemon does: builds, steps, gates, models, releases, messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import Metric

from executor.domain.build import DEPLOY_STEP, FINISHED, STEP_NAMES, State
from executor.store.condition import Condition, Waiting
from executor.store.tallies import STEP_BOUNDS, Tallies
from executor.web.metrics_families import counter, gauge, histogram, one, zeros

_HEALTH = ("active", "error", "unreachable", "unknown")
_TOKENS = ("input", "output", "cache_read", "cache_write")
_MESSAGE = ("kind", "channel")


def build_families(
    sums: Tallies,
    waits: Condition,
    now: float,
    health: Mapping[str, int],
    channels: Mapping[str, str],
) -> Iterator[Metric]:
    """`health` counts live releases by what was seen of them last; `now` is in seconds since the epoch."""
    yield from _builds(sums, waits)
    yield from _waits(sums, waits, now)
    yield from _steps(sums)
    yield from _models(sums)
    yield from _releases(sums, health)
    yield from _messages(sums, waits, now, channels)


def _builds(sums: Tallies, waits: Condition) -> Iterator[Metric]:
    unfinished = [state.value for state in State if state not in FINISHED]
    entered = sums.by_kind("build_entered")
    ended = {state.value: entered.get(state.value, 0) for state in State if state in FINISHED}
    yield gauge("fpai_builds", "Unfinished builds.", zeros(unfinished, waits.builds), ("state",))
    submitted = sums.by_kind("build_submitted").get("", 0)
    yield counter("fpai_builds_submitted", "Builds that were submitted.", one(submitted))
    yield counter(
        "fpai_builds_ended",
        "Ends of builds; one that is retried or withdrawn ends again.",
        {(outcome,): count for outcome, count in ended.items()},
        ("outcome",),
    )


def _waits(sums: Tallies, waits: Condition, now: float) -> Iterator[Metric]:
    entered = sums.by_kind("build_entered")
    yield gauge(
        "fpai_gates_open",
        "Builds that wait for a person's approval or input.",
        {(kind,): found.count for kind, found in waits.gates.items()},
        ("kind",),
    )
    yield gauge(
        "fpai_gate_oldest_seconds",
        "How long the longest waiting build has waited for a person; 0 when none does.",
        {(kind,): _age(found, now) for kind, found in waits.gates.items()},
        ("kind",),
    )
    opened = {(kind,): entered.get(f"waiting_{kind}", 0) for kind in waits.gates}
    yield counter("fpai_gates_opened", "Times that a build began to wait for a person.", opened, ("kind",))
    yield gauge(
        "fpai_retry_oldest_seconds",
        "How long the build that is being retried longest has been; 0 when none is.",
        one(_age(waits.retries, now)),
    )


def _steps(sums: Tallies) -> Iterator[Metric]:
    cells = {
        (str(step), STEP_NAMES[step - 1], ended): (found.counts, found.seconds)
        for (step, ended), found in sorted(sums.steps.items())
    }
    yield histogram(
        "fpai_step_duration_seconds",
        "Working time of ended attempts of steps; an attempt ends done, repair, asked, retry or failed.",
        STEP_BOUNDS,
        cells,
        ("step", "name", "outcome"),
    )
    repairs = one(_attempts(sums, "repair"))
    yield counter("fpai_repairs", "Times that a build was sent back to an earlier step.", repairs)
    retries = one(_attempts(sums, "retry"))
    yield counter("fpai_step_retries", "Times that a step was put off until something is back.", retries)


def _attempts(sums: Tallies, ended: str, step: int | None = None) -> int:
    """How many attempts of one step, or of all, ended so."""
    found = (cells for (number, how), cells in sums.steps.items() if how == ended and step in (None, number))
    return sum(sum(cells.counts) for cells in found)


def _models(sums: Tallies) -> Iterator[Metric]:
    by_outcome = {(row["model"], row["outcome"]): row for row in sums.turns}
    yield counter(
        "fpai_model_requests",
        "Ended model calls; a lost one was cut off by a kill.",
        {key: row["count"] for key, row in by_outcome.items()},
        ("model", "outcome"),
    )
    yield counter(
        "fpai_model_request_seconds",
        "Time that model calls took.",
        {key: row["seconds"] for key, row in by_outcome.items()},
        ("model", "outcome"),
    )
    yield counter(
        "fpai_model_tokens",
        "Tokens; input are those that neither came from the cache nor went into it.",
        _summed(sums, {kind: f"{kind}_tokens" for kind in _TOKENS}),
        ("model", "kind"),
    )
    dollars = {(key,): value for (key, _), value in _summed(sums, {"": "usd"}).items()}
    yield counter("fpai_model_dollars", "What model calls cost in US dollars.", dollars, ("model",))
    unpriced = {(key,): value for (key, _), value in _summed(sums, {"": "unpriced"}).items()}
    says = "Model calls whose dollars are not known: failed, cut off, or of a model without a price."
    yield counter("fpai_model_unpriced_requests", says, unpriced, ("model",))


def _summed(sums: Tallies, columns: Mapping[str, str]) -> dict[tuple[str, ...], float]:
    """Columns of model calls over all outcomes, by model and the columns' short names."""
    found: dict[tuple[str, ...], float] = {}
    for row in sums.turns:
        for name, column in columns.items():
            found[row["model"], name] = found.get((row["model"], name), 0) + row[column]
    return found


def _releases(sums: Tallies, health: Mapping[str, int]) -> Iterator[Metric]:
    deployed = one(_attempts(sums, "done", DEPLOY_STEP))
    yield counter("fpai_deployments", "Releases that went live.", deployed)
    refused = one(_attempts(sums, "repair", DEPLOY_STEP))
    yield counter("fpai_deployments_refused", "Releases that did not prove themselves.", refused)
    withdrawn = one(sums.by_kind("release_withdrawn").get("", 0))
    yield counter("fpai_rollbacks", "Releases that were taken back.", withdrawn)
    says = "Live releases by what their last probe saw."
    yield gauge("fpai_releases", says, zeros(_HEALTH, health), ("health",))


def _messages(sums: Tallies, waits: Condition, now: float, channels: Iterable[str]) -> Iterator[Metric]:
    none = {("notify", channel): 0 for channel in channels}
    yield gauge("fpai_messages_waiting", "Messages that were not delivered yet.", one(waits.messages.count))
    says = "Age of the oldest message that was not delivered yet; 0 when there is none."
    yield gauge("fpai_message_oldest_seconds", says, one(_age(waits.messages, now)))
    sent = {**none, **sums.by_channel("message_sent")}
    yield counter("fpai_messages_sent", "Messages that their receivers took.", sent, _MESSAGE)
    failed = {**none, **sums.by_channel("message_failed")}
    yield counter("fpai_message_failures", "Tries to deliver a message that failed.", failed, _MESSAGE)
    given_up = {**none, **sums.by_channel("message_given_up")}
    yield counter("fpai_messages_given_up", "Messages that were given up.", given_up, _MESSAGE)
    yield gauge("fpai_traces_waiting", "Spans' sources that no collector took yet.", one(waits.traces.count))
    says = "Age of the oldest of them; 0 when there is none."
    yield gauge("fpai_trace_oldest_seconds", says, one(_age(waits.traces, now)))


def _age(waiting: Waiting, now: float) -> float:
    return max(0.0, now - waiting.since) if waiting.since is not None else 0.0
