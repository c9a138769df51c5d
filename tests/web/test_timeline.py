"""A build's time as bars."""

from __future__ import annotations

from typing import Any

from executor.domain.build import ApprovalMode, Build, State
from executor.domain.events import Event
from executor.web.timeline import Bar, timeline


def a_build(state: State, step: int, started: float | None = None) -> Build:
    return Build(
        "build-13-x-20260101-001", "x", 13, "x", ApprovalMode.AUTO, "process", 100.0, 100.0,
        state=state, step=step, step_started_at=started,
    )  # fmt: skip


def run(step: int, ended: str, begun: float, end: float, attempt: int = 1) -> dict[str, Any]:
    return {"step": step, "attempt": attempt, "ended": ended, "at": end, "seconds": end - begun}


def event(kind: str, step: int, at: float) -> Event:
    return Event("build-13-x-20260101-001", 1, kind, step, 1, 0, "", at, {})


def bars(rows: Any, step: int) -> list[tuple[str, float, float]]:
    return [(bar.kind, bar.x, bar.width) for bar in rows.rows[step - 1].bars]


def test_each_attempt_of_a_step_has_a_bar_where_it_was() -> None:
    runs = [
        run(4, "done", 100, 150),
        run(5, "repair", 150, 160),
        run(4, "done", 160, 190, 2),
        run(5, "done", 190, 200),
    ]
    found = timeline(a_build(State.COMPLETE, 8), runs, [], 999.0)
    assert bars(found, 4) == [("done", 0.0, 50.0), ("done", 60.0, 30.0)]
    assert bars(found, 5) == [("repair", 50.0, 10.0), ("done", 90.0, 10.0)]
    assert found.rows[3].bars[1].title == "attempt 2 done, 30 s"
    assert (found.rows[3].seconds, found.is_cut) == (80.0, False)


def test_what_runs_ends_now() -> None:
    found = timeline(a_build(State.IN_PROGRESS, 2, 110.0), [run(1, "done", 100, 110)], [], 120.0)
    assert bars(found, 2) == [("running", 50.0, 50.0)]


def test_a_wait_for_a_person_is_a_bar_of_its_own_and_a_long_one_leaves_room_for_the_work() -> None:
    events = [event("approval_requested", 3, 200.0), event("approved", 3, 90_000.0)]
    found = timeline(
        a_build(State.COMPLETE, 8), [run(2, "done", 100, 200), run(3, "done", 90_000, 90_100)], events, 1e6
    )
    assert found.is_cut
    ((kind, _, width),) = [bar for bar in bars(found, 3) if bar[0] == "person"]
    assert kind == "person"
    assert 15 < width < 18
    assert bars(found, 2)[0][2] > 40
    assert isinstance(found.rows[2].bars[0], Bar)
    assert found.rows[2].bars[0].title == "waited for a person, 24 h 56 min"
    assert found.rows[2].seconds == 100.0


def test_a_wait_that_goes_on_reaches_to_now_and_one_that_ended_does_not() -> None:
    asked = [event("retry_scheduled", 4, 150.0)]
    runs = [run(4, "retry", 100, 150)]
    assert [bar[0] for bar in bars(timeline(a_build(State.WAITING_RETRY, 4), runs, asked, 160.0), 4)] == [
        "retry",
        "wait",
    ]
    assert [bar[0] for bar in bars(timeline(a_build(State.CANCELLED, 4), runs, asked, 160.0), 4)] == ["retry"]


def test_bars_stay_within_the_width_however_short_or_late_they_are() -> None:
    runs = [run(1, "done", 100, 100), run(2, "done", 100, 1100), run(8, "done", 1100, 1100.001)]
    for row in timeline(a_build(State.COMPLETE, 8), runs, [], 2000.0).rows:
        for bar in row.bars:
            assert bar.x >= 0
            assert bar.width >= 0.6
            assert bar.x + bar.width <= 100.01


def test_a_build_that_waits_for_its_turn_has_empty_rows() -> None:
    found = timeline(a_build(State.QUEUED, 1), [], [], 160.0)
    assert [len(row.bars) for row in found.rows] == [0] * 8
