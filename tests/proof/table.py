"""The proof as Markdown: what the terminal shows is what the README holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tests.proof.book import Entry, Row, row
from tests.proof.promises import PROMISES, THREATS


def proof(entries: Collection[Entry], figures: Sequence[Mapping[str, Any]], machine: str) -> str:
    """All tables, and what falls short."""
    promises = [row(subject, entries) for subject in PROMISES]
    threats = [row(subject, entries) for subject in THREATS]
    shortfalls = [*_unproven([*promises, *threats]), *_missed(figures)]
    return "\n".join(
        [
            f"Tried {_days(entries)} on {machine}.",
            "",
            *_table("promise", promises, {key: f"{key}: {words}" for key, words in PROMISES.items()}),
            "",
            *_table("threat", threats, {key: f"{key}: {words}" for key, words in THREATS.items()}),
            "",
            *_bench(figures),
            "",
            "Falls short:" if shortfalls else "Nothing falls short.",
            *(f"- {line}" for line in shortfalls),
        ]
    )


def holds(entries: Collection[Entry]) -> bool:
    """Whether every promise and every defence was tried and none was broken."""
    rows = [row(subject, entries) for subject in (*PROMISES, *THREATS)]
    return all(one.passed and not one.failed for one in rows)


def _table(kind: str, rows: Iterable[Row], words: Mapping[str, str]) -> list[str]:
    head = [f"| {kind} | what was tried | tests | lost |", "|---|---|---|---|"]
    return head + [f"| {words[one.subject]} | {_tried(one)} | {_tests(one)} | {_lost(one)} |" for one in rows]


def _tried(one: Row) -> str:
    return "; ".join(f"{count:,} {what}" for what, count in one.tried.items())


def _tests(one: Row) -> str:
    return f"{one.passed}" + (f" (+{one.skipped} skipped)" if one.skipped else "")


def _lost(one: Row) -> str:
    if one.failed:
        return f"**{len(one.failed)}**"
    return "0" if one.passed else "not tried"


def _bench(figures: Sequence[Mapping[str, Any]]) -> list[str]:
    if not figures:
        return ["No benchmark was run."]
    head = ["| figure | value | ratio | target | met |", "|---|---|---|---|---|"]
    return head + [_figure(one) for one in figures]


def _figure(one: Mapping[str, Any]) -> str:
    ratio = "" if one["ratio"] is None else f"{one['ratio']:.2f} x {one['against']}"
    met = {True: "yes", False: "**no**", None: ""}[one["met"]]
    return f"| {one['name']} | {one['value']:,.4g} {one['unit']} | {ratio} | {one['target']} | {met} |"


def _unproven(rows: Sequence[Row]) -> Iterable[str]:
    if sampled := [one.subject for one in rows if one.sampled]:
        yield f"some of it only as a sample: {', '.join(sampled)}"
    for one in rows:
        yield from (f"{one.subject}: {test} failed" for test in one.failed)
        if not one.passed:
            yield f"{one.subject}: nothing was tried"
        if one.skipped:
            yield f"{one.subject}: skipped on this machine: {one.skipped} of its tests"


def _missed(figures: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for one in figures:
        if one["met"] is False:
            yield f"{one['name']}: {one['value']:,.4g} {one['unit']}, target {one['target']}"


def _days(entries: Collection[Entry]) -> str:
    days = sorted({one.date for one in entries})
    if not days:
        return "never"
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
