"""Where in a payload a build is asked for, in the words of every sender of ecosystem.md."""

from __future__ import annotations

import json
from typing import Any

import pytest

from executor.domain.orders import find_order

INTENT = "Build Ledger Droplet to keep accounts"


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        ({"intent": INTENT}, ("intent",)),
        ({"architect_intent": INTENT}, ("architect_intent",)),
        ({"command": "build", "intent": INTENT}, ("intent",)),
        ({"command": "build-droplet", "task": {"intent": INTENT}}, ("task", "intent")),
        ({"payload": {"intent": INTENT}}, ("payload", "intent")),
        (
            {"task": {"task_type": "build", "title": "x", "payload": {"intent": INTENT}}},
            ("task", "payload", "intent"),
        ),
        (
            {"task_type": "build", "title": "x", "payload": json.dumps({"intent": INTENT})},
            ("payload", "intent"),
        ),
        ({"task_type": "Build", "title": INTENT, "payload": "{}"}, ("title",)),
        ({"task": {"task_type": "build", "title": INTENT, "payload": {}}}, ("task", "title")),
    ],
)
def test_an_order_is_found_wherever_its_sender_puts_it(
    payload: dict[str, Any], place: tuple[str, ...]
) -> None:
    found = find_order(payload)
    assert found is not None
    assert found.fields["architect_intent"] == INTENT
    assert found.places["architect_intent"] == place


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"command": "restart"},
        {"command": "verify", "intent": INTENT},
        {"task_type": "deploy", "title": INTENT},
        {"task": {"task_type": "verify", "payload": {"intent": INTENT}}},
        {"title": INTENT},
        {"task": "build"},
        {"payload": "{not json"},
        {"payload": '{"a":' * 5000},
    ],
)
def test_what_asks_for_something_else_is_no_order(payload: dict[str, Any]) -> None:
    assert find_order(payload) is None


def test_a_title_and_a_description_are_the_intent_of_a_task_without_one() -> None:
    found = find_order(
        {"task_type": "build", "title": "Build Ledger Droplet", "description": "It keeps accounts."}
    )
    assert found is not None
    assert found.fields == {"architect_intent": "Build Ledger Droplet\n\nIt keeps accounts."}


def test_an_order_to_build_without_any_words_is_an_order_without_intent() -> None:
    found = find_order({"command": "build"})
    assert found is not None
    assert found.fields == {}


def test_the_outer_field_wins_and_what_means_nothing_is_named() -> None:
    found = find_order(
        {
            "budget_usd": 1.0,
            "task": {"id": 7, "intent": INTENT, "budget_usd": 9.0, "budjet": 3, "reply_to": "http://x"},
        }
    )
    assert found is not None
    assert found.fields["budget_usd"] == 1.0
    assert (found.unknown, found.reply_to, found.task_id) == (("task.budjet",), "http://x", "7")


@pytest.mark.parametrize(
    "payload",
    [{"intent": INTENT}, {"intent": INTENT, "task_id": None}, {"intent": INTENT, "task": {"id": True}}],
)
def test_an_order_without_a_task_has_no_task_id(payload: dict[str, Any]) -> None:
    found = find_order(payload)
    assert found is not None
    assert found.task_id == ""


def test_text_that_no_answer_could_carry_stays_closed() -> None:
    assert find_order({"payload": '{"intent": "x", "\\ud800": 1}'}) is None
