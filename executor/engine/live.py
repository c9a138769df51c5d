"""What is happening right now: in memory only, gone with the process, never needed for recovery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from executor.domain.estimate import Estimator


class LiveView:
    """The current action of one running step."""

    __slots__ = ("details", "fraction")

    def __init__(self) -> None:
        self.fraction: float | None = None
        self.details: dict[str, Any] = {}


class Live:
    """Current actions by build, the estimator, and the daemon's own condition."""

    def __init__(self, estimator: Estimator, clock: Callable[[], float]) -> None:
        self.estimator = estimator
        self.now = clock
        self.draining = False
        self.counts: Callable[[], dict[str, int]] = dict
        self._views: dict[str, LiveView] = {}

    def begin(self, build_id: str) -> LiveView:
        """A step starts: forget the last one's action."""
        view = self._views[build_id] = LiveView()
        return view

    def end(self, build_id: str) -> None:
        """The step has ended."""
        self._views.pop(build_id, None)

    def fraction(self, build_id: str) -> float | None:
        """How much of the current step is done, if the step can tell."""
        view = self._views.get(build_id)
        return view.fraction if view else None

    def details(self, build_id: str) -> Mapping[str, Any]:
        """The current action in words and counts."""
        view = self._views.get(build_id)
        return view.details if view else {}
