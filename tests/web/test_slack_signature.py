"""Slack's signature: fresh to the second, taken once, and forgotten when it could not be taken any more."""

from __future__ import annotations

import pytest

from executor.web.envelope import Refusal
from executor.web.slack_signature import SlackSignatures
from tests.fakes.slack import SIGNING, signed

THREAT = "forged approvals"

NOW = 1_700_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def taken(signatures: SlackSignatures, at: float, text: str = "x") -> bool:
    body, headers = signed({"type": text}, at=at)
    try:
        signatures.check(body, headers["x-slack-request-timestamp"], headers["x-slack-signature"])
    except Refusal as refusal:
        assert refusal.status == 401
        return False
    return True


@pytest.mark.parametrize(
    ("off", "is_taken"), [(-301, False), (-300, True), (-299, True), (0, True), (300, True), (301, False)]
)
def test_a_request_may_be_300_seconds_off_and_not_301(off, is_taken, ledger):
    assert taken(SlackSignatures(SIGNING, Clock()), NOW + off) is is_taken
    ledger.tried("requests at the edge of their time", threat=THREAT)


def test_slacks_own_example_is_taken():
    """From Slack's documentation of signed requests."""
    clock = Clock()
    clock.now = 1531420618.0
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
        b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
        b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F"
        b"96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    signatures = SlackSignatures("8f742231b10e8888abcd99yyyzzz85a5", clock)
    signatures.check(body, "1531420618", signature)
    with pytest.raises(Refusal, match="before"):
        signatures.check(body, "1531420618", signature)


def test_a_replay_is_refused_as_long_as_it_would_be_fresh(ledger):
    clock = Clock()
    signatures = SlackSignatures(SIGNING, clock)
    assert taken(signatures, NOW + 300)
    for later in (0, 300, 599, 600):
        clock.now = NOW + later
        assert taken(signatures, NOW + 300) is False
        assert taken(signatures, clock.now, f"another {later}")
    ledger.tried("replays", 4, threat=THREAT)


def test_what_could_not_be_taken_any_more_is_forgotten():
    clock = Clock()
    signatures = SlackSignatures(SIGNING, clock)
    for number in range(100):
        clock.now = NOW + 10 * number
        assert taken(signatures, clock.now, str(number))
    assert len(signatures._taken) <= 32


def test_a_forged_request_leaves_nothing_behind():
    signatures = SlackSignatures("other", Clock())
    assert taken(signatures, NOW) is False
    assert not signatures._taken
