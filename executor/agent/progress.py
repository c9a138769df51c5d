"""Where the Apprentice stands, as one value in the build's facts; what to do when it is stuck."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from executor.domain.findings import VerifierReport

FACT = "apprentice"
SAME_BEFORE_A_MOVE = 3
_JOURNAL = 40
_NAMES = 30


class Move(StrEnum):
    """What the executor does beside passing on a result."""

    NONE = "none"
    NUDGE = "nudge"
    FRESH = "fresh"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Progress:
    """`package` is the commit that the work starts from; `since_turn` the last turn before it.

    `chapter` numbers the conversations, `heard` counts the sayings that the model was told of, `heard_before`
    those from before this work began; `settled` holds its own questions with their answers. `allowed` is the
    iteration after which a person is asked. `fingerprint` names the failures of the last round and `repeats`
    how often they came in a row; `stage` is the last move made against them and `pending` the one that is
    due. `judged` is the workspace of the last round, `green` the last commit that passed.
    """

    package: str
    allowed: int
    since_turn: int = 0
    chapter: int = 1
    model: str = ""
    heard: int = 0
    heard_before: int = 0
    settled: tuple[str, ...] = ()
    iteration: int = 0
    fingerprint: str = ""
    repeats: int = 0
    stage: Move = Move.NONE
    pending: Move = Move.NONE
    commit: str = ""
    judged: str = ""
    green: str = ""
    verdict: str = ""
    journal: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_green(self) -> bool:
        """True when the last round passed."""
        return bool(self.green) and self.green == self.commit

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Progress | None:
        """What the build's facts hold, None before the first turn."""
        known = facts.get(FACT)
        if not known:
            return None
        stages = {name: Move(known[name]) for name in ("stage", "pending")}
        lists = {name: tuple(known.get(name) or ()) for name in ("journal", "settled")}
        return cls(**{**known, **stages, **lists})

    def facts(self, **more: Any) -> dict[str, Any]:
        """This value as facts, with others beside it."""
        return {FACT: asdict(self), **more}


def after_round(before: Progress, commit: str, judged: str, report: VerifierReport, verdict: str) -> Progress:
    """Where the Apprentice stands after a round of the executor; `verdict` is what the model is told."""
    entry = {
        "iteration": before.iteration + 1,
        "chapter": before.chapter,
        "commit": commit,
        "green": report.passed,
        "passing": report.tests_passing,
        "failing": report.tests_failing,
        "failed": failures_of(report)[:_NAMES],
    }
    after = replace(
        before,
        iteration=before.iteration + 1,
        commit=commit,
        judged=judged,
        verdict=verdict,
        journal=(*before.journal, entry)[-_JOURNAL:],
    )
    if report.passed:
        return replace(after, green=commit, fingerprint="", repeats=0, stage=Move.NONE, pending=Move.NONE)
    return _with_move(after, fingerprint_of(report))


def _with_move(after: Progress, fingerprint: str) -> Progress:
    is_same = fingerprint == after.fingerprint
    repeats = after.repeats + 1 if is_same else 1
    stage = after.stage if is_same else Move.NONE
    move = Move.NONE
    if repeats >= SAME_BEFORE_A_MOVE:
        move = {Move.NONE: Move.NUDGE, Move.NUDGE: Move.FRESH}.get(stage, Move.ASK)
        repeats, stage = 0, move
    if after.iteration >= after.allowed:
        move = Move.ASK
    return replace(after, fingerprint=fingerprint, repeats=repeats, stage=stage, pending=move)


def allowed_again(before: Progress, more: int) -> Progress:
    """A person was asked: the same patience once more from here on."""
    return replace(before, allowed=before.iteration + more, repeats=0, stage=Move.NONE, pending=Move.NONE)


def failures_of(report: VerifierReport) -> list[str]:
    """What failed, by name: tests, and the rules beside them."""
    rules = [finding.rule for finding in report.failures]
    return [*report.failing_tests, *rules]


def fingerprint_of(report: VerifierReport) -> str:
    """One word for what fails, however it is said."""
    return hashlib.sha256("\n".join(sorted(failures_of(report))).encode()).hexdigest()[:16]
