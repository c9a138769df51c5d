"""Notices as Block Kit messages: what happened, the figures, the question, and buttons that work."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from executor.adapters.slack_text import escaped, link, one_line, person, plain
from executor.domain.gates import Checkpoint, Decision
from executor.domain.notice import Notice, NoticeKind, can_decide
from executor.domain.notice_words import facts_of, headline

Block = dict[str, Any]
SECTION, HEADER, TEXT, MOST_BLOCKS = 3000, 150, 3900, 50
"""Slack's limits, in characters and blocks; `text` may have 4,000."""
_LINE, _INTENT, _MOST_EVIDENCE = 400, 300, 12
_REPEAT = "🔁 This may be a repeat: the daemon could not tell whether an earlier copy arrived."
_DECIDED = {
    "approve": "✅ Approved",
    "reject": "⛔ Rejected",
    "revise": "✏️ Sent back",
    "answer": "💬 Answered",
}
_QUESTION = {
    Checkpoint.SPEC_GENERATED: "Approve this SPEC?",
    Checkpoint.BUILT: "Approve deploying it?",
    Checkpoint.DEPLOYED: "Approve deployment?",
}
_REJECTING = {
    Checkpoint.SPEC_GENERATED: "The build ends here.",
    Checkpoint.BUILT: "The build ends here; nothing is deployed.",
    Checkpoint.DEPLOYED: "The release is withdrawn; an earlier one serves again if there is one.",
}
ACTIONS = "decide"
"""The id of the block that holds the buttons."""


@dataclass(frozen=True, slots=True)
class Buttons:
    """Which buttons can work: `clicks` when somebody may press and presses arrive, `revise` with a form."""

    clicks: bool = False
    revise: bool = False


def message_of(notice: Notice, buttons: Buttons, *, may_be_repeat: bool = False) -> dict[str, Any]:
    """`text` and `blocks` of a notice, within Slack's limits."""
    blocks = [
        *([_context(_REPEAT)] if may_be_repeat else []),
        {"type": "header", "text": {"type": "plain_text", "text": plain(headline(notice), HEADER)}},
        *_told(notice),
        *_questions(notice),
        _context(f"{plain(notice['intent'], _INTENT)}", is_plain=True),
        _section(f"*{_review_word(notice)}:* {link(notice['review_url'])}"),
        *_asking(notice, buttons),
    ]
    return {"text": _text(notice, may_be_repeat=may_be_repeat), "blocks": blocks[:MOST_BLOCKS]}


def settled(kept: Sequence[Mapping[str, Any]], notice: Notice) -> dict[str, Any]:
    """The message that asked, once `notice` settles it: without its buttons, with who did what, when."""
    blocks = [*without_buttons(kept)[: MOST_BLOCKS - 1], _context(outcome_line(notice))]
    return {"text": _text(notice, may_be_repeat=False), "blocks": blocks}


def closed(kept: Sequence[Mapping[str, Any]], said: str, user: str) -> dict[str, Any]:
    """A message that asked, right after `user` of Slack has said it; `kept` are the blocks that it had."""
    line = f"*{said}* by {person(f'slack:{user}')}."
    blocks = [*without_buttons(kept)[: MOST_BLOCKS - 1], _context(line)]
    return {"text": line, "blocks": blocks}


def without_buttons(blocks: Sequence[Mapping[str, Any]]) -> list[Block]:
    """The blocks of a message without those that ask."""
    return [dict(block) for block in blocks if block.get("block_id") != ACTIONS]


def outcome_line(notice: Notice) -> str:
    """`✅ Approved by @architect, 14:03`, in mrkdwn; the reader's own time zone."""
    said = _DECIDED.get(str(notice["decision"])) or escaped(headline(notice).partition(":")[0], 100)
    by = f" by {person(notice['decided_by'])}" if notice["decided_by"] else ""
    feedback = f"\n> {one_line(notice['feedback'], 1000)}" if notice["feedback"] else ""
    return f"*{said}*{by}, {moment(notice['timestamp'])}{feedback}"


def moment(stamp: str) -> str:
    """An ISO time as Slack shows it to each reader; without Slack, as it is."""
    seconds = int(datetime.fromisoformat(stamp).timestamp())
    return f"<!date^{seconds}^{{date_short_pretty}}, {{time}}|{stamp}>"


