"""Counting in constant memory."""

from __future__ import annotations

from executor.web.traffic import Traffic, Window


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_window_forgets_what_is_older_than_itself() -> None:
    clock = Clock()
    window = Window(60, 1.0, clock)
    for second in range(120):
        clock.now = 1000.0 + second
        window.add()
    assert window.total() == 60
    clock.now += 59
    assert window.total() == 1
    clock.now += 1000
    assert window.total() == 0


def test_only_5xx_count_as_failures() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    for status in (200, 404, 409, 500, 503):
        traffic.note(status, 0.01)
    assert (traffic.requests, traffic.failures, traffic.failures_last_hour, traffic.per_minute) == (
        5,
        2,
        2,
        5,
    )
    clock.now += 3601
    assert (traffic.failures, traffic.failures_last_hour) == (2, 0)
