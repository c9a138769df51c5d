"""A build's time as bars: one for each attempt of a step, and hatched ones for every wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from executor.domain.build import RUNNABLE, STEP_NAMES, WAITING, Build
from executor.domain.events import Event
from executor.web.page_words import duration, word

_LEAST_PERCENT = 0.6
_LONGEST_PAUSE = 0.2
_BEGINS = {"approval_requested": "person", "input_requested": "person", "retry_scheduled": "wait"}
_ENDS = frozenset(
    {
        "approved", "build_rejected", "revision_requested", "input_received", "retry_started", "step_started",
        "build_cancelled", "budget_raised", "build_failed", "retry_requested", "rollback_started",
    }
)  # fmt: skip
EVENTS = frozenset(_BEGINS) | _ENDS
"""The types of events that `timeline` has to be given."""
_WAITS = {"person": "waited for a person", "wait": "waited to try again"}


@dataclass(frozen=True, slots=True)
class Span:
    """Some time of one step. `kind` is done, repair, retry, failed, asked, running; waits: person, wait."""

    step: int
    kind: str
    begun: float
    ended: float
    words: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A span as it is drawn: where it begins and how long it is, in percent of the width."""

    kind: str
    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """One step's bars; `seconds` is what all its attempts took, without waits."""

    step: int
    name: str
    bars: tuple[Bar, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """The eight rows; `is_cut` when long pauses are drawn shorter than they were."""

    rows: tuple[Row, ...]
    is_cut: bool


def timeline(
    build: Build, runs: Sequence[Mapping[str, Any]], events: Sequence[Event], now: float
) -> Timeline:
    """`runs` are the ended attempts with `at`, their end, and `seconds`; times are seconds of the epoch."""
    works = [
        Span(run["step"], run["ended"], run["at"] - run["seconds"], run["at"], _attempt(run)) for run in runs
    ]
    if build.state in RUNNABLE and build.step_started_at is not None:
        works.append(Span(build.step, "running", build.step_started_at, now, "running"))
    waits = list(_waits(build, events, now))
    scale = _Scale(build.created_at, works, waits)
    return Timeline(tuple(_row(step, works, waits, scale) for step in range(1, 9)), scale.is_cut)


class _Scale:
    """Instants as percents. A pause in which no step worked is drawn so short that work stays visible."""

    def __init__(self, begun: float, works: Sequence[Span], waits: Sequence[Span]) -> None:
        self.is_cut = False
        worked = sum(span.ended - span.begun for span in works)
        longest = worked * _LONGEST_PAUSE or float("inf")
        ends = sorted({begun, *(t for s in (*works, *waits) for t in (s.begun, s.ended) if t >= begun)})
        self._ends, self._places = ends, [0.0]
        for left, right in pairwise(ends):
            is_work = any(span.begun <= left and span.ended >= right for span in works)
            drawn = right - left if is_work else min(right - left, longest)
            self.is_cut = self.is_cut or drawn < right - left
            self._places.append(self._places[-1] + drawn)

    def percent(self, instant: float) -> float:
        """Where an instant is; only ends of spans are asked for."""
        whole = self._places[-1] or 1.0
        place = next((p for end, p in zip(self._ends, self._places, strict=True) if end >= instant), whole)
        return 100.0 * place / whole


def _row(step: int, works: Sequence[Span], waits: Sequence[Span], scale: _Scale) -> Row:
    own = sorted((s for s in (*works, *waits) if s.step == step), key=lambda s: s.begun)
    seconds = sum(s.ended - s.begun for s in works if s.step == step)
    return Row(step, STEP_NAMES[step - 1], tuple(_bar(span, scale) for span in own), seconds)


def _bar(span: Span, scale: _Scale) -> Bar:
    x = min(scale.percent(span.begun), 100 - _LEAST_PERCENT)
    width = max(_LEAST_PERCENT, scale.percent(span.ended) - x)
    return Bar(span.kind, round(x, 2), round(width, 2), f"{span.words}, {duration(span.ended - span.begun)}")


def _waits(build: Build, events: Sequence[Event], now: float) -> Iterator[Span]:
    begun: Event | None = None
    for event in events:
        if begun is not None and event.event_type in _ENDS:
            yield _wait(begun, event.timestamp)
            begun = None
        if event.event_type in _BEGINS:
            begun = event
    if begun is not None and build.state in WAITING:
        yield _wait(begun, now)


def _wait(begun: Event, ended: float) -> Span:
    kind = _BEGINS[begun.event_type]
    return Span(begun.step, kind, begun.timestamp, ended, _WAITS[kind])


def _attempt(run: Mapping[str, Any]) -> str:
    return f"attempt {run['attempt']} {word(run['ended'])}"
