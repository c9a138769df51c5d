"""What all builds came to: dollars over time, and how many succeeded, for whom they were built."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from executor.store.spending import spending
from executor.store.spending_by_day import Day, spending_by_day
from executor.web.api import Api
from executor.web.pages import Pages
from executor.web.spending import WANTED

_DAYS = 90
_KINDS = {"model": "With a model", "scaffold": "Scaffold", "undecided": "Neither yet"}


class CostsPage:
    """GET /costs. The table says all that the chart shows."""

    def __init__(self, api: Api, pages: Pages) -> None:
        self._api = api
        self._pages = pages

    async def show(self, request: Request) -> Response:
        """The page."""
        database = self._api.store.database
        sums = await spending(database)
        now = int(self._api.live.now())
        days = await spending_by_day(database, now - _DAYS * 86_400)
        kinds = {words: sums[who].shown() for who, words in _KINDS.items()}
        return self._pages.render(
            request,
            "costs.html",
            kinds={words: shown for words, shown in kinds.items() if shown["builds"]},
            wanted=WANTED,
            days=[(_date(day), day) for day in reversed(days)],
            since=now - _DAYS * 86_400,
            until=now,
            series=json.dumps(_series(days)),
            total=sum(shown["cost_usd"] for shown in kinds.values()),
        )


def _series(days: list[Day]) -> list[list[float]]:
    """The chart's columns: days, dollars, builds."""
    return [[day.day for day in days], [round(day.usd, 4) for day in days], [day.builds for day in days]]


def _date(day: Day) -> str:
    return datetime.fromtimestamp(day.day, UTC).strftime("%-d %b %Y")
