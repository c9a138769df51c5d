"""What the Apprentice is told of all that was said, and what is for others."""

from __future__ import annotations

import json

import pytest

from executor.agent.briefing import Order, fresh_start, news, still_holds
from executor.agent.progress import Progress
from executor.domain.droplet import DropletIdentity
from executor.domain.step import Said

REVISION = Said("built", "revise", "in metres")
ADVICE = Said("", "answer", json.dumps({"go_on": "leave it empty"}))


@pytest.mark.parametrize(
    "said", [REVISION, ADVICE, Said("built", "reject", "wrong"), Said("", "repair", "500")]
)
def test_words_to_whoever_builds_are_passed_on(said):
    assert len(news([said])) == 1


@pytest.mark.parametrize(
    "said",
    [
        Said("built", "approve", "looks nice"),
        Said("spec_generated", "revise", "another SPEC"),
        Said("", "answer", json.dumps({"currency": "euro"})),
        Said("", "answer", json.dumps({"packages": "allow"})),
        Said("", "answer", ""),
    ],
)
def test_words_to_others_are_not(said):
    assert news([said]) == []


def test_a_fresh_conversation_hears_people_and_of_the_repairs_only_the_last():
    first, second = Said("", "repair", "mended long ago"), Said("", "repair", "open")
    own = Said("", "answer", json.dumps({"architect": "blue"}))
    assert still_holds([first, REVISION, own, ADVICE, second]) == [REVISION, ADVICE, second]


def test_a_diff_of_any_size_leaves_a_fresh_conversation_room_to_work():
    identity = DropletIdentity(id=13, name="library", version="0.1.0", purpose="Books", port=8013)
    order = Order(identity, "the SPEC", (), (), 15)
    told = fresh_start(order, Progress("a" * 40, 15), "+line\n" * 200_000, "")
    assert len(told) < 60_000
    assert "cut here" in told
