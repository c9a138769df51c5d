"""The Apprentice's tools as one: which there are, which only look."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from executor.agent.tools import TOOL_FORMS, touches_nothing
from tests.agent.hands import Hands, open_hands

_EDITOR = "str_replace_based_edit_tool"


@pytest.fixture
def hands(tmp_path) -> Iterator[Hands]:
    with open_hands(tmp_path / "state") as made:
        yield made


def test_the_tools_of_the_api_are_named_as_the_api_names_them():
    assert TOOL_FORMS[0] == {"type": "bash_20250124", "name": "bash"}
    assert TOOL_FORMS[1] == {"type": "text_editor_20250728", "name": _EDITOR}
    assert [form["name"] for form in TOOL_FORMS[2:]] == ["run_tests", "ask_architect", "finish"]


@pytest.mark.parametrize("form", TOOL_FORMS[2:], ids=lambda form: form["name"])
def test_our_own_tools_are_strict_and_each_argument_is_required_and_described(form):
    schema = form["input_schema"]
    assert form["strict"] is True and len(form["description"]) > 100
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"])
    assert all(one["description"] for one in schema["properties"].values())


@pytest.mark.parametrize(
    ("name", "arguments", "looks"),
    [
        (_EDITOR, {"command": "view", "path": "x"}, True),
        (_EDITOR, {"command": "create", "path": "x"}, False),
        (_EDITOR, {}, False),
        ("bash", {"command": "view"}, False),
        ("run_tests", {}, False),
    ],
)
def test_only_a_view_touches_nothing(name, arguments, looks):
    assert touches_nothing(name, arguments) is looks


async def test_a_tool_that_does_not_exist_is_answered_with_those_that_do(hands):
    result = await hands.run("python", {"code": "1"})
    assert (
        result.is_error and "'python'" in result.text and "bash, str_replace_based_edit_tool" in result.text
    )


async def test_views_run_side_by_side(hands):
    for number in range(20):
        hands.write(f"f{number}", f"{number}\n")
    results = await asyncio.gather(*(hands.edit("view", f"f{number}") for number in range(20)))
    assert [result.text for result in results] == [f"     1\t{number}" for number in range(20)]
