"""How far a build is and when it will be done, from the project's own history of step durations."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import accumulate
from statistics import median

from executor.domain.build import FINISHED, LAST_STEP, Build, State

# Stated defaults, in seconds for steps 1 to 8, until this project has a history of its own.
DEFAULT_SECONDS: dict[str, tuple[float, ...]] = {
    "scaffold": (0.2, 0.5, 1.0, 1.0, 25.0, 4.0, 0.5, 0.2),
    "anthropic": (1.0, 60.0, 5.0, 3000.0, 90.0, 30.0, 2.0, 1.0),
}
HISTORY = 20


class Estimator:
    """Keeps the last durations of each step and answers with their medians."""

    def __init__(self, defaults: tuple[float, ...]) -> None:
        self._seen: dict[int, deque[float]] = {n: deque(maxlen=HISTORY) for n in range(1, LAST_STEP + 1)}
        self._expected = list(defaults)
        self._before = _running_sums(self._expected)

    def learn(self, step: int, seconds: float) -> None:
        """Add one completed step's duration."""
        self._seen[step].append(seconds)
        self._expected[step - 1] = median(self._seen[step])
        self._before = _running_sums(self._expected)

    def learn_all(self, history: Iterable[tuple[int, float]]) -> None:
        """Add a history of (step, seconds), oldest first."""
        for step, seconds in history:
            self.learn(step, seconds)

    def expected(self, step: int) -> float:
        """Seconds that this step usually takes: the median of its history, else the stated default."""
        return self._expected[step - 1]

    def percent(self, build: Build, now: float, fraction: float | None = None) -> int:
        """0 to 100, weighted by expected durations; 100 only when the loop has been walked."""
        if build.state is State.COMPLETE:
            return 100
        total = self._before[-1] or 1.0
        share = self._share(build, now, fraction)
        behind = self._before[build.step - 1] + share * self.expected(build.step)
        return min(99, int(100 * behind / total))

    def remaining(self, build: Build, now: float, fraction: float | None = None) -> float:
        """Seconds of work still ahead, by the same medians."""
        if build.state in FINISHED:
            return 0.0
        ahead = self._before[-1] - self._before[build.step]
        return ahead + self.expected(build.step) * (1.0 - self._share(build, now, fraction))

    def _share(self, build: Build, now: float, fraction: float | None) -> float:
        if fraction is not None:
            return min(max(fraction, 0.0), 1.0)
        if build.state is not State.IN_PROGRESS or build.step_started_at is None:
            return 0.0
        elapsed = max(0.0, now - build.step_started_at)
        return min(0.95, elapsed / (self.expected(build.step) or 1.0))


def _running_sums(seconds: list[float]) -> list[float]:
    """What lies before each step; the last entry is the whole loop."""
    return [0.0, *accumulate(seconds)]