def _told(notice: Notice) -> Iterator[Block]:
    if notice["kind"] != NoticeKind.COMPLETED and notice["message"]:
        yield _plain_section(notice["message"])
    if notice["decision"]:
        yield _section(outcome_line({**notice, "feedback": None}))
    lines = [f"*{name}:* {_value(value)}" for name, value in facts_of(notice)]
    yield _section("\n".join(lines))
    if evidence := _evidence(notice):
        yield _section("\n".join(f"• {name}: {value}" for name, value in evidence))


def _value(value: str) -> str:
    return link(value) if value.startswith(("http://", "https://")) else one_line(value, _LINE)


def _evidence(notice: Notice) -> list[tuple[str, str]]:
    """The numbers and words of the step that opened the gate, without what only programs read."""
    more = {name: value for name, value in notice["evidence"].items() if value and name not in notice}
    found = [(name, value) for name, value in more.items() if isinstance(value, str | int | float)]
    return [
        (one_line(name.replace("_", " "), 60), one_line(value, 200)) for name, value in found[:_MOST_EVIDENCE]
    ]


def _questions(notice: Notice) -> Iterator[Block]:
    for question in list(notice["questions"])[:10]:
        yield _plain_section(question.get("question", ""))
        options = [f"• {one_line(option, 200)}" for option in question.get("options") or ()]
        if options:
            yield _section("\n".join(options[:12]))
    if notice["questions"]:
        yield _section(f"Answer on the page, or with `fpai answer {one_line(notice['build_id'], 120)}`.")


def _asking(notice: Notice, buttons: Buttons) -> Iterator[Block]:
    if not can_decide(notice):
        return
    gate = Checkpoint(notice["checkpoint"])
    yield {**_section(f"*{_QUESTION[gate]}*"), "block_id": f"{ACTIONS}-question"}
    if buttons.clicks:
        yield {"type": "actions", "block_id": ACTIONS, "elements": list(_buttons(notice, gate, buttons))}
    else:
        yield {**_section(f"Decide on the page: {link(notice['review_url'])}"), "block_id": ACTIONS}


def _buttons(notice: Notice, gate: Checkpoint, buttons: Buttons) -> Iterator[Block]:
    value = json.dumps({name: notice[name] for name in ("build_id", "checkpoint", "gate_id")})
    yield {**_button(Decision.APPROVE, "Approve", value), "style": "primary"}
    if buttons.revise:
        yield _button(Decision.REVISE, "Revise…", value)
    confirm = {
        "title": {"type": "plain_text", "text": "Reject it?"},
        "text": {"type": "plain_text", "text": _REJECTING[gate]},
        "confirm": {"type": "plain_text", "text": "Reject"},
        "deny": {"type": "plain_text", "text": "Go back"},
        "style": "danger",
    }
    yield {**_button(Decision.REJECT, "Reject", value), "style": "danger", "confirm": confirm}


def _button(decision: Decision, label: str, value: str) -> Block:
    text = {"type": "plain_text", "text": label}
    return {"type": "button", "action_id": decision.value, "text": text, "value": value}


def _review_word(notice: Notice) -> str:
    return "Ready for Review" if notice["kind"] == NoticeKind.COMPLETED else "Details"


def _text(notice: Notice, *, may_be_repeat: bool) -> str:
    """What is shown where blocks are not: in notifications, and by screen readers."""
    lines = [headline(notice), *(f"{name}: {' '.join(value.split())}" for name, value in facts_of(notice))]
    if notice["kind"] != NoticeKind.COMPLETED:
        lines.insert(1, str(notice["message"]))
    lines.append(f"{_review_word(notice)}: {notice['review_url']}")
    return escaped("\n".join([*(["(possible repeat)"] if may_be_repeat else []), *lines]), TEXT)


def _section(text: str) -> Block:
    # verbatim: nothing in it becomes a link or a mention that was not written as one.
    return {"type": "section", "text": {"type": "mrkdwn", "text": _within(text), "verbatim": True}}


def _plain_section(text: object) -> Block:
    shown = plain(text, SECTION) or "—"
    return {"type": "section", "text": {"type": "plain_text", "text": shown, "emoji": False}}


def _context(text: str, *, is_plain: bool = False) -> Block:
    element: Block = {"type": "plain_text", "text": text or "—", "emoji": False}
    if not is_plain:
        element = {"type": "mrkdwn", "text": text, "verbatim": True}
    return {"type": "context", "elements": [element]}


def _within(text: str) -> str:
    """Whole lines up to the limit; each line by itself is well below it."""
    while len(text) > SECTION:
        text = text.rpartition("\n")[0]
    return text
