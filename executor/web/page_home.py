"""The front page: what needs a person, what runs, what was."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from executor.domain.build import FINISHED, Build, State
from executor.domain.gates import CONSEQUENCES, open_gate
from executor.errors import Invalid
from executor.web.api import Api
from executor.web.builds import cursor_of
from executor.web.page_gates import Evidence
from executor.web.pages import Pages
from executor.web.status import WORD_STATES, StatusDocuments

_WAITING = (State.WAITING_APPROVAL, State.WAITING_INPUT)
_MOVING = (State.QUEUED, State.IN_PROGRESS, State.WITHDRAWING, State.WAITING_RETRY)
_MOST_CARDS = 50
_MOST_REVIEWS = 6
_HISTORY = 25
_REFRESH_SECONDS = 5


class HomePage:
    """GET /?status=&droplet=&q=&cursor=: filters are in the address, to be kept and sent on."""

    def __init__(self, api: Api, documents: StatusDocuments, pages: Pages, evidence: Evidence) -> None:
        self._api = api
        self._documents = documents
        self._pages = pages
        self._evidence = evidence

    async def show(self, request: Request) -> Response:
        """The page."""
        values = await self.values(request)
        refresh = _REFRESH_SECONDS if values["running"] else None
        said = request.query_params.get("said", "")[:100]
        return self._pages.render(request, "home.html", refresh=refresh, said=said, **values)

    async def values(self, request: Request) -> dict[str, Any]:
        """What the page shows at this moment; `is_empty` where nothing was ever built."""
        now, history = await self._now(), await self._history(request)
        is_empty = not (now["needs"] or now["running"] or history["history"] or history["is_filtered"])
        return {**now, **history, "is_empty": is_empty}

    async def _now(self) -> dict[str, Any]:
        """The cards: builds that wait for a person, then reviews, and builds that move."""
        waiting, running = await asyncio.gather(self._page(_WAITING), self._page(_MOVING))
        finished = await self._page((State.COMPLETE,))
        reviews = [build for build in finished if open_gate(build) is not None]
        return {
            "needs": [await self._card(build) for build in (*waiting, *reviews[:_MOST_REVIEWS])],
            "more_reviews": max(0, len(reviews) - _MOST_REVIEWS),
            "running": [self._documents.document(build) for build in running],
            "consequences": CONSEQUENCES,
        }

    async def _history(self, request: Request) -> dict[str, Any]:
        """One page of what was, by the filters of the address; one that makes no sense is left out."""
        query = request.query_params
        status, text = query.get("status", ""), _usable(query.get("q", ""))
        status = status if status in _DONE_WORDS else ""
        droplet = query.get("droplet", "")
        droplet_id = int(droplet) if droplet.isascii() and droplet.isdigit() and len(droplet) < 16 else None
        page = await self._api.store.builds.page(
            states=WORD_STATES[status] if status else tuple(FINISHED),
            droplet_id=droplet_id,
            limit=_HISTORY,
            cursor=_cursor(request),
            text=text,
        )
        kept = {"status": status, "droplet": droplet_id or "", "q": text}
        kept = {name: value for name, value in kept.items() if value}
        return {
            "history": [self._documents.document(build) for build in page.builds],
            "older": f"/?{urlencode({**kept, 'cursor': page.cursor})}#history" if page.cursor else "",
            "newest": f"/?{urlencode(kept)}#history" if query.get("cursor") else "",
            "is_filtered": bool(kept or query.get("cursor")),
            "chosen": {"status": status, "droplet": droplet_id or "", "q": text},
            "done_words": _DONE_WORDS,
            "query": urlencode({**kept, **({"cursor": query["cursor"]} if query.get("cursor") else {})}),
        }

    async def _card(self, build: Build) -> dict[str, Any]:
        return {"build": self._documents.document(build), "evidence": await self._evidence.of(build)}

    async def _page(self, states: tuple[State, ...]) -> tuple[Build, ...]:
        return (await self._api.store.builds.page(states=states, limit=_MOST_CARDS)).builds


_DONE_WORDS = [word for word, states in WORD_STATES.items() if set(states) <= FINISHED]


def _usable(text: str) -> str:
    """What a database can look for; nothing else was ever stored."""
    return "".join(c for c in text[:200] if c.isprintable() and not "\ud800" <= c <= "\udfff").strip()


def _cursor(request: Request) -> str | None:
    try:
        return cursor_of(request)
    except Invalid:
        return None  # an address that somebody mistyped shows the newest builds
