"""The form that asks what to change when somebody presses Revise."""

from __future__ import annotations

from typing import Any

from executor.adapters.slack_text import plain


def revise_form(
    about: str, memo: str, *, callback: str, block: str, field: str, longest: int
) -> dict[str, Any]:
    """The view for `views.open`; `memo` comes back with what is written into `field` of `block`."""
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": memo,
        "title": _plain("Send it back"),
        "submit": _plain("Send back"),
        "close": _plain("Cancel"),
        "blocks": [
            {"type": "section", "text": _plain(about)},
            {
                "type": "input",
                "block_id": block,
                "label": _plain("What should be different"),
                "element": {
                    "type": "plain_text_input",
                    "action_id": field,
                    "multiline": True,
                    "max_length": longest,
                },
            },
        ],
    }


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": plain(text, 2900), "emoji": False}
