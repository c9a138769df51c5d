"""Accept, read as the standard says."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from executor.web.negotiation import preferred

MARKDOWN, PLAIN, JSON = OFFERS = ("text/markdown", "text/plain", "application/json")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", MARKDOWN),
        ("*/*", MARKDOWN),
        ("application/json", JSON),
        ("Application/JSON; charset=utf-8", JSON),
        ("text/plain, text/plain;q=0.9, application/json;q=0.5", PLAIN),
        ("text/markdown, text/plain;q=0.9, application/json;q=0.5", MARKDOWN),
        ("text/*;q=0.2, application/json;q=0.3", JSON),
        ("*/*;q=0.1, text/plain", PLAIN),
        ("text/markdown;q=0, */*", PLAIN),
        ("image/png", MARKDOWN),
        ("application/json;q=high", MARKDOWN),
        ("text/html,application/xhtml+xml,*/*;q=0.8", MARKDOWN),
    ],
)
def test_the_best_liked_offer_is_chosen(accept: str, expected: str) -> None:
    scope = {"type": "http", "headers": [(b"accept", accept.encode())] if accept else []}
    assert preferred(Request(scope), OFFERS) == expected
