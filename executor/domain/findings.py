"""What a check found: one line a rule, so that a verdict can always be traced to its rules."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

_LONGEST_EVIDENCE = 1200
# What a droplet says is shown on terminals and kept as UTF-8: no escape sequence, no lone surrogate.
_UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Depth(StrEnum):
    """How much a verification does: a round of the Apprentice is asked for often, the verdict once."""

    ROUND = "round"  # every rule but the mutation spot check, which costs up to three runs of the tests
    FULL = "full"


class Result(StrEnum):
    """How one rule came out; `note` informs and never fails a report."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's result. `rule` is an id such as U1, C9, S2 or T1; `evidence` is shown to people."""

    rule: str
    title: str
    result: Result
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class VerifierReport:
    """Every rule's result for one commit, and the counts that the status document shows.

    `failing_tests` are the node ids of the tests that failed, each once, in the order of the run.
    """

    commit: str
    findings: tuple[Finding, ...]
    tests_passing: int
    tests_failing: int
    seconds: float
    output: dict[str, str] = field(default_factory=dict)
    failing_tests: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """The executor's own verdict: no rule failed and at least one was checked."""
        return bool(self.findings) and all(f.result is not Result.FAIL for f in self.findings)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The rules that failed, in the order in which they were checked."""
        return tuple(f for f in self.findings if f.result is Result.FAIL)

    def as_json(self) -> dict[str, Any]:
        """The document that `/tests` and `/report` serve."""
        return {**asdict(self), "passed": self.passed, "findings": [asdict(f) for f in self.findings]}


def shown_text(text: str) -> str:
    """Text from a droplet or another service as one may show and keep it, shortened."""
    return _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", text)[:_LONGEST_EVIDENCE]
