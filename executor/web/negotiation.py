"""Which of a few media types a caller likes best."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request


def preferred(request: Request, offers: Sequence[str]) -> str:
    """The offer with the highest quality in Accept; the first one when nothing is said or nothing fits."""
    accept = request.headers.get("accept", "")
    if not accept or accept == "*/*":
        return offers[0]
    ranges = [_range(part) for part in accept.split(",")]
    scored = [(_quality(offer, ranges), -rank, offer) for rank, offer in enumerate(offers)]
    quality, _, best = max(scored)
    return best if quality > 0 else offers[0]


def _range(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip() for piece in part.lower().split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return media, float(parameter[2:])
            except ValueError:
                return media, 0.0
    return media, 1.0


def _quality(offer: str, ranges: list[tuple[str, float]]) -> float:
    """The quality of the most specific range that covers the offer."""
    group = offer.partition("/")[0] + "/*"
    known = dict(reversed(ranges))
    return next((known[media] for media in (offer, group, "*/*") if media in known), 0.0)
