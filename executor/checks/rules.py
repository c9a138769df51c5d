"""Turning what was looked at into findings, one line a rule."""

from __future__ import annotations

import re
from collections.abc import Sequence

from executor.domain.findings import Finding, Result

_MOST_SHOWN = 5
_LONGEST_EVIDENCE = 1200
# What a droplet says is shown on terminals and kept as UTF-8: no escape sequence, no lone surrogate.
_UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


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


def shown_text(text: str) -> str:
    """Text from a droplet as one may show and keep it, shortened."""
    return _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", text)[:_LONGEST_EVIDENCE]
