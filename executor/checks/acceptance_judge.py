"""Whether a value keeps one rule of a hidden test."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from executor.checks.acceptance_values import MISSING, found
from executor.checks.probe import Answer
from executor.domain.acceptance import Call, Check, Rule
from executor.domain.acceptance_names import FILLED_RULES, Names
from executor.domain.acceptance_pattern import matches

_SHOWN = 200


def unmet(call: Call, answer: Answer, names: Names) -> tuple[str, ...]:
    """What the answer does not hold, for the test's author: place, rule, value, and what was there."""
    problems = []
    if answer.status not in call.status:
        problems.append(f"status is one of {list(call.status)}: observed {answer.words}")
    for check in call.checks:
        value = names.filled(check.value) if check.rule in FILLED_RULES else check.value
        wrong = [seen for seen in found(answer, check.part, check.at) if not keeps(check.rule, value, seen)]
        if wrong:
            problems.append(f"{_place(check)} {check.rule} {_shown(value)}: observed {_shown(wrong[0])}")
    return tuple(problems)


def keeps(rule: Rule, value: Any, seen: Any) -> bool:
    """Whether `seen` keeps the rule; what is not there keeps `absent` alone."""
    if seen is MISSING:
        return rule == "absent"
    return _RULES[rule](value, seen)


def equal(value: Any, seen: Any) -> bool:
    """JSON equality: numbers within rounding, true is no number, lists and objects member by member."""
    if isinstance(value, bool) or isinstance(seen, bool):
        return value is seen
    if isinstance(value, int | float) and isinstance(seen, int | float):
        return _near(value, seen)
    if isinstance(value, list) and isinstance(seen, list):
        return len(value) == len(seen) and all(map(equal, value, seen))
    if isinstance(value, dict) and isinstance(seen, dict):
        return value.keys() == seen.keys() and all(equal(value[k], seen[k]) for k in value)
    return type(value) is type(seen) and bool(value == seen)


def _near(value: float, seen: float) -> bool:
    if value == seen:
        return True
    if isinstance(value, int) and isinstance(seen, int):
        return False
    try:
        return math.isclose(value, seen, rel_tol=1e-9, abs_tol=1e-9)
    except OverflowError:
        return False


def _contains(value: Any, seen: Any) -> bool:
    """A text in a text, members in an object, an element in a list (objects there may have more members)."""
    if isinstance(seen, str):
        return isinstance(value, str) and value in seen
    if isinstance(seen, list):
        return any(equal(value, item) or _within(value, item) for item in seen)
    return _within(value, seen)


def _within(value: Any, seen: Any) -> bool:
    both = isinstance(value, dict) and isinstance(seen, dict)
    return both and all(key in seen and equal(value[key], seen[key]) for key in value)


def _lacks(value: Any, seen: Any) -> bool:
    return isinstance(seen, str | list | dict) and not _contains(value, seen)


def _typed(value: Any, seen: Any) -> bool:
    kinds: Mapping[str, tuple[type, ...]] = {
        "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
        "array": (list,), "object": (dict,), "null": (type(None),),
    }  # fmt: skip
    return type(seen) in kinds[value]


def _length(value: Any, seen: Any) -> bool:
    return isinstance(seen, str | list | dict) and len(seen) == value


def _least(value: Any, seen: Any) -> bool:
    return _comparable(value, seen) and bool(seen >= value)


def _most(value: Any, seen: Any) -> bool:
    return _comparable(value, seen) and bool(seen <= value)


def _comparable(value: Any, seen: Any) -> bool:
    """Numbers, or texts such as moments of one form."""
    numbers = all(type(v) in {int, float} for v in (value, seen))
    return numbers or (isinstance(value, str) and isinstance(seen, str))


_RULES: Mapping[Rule, Callable[[Any, Any], bool]] = {
    "equals": equal,
    "differs": lambda value, seen: not equal(value, seen),
    "type": _typed,
    "contains": _contains,
    "lacks": _lacks,
    "matches": lambda value, seen: isinstance(seen, str) and matches(value, seen),
    "length": _length,
    "min": _least,
    "max": _most,
    "present": lambda _, seen: True,
    "absent": lambda _, seen: False,
}


def _place(check: Check) -> str:
    return f"{check.part} {check.at!r}" if check.at else check.part


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
