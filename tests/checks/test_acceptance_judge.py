"""What an answer keeps and what it does not, rule by rule."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from executor.checks.acceptance_judge import keeps, unmet
from executor.checks.acceptance_values import MISSING, found
from executor.checks.probe import Answer
from executor.domain.acceptance import Rule
from executor.domain.acceptance_names import Names
from tests.checks.acceptance_cases import call, check, scenario

LONG = 10**400


def answered(body: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, headers, json.dumps(body), body, 0.01)


def names() -> Names:
    return Names("u123", datetime(2026, 1, 31, 23, 59, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("rule", "value", "good", "bad"),
    [
        ("equals", 5, [5, 5.0, 5 + 1e-12], [True, "5", 6, None, MISSING, LONG]),
        ("equals", True, [True], [1, "true"]),
        ("equals", 2**60, [2**60], [2**60 + 1]),
        ("equals", 0.3, [0.1 + 0.2], [0.30001, LONG]),
        ("equals", None, [None], [0, "", False, MISSING]),
        ("equals", [1, {"a": 2.0}], [[1, {"a": 2}]], [[1], [{"a": 2}, 1], [1, {"a": 2, "b": 3}]]),
        ("differs", "a", ["b", 1, None], ["a", MISSING]),
        ("type", "integer", [1], [True, 1.5, "1", MISSING]),
        ("type", "number", [1, 1.5], [False, "1"]),
        ("type", "boolean", [False], [0]),
        ("type", "null", [None], [0, MISSING]),
        ("type", "object", [{}], [[]]),
        ("contains", "an", ["banana", ["an", 1]], ["bnn", ["banana"], 5, MISSING]),
        ("contains", {"a": 1}, [{"a": 1, "b": 2}, [0, {"a": 1, "b": 2}]], [{"b": 2}, [{"a": 2}], "a"]),
        ("lacks", "an", ["b", [], {}], ["banana", ["an"], 5, None, MISSING]),
        ("lacks", {"a": 1}, [[{"a": 2}], {"a": 2}], [[{"a": 1, "b": 2}], {"a": 1}]),
        ("matches", "[a-c]{2}", ["ab"], ["abc", "xaby", 12, MISSING]),
        ("length", 2, ["ab", [1, 2], {"a": 1, "b": 2}], ["a", 2, None, MISSING]),
        ("min", 3, [3, 3.5], [2.9, "3", True, None, MISSING]),
        ("max", 3, [3, -1], [3.1, "1", False]),
        ("min", "2026-01-31", ["2026-02-01"], ["2026-01-30", 2026]),
        ("present", None, [None, 0], [MISSING]),
        ("absent", None, [MISSING], [None, 0, ""]),
    ],
)
def test_a_value_keeps_a_rule_or_does_not(rule: Rule, value: Any, good: list[Any], bad: list[Any]):
    assert [seen for seen in good if not keeps(rule, value, seen)] == []
    assert [seen for seen in bad if keeps(rule, value, seen)] == []


def test_a_place_is_found_by_pointer_header_or_text():
    answer = answered({"a/b": [{"~": 1}, {"~": 2}], "none": None}, location="/x")
    assert found(answer, "json", "/a~1b/1/~0") == [2]
    assert found(answer, "json", "/a~1b/*/~0") == [1, 2]
    assert found(answer, "json", "/none") == [None]
    assert found(answer, "json", "") == [answer.body]
    assert found(answer, "header", "Location") == ["/x"]
    assert found(answer, "text", "") == [answer.text]


@pytest.mark.parametrize(
    "at", ["/a/2", "/a/-1", "/a/x", "/a/²", "/a/999999999999", "/b", "/a/0/x", "/empty/*"]
)
def test_what_is_not_there_is_missing_and_no_error(at: str):
    assert found(answered({"a": [1, 2], "empty": []}), "json", at) == [MISSING]


def test_an_answer_that_is_no_json_holds_nothing_but_null_is_json():
    assert found(Answer(200, {}, "<html>", None, 0.0), "json", "") == [MISSING]
    assert found(Answer(200, {}, " null\n", None, 0.0), "json", "") == [None]


def test_a_star_holds_for_every_element_and_never_for_none():
    asks = scenario(call("GET /a", check("/data/*/state", "equals", "open"))).calls[0]
    for states, holds in ((["open", "open"], True), (["open", "done"], False), ([], False)):
        body = {"data": [{"state": state} for state in states]}
        assert (unmet(asks, answered(body), names()) == ()) is holds


def test_what_is_not_held_is_told_with_place_value_and_what_was_seen():
    asks = scenario(call("GET /a", check("/n", "min", 5), check("X-Y", "present", part="header"), status=201))
    told = unmet(asks.calls[0], answered({"n": 4}), names())
    assert len(told) == 3
    assert "[201]" in told[0] and "status 200" in told[0]
    assert told[1] == "json '/n' min 5: observed 4"
    assert "X-Y" in told[2] and "nothing" in told[2]


def test_expected_values_may_name_saved_ones_with_their_type():
    known = names()
    known.save("id", 7)
    asks = scenario(
        call("POST /a", save=[{"name": "id", "at": "/id", "part": "json"}]),
        call("GET /a", check("/id", "equals", "${id}"), check("/at", "equals", "/a/${id}?${unique}")),
    ).calls[1]
    assert unmet(asks, answered({"id": 7, "at": "/a/7?u123"}), known) == ()
    assert len(unmet(asks, answered({"id": "7", "at": "/a/8?u123"}), known)) == 2


def test_moments_and_days_are_reckoned_from_now():
    known = names()
    assert known.filled("${now}") == "2026-01-31T23:59:30Z"
    assert known.filled("${now+60}") == "2026-02-01T00:00:30Z"
    assert known.filled("${now-30}") == "2026-01-31T23:59:00Z"
    assert known.filled({"on": ["${today}", "${today+1}", 3]}) == {"on": ["2026-01-31", "2026-02-01", 3]}
    assert known.filled("${today-999999999}").startswith("12")
