"""How far a build is and when it will be done, from the project's own history of step durations."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
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
        self._defaults = defaults
        self._seen: dict[int, deque[float]] = {n: deque(maxlen=HISTORY) for n in range(1, LAST_STEP + 1)}

    def learn(self, step: int, seconds: float) -> None:
        """Add one completed step's duration."""
        self._seen[step].append(seconds)

    def learn_all(self, history: Iterable[tuple[int, float]]) -> None:
        """Add a history of (step, seconds), oldest first."""
        for step, seconds in history:
            self.learn(step, seconds)

    def expected(self, step: int) -> float:
        """Seconds that this step usually takes: the median of its history, else the stated default."""
        seen = self._seen[step]
        return median(seen) if seen else self._defaults[step - 1]

    def percent(self, build: Build, now: float, fraction: float | None = None) -> int:
        """0 to 100, weighted by expected durations; 100 only when the loop has been walked."""
        if build.state is State.COMPLETE:
            return 100
        total = sum(self.expected(n) for n in range(1, LAST_STEP + 1)) or 1.0
        behind = sum(self.expected(n) for n in range(1, build.step))
        current = self.expected(build.step)
        share = self._share(build, now, fraction)
        return min(99, int(100 * (behind + share * current) / total))

    def remaining(self, build: Build, now: float, fraction: float | None = None) -> float:
        """Seconds of work still ahead, by the same medians."""
        if build.state in FINISHED:
            return 0.0
        ahead = sum(self.expected(n) for n in range(build.step + 1, LAST_STEP + 1))
        return ahead + self.expected(build.step) * (1.0 - self._share(build, now, fraction))

    def _share(self, build: Build, now: float, fraction: float | None) -> float:
        if fraction is not None:
            return min(max(fraction, 0.0), 1.0)
        if build.state is not State.IN_PROGRESS or build.step_started_at is None:
            return 0.0
        elapsed = max(0.0, now - build.step_started_at)
        return min(0.95, elapsed / (self.expected(build.step) or 1.0))
