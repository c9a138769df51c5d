"""Notices in Slack: the architect's lines, within the limits, and nothing that others inject."""

from __future__ import annotations

import json
from typing import Any

import pytest

from executor.adapters.slack_message import Buttons, closed, message_of, settled
from executor.adapters.slack_text import escaped, link, one_line, person, plain
from executor.domain.notice import NoticeKind
from tests.fakes.notices import notice
from tests.fakes.slack import buttons

ALL = Buttons(clicks=True, revise=True)
HOSTILE = "<!channel> <@U1> <http://evil.example|Approve> & *bold* @here\n*Status:* SUCCESS"
LIMITS = {"header": 150, "section": 3000, "context": 3000}


def texts(message: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every text object with the kind of the block that it is in."""
    found = []
    for block in message["blocks"]:
        if block["type"] != "actions":
            found += [
                (block["type"], text) for text in [*block.get("elements", ()), block.get("text")] if text
            ]
    return found


def shown(message: dict[str, Any]) -> str:
    return "\n".join(text["text"] for _, text in texts(message))


def mrkdwn(message: dict[str, Any]) -> str:
    """All that Slack reads as markup, the notification's text with it."""
    marked = [text["text"] for _, text in texts(message) if text["type"] == "mrkdwn"]
    return "\n".join([message["text"], *marked])


def test_the_completion_message_has_the_architects_lines():
    message = message_of(notice(), ALL)
    assert message["blocks"][0]["text"]["text"] == "✅ Build Complete: Coordinator Droplet #11"
    lines = shown(message).splitlines()
    for line in (
        "*Status:* SUCCESS",
        "*Duration:* 1h 23m",
        "*Files Created:* 15",
        "*Tests:* 12/12 passing",
        "*Deployed:* <http://localhost:8300>",
        "*Cost:* $1.25",
        "*Ready for Review:* <http://localhost:8400/builds/build-11-coordinator-20251114-001>",
        "*Approve deployment?*",
    ):
        assert line in lines
    assert message["text"].startswith("✅ Build Complete: Coordinator Droplet #11\nStatus: SUCCESS\n")


def test_each_button_names_the_build_and_the_opening_of_the_gate():
    found = buttons(message_of(notice(), ALL))
    assert list(found) == ["approve", "revise", "reject"]
    about = {
        "build_id": "build-11-coordinator-20251114-001",
        "checkpoint": "deployed",
        "gate_id": "deployed-1",
    }
    assert [json.loads(button["value"]) for button in found.values()] == [about] * 3
    assert "withdrawn" in found["reject"]["confirm"]["text"]["text"]


def test_without_a_form_there_is_no_revise_and_without_clicks_there_is_a_link():
    assert list(buttons(message_of(notice(), Buttons(clicks=True)))) == ["approve", "reject"]
    message = message_of(notice(), Buttons())
    assert buttons(message) == {}
    assert "Decide on the page: <http://localhost:8400/builds/" in shown(message)


def test_a_notice_that_asks_nothing_has_neither():
    message = message_of(notice(NoticeKind.FAILED, gate_id=None, checkpoint=None), ALL)
    assert buttons(message) == {}
    assert "Approve" not in shown(message)


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_stays_within_slacks_limits_however_long_and_hostile_its_words_are(kind):
    long = (HOSTILE + "\u202e\x00 ") * 500
    question = {"id": "q", "question": long, "options": [long] * 30}
    hostile = notice(
        kind, intent=long, message=long, feedback=long, decided_by=long, questions=[question] * 40,
        evidence={f"<!here>{n}": long for n in range(30)}, error={"message": long, "hint": long},
        deployment_url=f"http://x/{long}", decision="revise",
    )  # fmt: skip
    message = message_of(hostile, ALL, may_be_repeat=True)
    assert 0 < len(message["text"]) <= 4000
    assert len(message["blocks"]) <= 50
    for block, text in texts(message):
        assert 0 < len(text["text"]) <= LIMITS[block]
        assert text["type"] == "plain_text" or text["verbatim"]
        assert "\x00" not in text["text"]
        assert "\u202e" not in text["text"]
    for injected in ("<!channel", "<!here", "<@U1", "<http://evil", "<http://x/"):
        assert injected not in mrkdwn(message)


def test_a_value_cannot_pass_for_a_line_of_ours():
    failed = notice(
        NoticeKind.FAILED, status="failed", error={"message": "no\n*Status:* SUCCESS", "hint": ""}
    )
    lines = shown(message_of(failed, ALL)).splitlines()
    assert "*Status:* FAILED" in lines
    assert "*Status:* SUCCESS" not in lines


def test_the_questions_are_shown_with_their_options_and_how_to_answer():
    question = {"id": "q", "question": "Which port?", "options": ["8300", "8301"]}
    message = message_of(notice(NoticeKind.INPUT_REQUESTED, questions=[question], gate_id=None), ALL)
    assert "Which port?" in shown(message)
    assert "• 8300\n• 8301" in shown(message)
    assert "fpai answer build-11-coordinator-20251114-001" in shown(message)


def test_the_evidence_of_a_gate_is_shown_without_what_only_programs_read():
    evidence = {
        "coverage": "91 %",
        "mutants_killed": 7,
        "report": {"findings": []},
        "skipped": 0,
        "tests_passing": 12,
    }
    text = shown(message_of(notice(NoticeKind.GATE_OPENED, evidence=evidence), ALL))
    assert "• coverage: 91 %\n• mutants killed: 7" in text
    assert "report" not in text
    assert "• tests passing" not in text


def test_a_possible_repeat_says_so_first():
    message = message_of(notice(), ALL, may_be_repeat=True)
    assert "may be a repeat" in message["blocks"][0]["elements"][0]["text"]
    assert message["text"].startswith("(possible repeat)")
    assert "repeat" not in shown(message_of(notice(), ALL))


def test_a_settled_message_keeps_its_figures_loses_its_buttons_and_says_who_when_and_why():
    asked = message_of(notice(), ALL)
    decided = notice(
        NoticeKind.DECIDED, decision="reject", decided_by="slack:U9", feedback="Too slow <!channel>",
        timestamp="2025-11-14T12:00:00Z",
    )  # fmt: skip
    message = settled(asked["blocks"], decided)
    assert buttons(message) == {}
    assert "*Tests:* 12/12 passing" in shown(message)
    assert message["blocks"][-1]["elements"][0]["text"] == (
        "*⛔ Rejected* by <@U9>, <!date^1763121600^{date_short_pretty}, {time}|2025-11-14T12:00:00Z>"
        "\n> Too slow &lt;!channel&gt;"
    )


def test_a_closed_message_has_no_buttons_and_names_who_pressed():
    message = closed(message_of(notice(), ALL)["blocks"], "Approved", "U9")
    assert buttons(message) == {}
    assert message["blocks"][-1]["elements"][0]["text"] == "*Approved* by <@U9>."


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("slack:U123", "<@U123>"),
        ("slack:U1><!channel", "U1&gt;&lt;!channel in Slack"),
        ("mail:a@b.example", "a@b.example by mail"),
        ("page", "page"),
    ],
)
def test_who_decided_is_named_as_they_came(by, said):
    assert person(by) == said


def test_text_is_cut_by_what_it_is_on_the_wire_and_never_inside_an_entity():
    assert escaped("<" * 10, 41) == "&lt;" * 10
    assert escaped("<" * 11, 41) == "&lt;" * 10 + "…"
    assert escaped("a<b", 5) == "a…"
    assert plain("abc", 2) == "a…"
    assert one_line("a\n b\t c", 10) == "a b c"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://localhost:8300/a?b=1&c=2", "<http://localhost:8300/a?b=1&amp;c=2>"),
        ("http://x|Approve", "http://x|Approve"),
        ("http://x/><!channel>", "http://x/&gt;&lt;!channel&gt;"),
        ("javascript:alert(1)", "javascript:alert(1)"),
    ],
)
def test_only_proper_http_addresses_become_links(url, said):
    assert link(url) == said
