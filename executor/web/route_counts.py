"""Requests by route: the path as the table has it, never as a caller wrote it, so that labels stay few."""

from __future__ import annotations

from collections import Counter, defaultdict

from starlette.types import Scope

from executor.store.histogram import Histogram
from executor.web.operations import ROUTE

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_STATIC = "/static"
_BOUNDS = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
NO_ROUTE = "none"


class RouteCounts:
    """Answers by (method, route, status) and their durations by route; what no route took is `none`."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, str, int]] = Counter()
        self.durations: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(_BOUNDS))

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        """One request was answered after so many seconds."""
        route = scope.get(ROUTE) or (_STATIC if scope["path"].startswith(f"{_STATIC}/") else NO_ROUTE)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self.answers[method, route, status] += 1
        self.durations[route].observe(seconds)
