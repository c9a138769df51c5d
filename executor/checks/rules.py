"""Turning what was looked at into findings, one line a rule."""

from __future__ import annotations

from collections.abc import Sequence

from executor.domain.findings import Finding, Result, shown_text

__all__ = ["judged", "noted", "shown_text"]
_MOST_SHOWN = 5


def judged(rule: str, title: str, problems: Sequence[str], evidence: str = "") -> Finding:
    """Pass without problems, else fail with the first few of them."""
    if not problems:
        return Finding(rule, title, Result.PASS, shown_text(evidence))
    shown = "; ".join(problems[:_MOST_SHOWN])
    more = f"; and {len(problems) - _MOST_SHOWN} more" if len(problems) > _MOST_SHOWN else ""
    return Finding(rule, title, Result.FAIL, shown_text(f"{shown}{more}"))


def noted(rule: str, title: str, evidence: str) -> Finding:
    """Something that people should know and that fails nothing."""
    return Finding(rule, title, Result.NOTE, shown_text(evidence))
