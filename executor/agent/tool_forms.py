"""The tools as a request names them: the API's own two, which models know by training, and three of ours."""

from __future__ import annotations

from typing import Any

BASH = "bash"
EDITOR = "str_replace_based_edit_tool"

_TEXT = {"type": "string"}


def _form(name: str, description: str, **properties: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"name": name, "description": description, "strict": True, "input_schema": schema}


TOOL_FORMS: tuple[dict[str, Any], ...] = (
    {"type": "bash_20250124", "name": BASH},
    {"type": "text_editor_20250728", "name": EDITOR},
    _form(
        "run_tests",
        "Have the executor commit the workspace and judge it on a clean checkout: every test, the rules of"
        " style, security and structure, and the endpoints of the contract. Costs one iteration of your"
        " limited number, unless nothing has changed since the last one. Answers with the verdict and"
        " what failed. Check with bash first; call it when you expect it to pass.",
    ),
    _form(
        "ask_architect",
        "Ask the person who ordered the service one question, and stop until it is answered. Only for what"
        " the SPEC leaves open and where a wrong guess would make the service useless; everything else"
        " you decide yourself and write down in README.md under Decisions.",
        question={**_TEXT, "description": "One question that can be answered without reading any code."},
        options={
            "type": "array",
            "items": _TEXT,
            "description": "Two to four answers to choose from, each complete in itself.",
        },
        default={**_TEXT, "description": "The option you take if nobody answers, word for word."},
        why={**_TEXT, "description": "What depends on the answer, in one sentence."},
    ),
    _form(
        "finish",
        "Say that the whole SPEC is built and tested. The executor judges the workspace as run_tests does,"
        " unless it is unchanged since a green verdict; if it is green, the work passes on to the Verifier,"
        " which also breaks your code to see whether the tests notice; else you get what failed and go on.",
        summary={
            **_TEXT,
            "description": "What was built and which decisions were made, in two to five sentences.",
        },
    ),
)
"""Part of every request of the Apprentice, so it stands still: the cache of a conversation hangs on it."""
