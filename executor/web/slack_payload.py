"""What Slack says of a press of a button or of a form that was sent: read strictly, since it decides."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from executor.domain.gates import Checkpoint, Decision
from executor.errors import Invalid

FORM = "revise"
"""The callback_id of the form that asks what to change."""
INPUT, FIELD = "what", "feedback"
LONGEST_FEEDBACK = 3000
_USER = re.compile(r"[UW][A-Z0-9]{1,30}")
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Click:
    """One decision of a user of Slack, about one opening of one gate, in one channel.

    `decision` of a press of Revise is revise with `is_form` False: the form is still to be shown. `blocks`
    are those of the message that was pressed; a form has none.
    """

    user: str
    build_id: str
    checkpoint: str
    gate_id: str
    decision: Decision
    channel: str
    channel_name: str = ""
    response_url: str = ""
    trigger_id: str = ""
    feedback: str = ""
    is_form: bool = False
    blocks: tuple[Mapping[str, Any], ...] = ()

    @property
    def memo(self) -> str:
        """What a form carries through, for `read_click` to find in it."""
        names = ("build_id", "checkpoint", "gate_id", "channel", "channel_name", "response_url")
        return json.dumps({name: getattr(self, name) for name in names})


def read_click(payload: Mapping[str, Any]) -> Click | None:
    """The decision in a payload; None when it holds none of ours. Raises Invalid for a malformed one."""
    try:
        if payload["type"] == "view_submission" and payload["view"]["callback_id"] == FORM:
            return _sent(payload)
        if payload["type"] == "block_actions" and payload["actions"][0]["action_id"] in set(Decision):
            return _pressed(payload)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise Invalid(f"Slack's payload is not one of a button or a form of ours ({error!r}).") from error
    return None


def _pressed(payload: Mapping[str, Any]) -> Click:
    action, place = payload["actions"][0], payload["channel"]
    click = _about(payload, json.loads(action["value"]), Decision(action["action_id"]))
    blocks = payload.get("message", {}).get("blocks", ())
    return replace(
        click,
        channel=_name(place["id"]),
        channel_name=_name(place.get("name", "")),
        response_url=_text(payload.get("response_url", ""), 2000),
        trigger_id=_name(payload.get("trigger_id", "")),
        blocks=tuple(block for block in blocks if isinstance(block, dict)),
    )


def _sent(payload: Mapping[str, Any]) -> Click:
    view = payload["view"]
    memo = json.loads(view["private_metadata"])
    feedback = _text(view["state"]["values"][INPUT][FIELD]["value"] or "", 2 * LONGEST_FEEDBACK)
    return replace(
        _about(payload, memo, Decision.REVISE),
        channel=_name(memo["channel"]),
        channel_name=_name(memo["channel_name"]),
        response_url=_text(memo["response_url"], 2000),
        feedback=feedback.strip(),
        is_form=True,
    )


def _about(payload: Mapping[str, Any], value: Mapping[str, Any], decision: Decision) -> Click:
    user = _name(payload["user"]["id"])
    if not _USER.fullmatch(user):
        raise ValueError("the user's id is none")
    gate = Checkpoint(value["checkpoint"]).value
    return Click(user, _name(value["build_id"]), gate, _name(value["gate_id"]), decision, "")


def _name(value: Any) -> str:
    return _text(value, _LONGEST_NAME)


def _text(value: Any, limit: int) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise ValueError(f"a text of at most {limit} characters was expected")
    return value
