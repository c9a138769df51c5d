"""Patterns of hidden tests: useful ones pass, and none can hold the daemon up."""

from __future__ import annotations

import pytest

from executor.domain.acceptance_pattern import LONGEST_TEXT, matches, refuse_costly
from executor.errors import Invalid

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (UUID, "3f1c9a2e-0000-4000-8000-000000000001"),
        (r"\d{4}-\d{2}-\d{2}T.*(Z|\+00:00)", "2026-01-31T12:00:00.5Z"),
        (r"^-?\d+(?:\.\d+)?$", "-12.50"),
        ("open|closed|[*+?{]", "closed"),
        (r"https?://[^/]+/[A-Za-z0-9_-]{6,10}", "https://x.example/Ab3_-9"),
        (r"[^]a]+", "bcd"),
    ],
)
def test_a_plain_pattern_is_taken_and_means_the_whole_text(pattern: str, text: str):
    refuse_costly(pattern)
    assert matches(pattern, text)
    assert not matches(pattern, f"{text}]")


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+b", "(a|a)*b", "(?:a*)*", "(a{1,9}){9}", "a*a*a*a*b", "a?" * 40 + "a" * 40, "(a|a)" * 40,
     "a{,9}a{1,}a+a*b", r"(a*)\1", "(?=a)a", "(?<=a)b", "(", "", "x" * 201, None, 5],
)  # fmt: skip
def test_a_pattern_that_can_be_costly_or_is_none_is_refused(pattern: object):
    with pytest.raises(Invalid):
        refuse_costly(pattern)


def test_text_beyond_the_bound_matches_nothing():
    assert matches("a*", "a" * LONGEST_TEXT)
    assert not matches("a*", "a" * (LONGEST_TEXT + 1))
