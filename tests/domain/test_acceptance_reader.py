"""Hidden tests as they are read: what can be carried out passes, the rest is refused with its reason."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from executor.domain.acceptance import Amendment
from executor.domain.acceptance_reader import MOST_CALLS, read_scenario, read_set
from executor.errors import Invalid
from tests.checks.acceptance_cases import call, check, record, save, scenario, set_of

DEEP = "[" * 30 + "]" * 30


def test_a_set_is_read_back_as_it_was_stored():
    full = scenario(
        call(
            "POST /books",
            check("/data/tags", "contains", {"a": [1, None, "ü"]}),
            check("Location", "matches", "/books/[0-9]+", "header"),
            status=[200, 201],
            body='{"title": "${unique}"}',
            save=[save("id", "/data/id")],
            query=[{"name": "dry", "value": "1"}],
            headers=[{"name": "X-A", "value": "b"}],
            wait=0.5,
        ),
        call("POST /books/${id}", raw="{broken", status=400),
        fresh=True,
    )
    amended = Amendment("S9", "R2", "withdrawn", "the SPEC does not say so")
    tests = set_of(
        replace(full, reviewed=True), heard=4, whole=False, amendments=(amended,), unusable=("R3: x",)
    )
    assert read_set(tests.as_json()) == tests


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"spec_sha256": "x"}', "null"])
def test_a_stored_text_that_is_no_set_is_refused(text: str):
    with pytest.raises(Invalid):
        read_set(text)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (call("FETCH /books"), "method"),
        (call("GET books"), "start with /"),
        (call("GET http://elsewhere/"), "start with /"),
        (call("GET /a b"), "white space"),
        (call("GET /a#b"), "white space, #"),
        (call("GET /" + "a" * 3000), "too long"),
        (call("GET /a", status=[]), "no status"),
        (call("GET /a", status=99), "no HTTP statuses"),
        (call("GET /a", status=[200, 201, 202, 203, 204]), "four"),
        (call("GET /a", wait=6), "waits 6 s"),
        (call("GET /a", wait=float("nan")), "waits"),
        (call("GET /a", wait=-1), "waits"),
        (call("POST /a", body='{"id": ${id}}'), "not JSON"),
        (call("POST /a", body=DEEP), "nested too deeply"),
        (call("POST /a", body="{}", raw="{"), "both"),
        (call("POST /a", raw="x" * 70_000), "longer"),
        (call("GET /a", headers=[{"name": "Host", "value": "x"}]), "executor's own"),
        (call("GET /a", headers=[{"name": "Content-Length", "value": "9"}]), "executor's own"),
        (call("GET /a", headers=[{"name": "X A", "value": "x"}]), "no header's name"),
        (call("GET /a", headers=[{"name": "X", "value": "a\r\nb: c"}]), "control"),
        (call("GET /a", save=[save("now", "/id")]), "executor's own"),
        (call("GET /a", save=[save("Id-1", "/id")]), "saved as"),
        (call("GET /a", save=[save("id", "/data/*/id")]), "not one value"),
        (call("GET /a", check("data/id", "present")), "no JSON pointer"),
        (call("GET /a", check("", "present", part="header")), "no header's name"),
        (call("GET /a", check("/a", "present", part="cookie")), "no part"),
        (call("GET /a", check("/a", "resembles", 1)), "none of"),
        (call("GET /a", check("/a", "length", -1)), "whole number"),
        (call("GET /a", check("/a", "length", True)), "whole number"),
        (call("GET /a", check("/a", "min", [1])), "number or a text"),
        (call("GET /a", check("/a", "type", "text")), "none of the types"),
        (call("GET /a", check("/a", "equals", json.loads(DEEP))), "nested too deeply"),
        (call("GET /a", check("/a", "matches", "(a+)+")), "repeats a group"),
        (call("GET /a", *[check("/a", "present")] * 31), "more than 30"),
        (call("GET /${id}"), "nothing before it saves"),
        (call("GET /a", check("/a", "equals", "${later}")), "nothing before it saves"),
        (call("GET /a", query=[{"name": "a", "value": "${unique+1}"}]), "nothing before it saves"),
        (call("GET /a", headers=[{"name": "A", "value": "${ }"}]), "nothing before it saves"),
        (call("POST /a", body='{"${b}": 1}'), "nothing before it saves"),
    ],
)
def test_a_call_that_cannot_be_carried_out_is_refused_with_its_reason(wrong, reason: str):
    with pytest.raises(Invalid) as refused:
        read_scenario(record(wrong), "S1")
    assert reason in refused.value.message
    assert "call 1" in refused.value.message


def test_a_scenario_has_at_least_one_call_and_at_most_sixty():
    for count in (0, MOST_CALLS + 1):
        with pytest.raises(Invalid, match="calls"):
            read_scenario(record(*[call("GET /a")] * count), "S1")
    assert len(read_scenario(record(*[call("GET /a")] * MOST_CALLS), "S1").calls) == 60


def test_names_may_be_used_once_an_earlier_call_saved_them_and_given_ones_always():
    read = scenario(
        call(
            "POST /a",
            body='{"name": "${unique}", "due": "${now+60}", "on": "${today-1}"}',
            save=[save("id", "/id")],
        ),
        call("GET /a/${id}", check("/id", "equals", "${id}")),
    )
    assert [c.path for c in read.calls] == ["/a", "/a/${id}"]


def test_text_that_no_database_can_hold_is_replaced():
    read = read_scenario(record(call("GET /a"), title="half \ud800 a\nsign"), "S1")
    assert read.title == "half ? a sign"
