"""What a gate asks of a person: the evidence beside the question, and what each answer leads to."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from executor.domain.build import Build
from executor.domain.gates import Checkpoint, open_gate
from executor.store.store import Store

_KEPT = 256
_COVERAGE_RULE = "C11"
_FACTS = {"spec_score": "SPEC score", "resources": "Resources"}
_SIZE = re.compile(r"(\d+) files? changed(?:, (\d+) insertions?\(\+\))?(?:, (\d+) deletions?\(-\))?")


class Evidence:
    """Evidence of open gates in words and figures; a gate's is read once and kept: it cannot change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[str, list[tuple[str, str]]] = OrderedDict()

    async def of(self, build: Build) -> list[tuple[str, str]]:
        """Names and values for the gate that is open; empty without one."""
        gate = open_gate(build)
        if gate is None:
            return []
        key = str(gate["gate_id"])
        if key not in self._known:
            self._known[key] = await self._read(build, gate)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return self._known[key]

    async def _read(self, build: Build, gate: Mapping[str, Any]) -> list[tuple[str, str]]:
        told = gate.get("evidence") or build.facts
        if gate["checkpoint"] == Checkpoint.SPEC_GENERATED:
            return [(words, _listed(told[name])) for name, words in _FACTS.items() if told.get(name)]
        return [("Tests", _tests(build)), *await self._measured(build), *_rules(told)]

    async def _measured(self, build: Build) -> Iterable[tuple[str, str]]:
        tests = await self._store.builds.artifact(build.id, "tests")
        diff = await self._store.builds.artifact(build.id, "diff")
        covered, size = _coverage(tests), _size(diff)
        return [pair for pair in (("Coverage", covered), ("Diff", size)) if pair[1]]


def _coverage(tests: Mapping[str, Any] | None) -> str:
    try:
        findings = json.loads(tests["body"])["findings"] if tests else ()
        return str(next((f["evidence"] for f in findings if f["rule"] == _COVERAGE_RULE), ""))
    except (ValueError, KeyError, TypeError):
        return ""  # the report of a foreign verifier: it need not say


def _tests(build: Build) -> str:
    return f"{build.facts.get('tests_passing', 0)} pass, {build.facts.get('tests_failing', 0)} fail"


def _rules(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "rules_checked" not in told:
        return []
    broken = _listed(told.get("rules_failed") or ())
    return [("Rules", f"{told['rules_checked']} checked, {broken or 'none'} broken")]


def _size(diff: Mapping[str, Any] | None) -> str:
    found = _SIZE.search(str(diff["body"]).partition("diff --git ")[0]) if diff else None
    if found is None:
        return ""
    files, added, removed = (int(number or 0) for number in found.groups())
    return f"{files} files, +{added} −{removed}"  # noqa: RUF001 - a minus beside the plus


def _listed(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
