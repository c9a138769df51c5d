"""What a gate shows before it is decided: evidence in words, and what each answer leads to."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from executor.cli import words
from executor.cli.client import Daemon, segment
from executor.cli.exits import CliError
from executor.cli.pick import awaits_review
from executor.domain.gates import CONSEQUENCES, Checkpoint

_COVERAGE_RULE = "C11"
_SIZE = re.compile(r"(\d+) files? changed(?:, (\d+) insertions?\(\+\))?(?:, (\d+) deletions?\(-\))?")
_TESTS, _RULES = ("tests_passing", "tests_failing"), ("rules_checked", "rules_failed")
_LABELS = {"spec_score": "SPEC score"}
_CHECKPOINTS = frozenset(Checkpoint)


def open_gate(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The gate, or the review, at which a decision is wanted now."""
    gate = document.get("gate")
    if isinstance(gate, Mapping):
        return gate
    review = document.get("review")
    return review if awaits_review(document) and isinstance(review, Mapping) else None


def rows(evidence: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and value of each fact, tests and rules in one line each; what is empty is left out."""
    if _TESTS[0] in evidence:
        yield "tests", f"{evidence[_TESTS[0]]} pass, {evidence.get(_TESTS[1], 0)} fail"
    if _RULES[0] in evidence:
        broken = words.listed(evidence.get(_RULES[1]) or ())
        yield "rules", f"{evidence[_RULES[0]]} checked, {f'broken: {broken}' if broken else 'none broken'}"
    for key, value in evidence.items():
        if key not in {*_TESTS, *_RULES} and value not in (None, "", [], {}):
            said = f"{value:g}" if isinstance(value, float) else words.listed(value)
            yield _LABELS.get(key, key.replace("_", " ")), said


def measured(daemon: Daemon, build: str) -> Iterator[tuple[str, str]]:
    """Coverage and the size of the diff, from the build's artifacts; nothing where there are none."""
    path = f"/executor/builds/{segment(build)}"
    if covered := _coverage(_artifact(daemon, f"{path}/tests", "application/json")):
        yield "coverage", covered
    if size := _size(_artifact(daemon, f"{path}/diff", "text/x-diff")):
        yield "diff", size


def show(daemon: Daemon, document: Mapping[str, Any], gate: Mapping[str, Any]) -> None:
    """Print on stderr what is asked and why one may say yes."""
    from rich.console import Console  # noqa: PLC0415 - rich is loaded only where it draws

    from executor.cli.board import headline, pairs  # noqa: PLC0415
    from executor.cli.console import asks  # noqa: PLC0415

    build, checkpoint = str(document["build_id"]), str(gate.get("checkpoint") or "")
    told = gate.get("evidence") or _known(document)
    facts = [*rows(told)]
    facts += [*measured(daemon, build)] if checkpoint != "spec_generated" else []
    facts += [("cost so far", words.cost(document))]
    facts += [("address", words.plain(document["deployment_url"]))] if document.get("deployment_url") else []
    look = "spec" if checkpoint == "spec_generated" else "diff"
    facts += [("look closer", f"fpai {look} {build}"), ("", words.plain(document.get("web_url") or ""))]
    facts += [("yes means", CONSEQUENCES[Checkpoint(checkpoint)][0])] if checkpoint in _CHECKPOINTS else []
    console = Console(stderr=True, highlight=False, markup=False)
    console.print(headline(document))
    console.print(asks(checkpoint, gate.get("asks")))
    console.print(pairs([pair for pair in facts if pair[1]]))
    sys.stderr.flush()


def _known(document: Mapping[str, Any]) -> dict[str, Any]:
    """A review has no evidence of its own: the build's last counts stand for it."""
    details = document.get("current_step_details") or {}
    counts = {name: details[name] for name in _TESTS if name in details}
    return {**counts, "spec_score": document.get("spec_score"), "release": document.get("release")}


def _artifact(daemon: Daemon, path: str, accept: str) -> Any:
    try:
        reply = daemon.get(path, accept=accept)
        return reply.json() if "json" in reply.headers.get("content-type", "") else reply.text()
    except CliError:
        return None  # it has none: the question can be asked all the same


def _coverage(report: Any) -> str:
    findings = report.get("findings") if isinstance(report, dict) else None
    known = [found for found in findings or () if isinstance(found, dict)]
    return next((words.plain(f.get("evidence", "")) for f in known if f.get("rule") == _COVERAGE_RULE), "")


def _size(diff: Any) -> str:
    found = _SIZE.search(diff.partition("diff --git ")[0]) if isinstance(diff, str) else None
    if found is None:
        return ""
    files, added, removed = (int(number or 0) for number in found.groups())
    return f"{words.count(files, 'file')}, +{added} -{removed}"
