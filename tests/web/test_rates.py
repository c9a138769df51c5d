"""One address of another machine gets its share and no more; this machine's own callers are not counted."""

from __future__ import annotations

from typing import Any

import pytest

from executor.settings_tables import Server
from executor.web.access import Access
from executor.web.envelope import Refusal
from executor.web.rates import Rate
from executor.web.session import Sessions

SESSIONS = Sessions(b"k" * 32, "a-token-of-the-daemon", secure=False)
RIGHT, WRONG = b"Bearer a-token-of-the-daemon", b"Bearer a-guess"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def caller(address: str) -> dict[str, Any]:
    return {
        "type": "http", "method": "GET", "path": "/executor/builds", "headers": [], "state": {},
        "client": (address, 40000),
    }  # fmt: skip


def test_a_bucket_gives_its_burst_and_then_as_much_as_flows_in() -> None:
    clock = Clock()
    rate = Rate(10, 20, clock)
    assert [rate.spend(caller("192.0.2.1")) for _ in range(20)] == [0.0] * 20
    assert rate.spend(caller("192.0.2.1")) == pytest.approx(0.1)
    assert rate.spend(caller("192.0.2.2")) == 0.0
    clock.now += 0.5
    assert [bool(rate.spend(caller("192.0.2.1"))) for _ in range(6)] == [False] * 5 + [True]
    clock.now += 3600
    assert [bool(rate.spend(caller("192.0.2.1"))) for _ in range(21)] == [False] * 20 + [True]


def test_one_machine_has_one_bucket_for_all_of_its_addresses() -> None:
    rate = Rate(1, 1, Clock())
    assert not rate.spend(caller("2001:db8::1"))
    assert rate.spend(caller("2001:db8::ffff"))
    assert not rate.spend(caller("2001:db8:0:1::1"))
    assert not rate.spend(caller("192.0.2.1"))
    assert rate.spend(caller("::ffff:192.0.2.1"))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_this_machines_own_callers_are_not_counted(address: str) -> None:
    rate = Rate(1, 1, Clock())
    assert not any(rate.spend(caller(address)) for _ in range(1000))


def test_a_million_addresses_cost_bounded_memory() -> None:
    rate = Rate(1, 1, Clock())
    for number in range(20_000):
        rate.spend(caller(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"))
    assert len(rate._buckets) <= 4096


def refused(access: Access, address: str, token: bytes) -> str:
    headers = {b"host": b"localhost", b"authorization": token}
    try:
        access.check(caller(address), headers)
    except Refusal as refusal:
        return refusal.code
    return ""


def test_r11_a_stranger_that_asks_too_much_is_429_and_others_are_served() -> None:
    access = Access(Server(token="a-token-of-the-daemon", requests_per_second=5), SESSIONS)
    answers = [refused(access, "192.0.2.1", RIGHT) for _ in range(60)]
    assert answers[:50] == [""] * 50 and set(answers[55:]) == {"TOO_MANY_REQUESTS"}
    assert refused(access, "192.0.2.2", RIGHT) == ""
    with pytest.raises(Refusal) as told:
        access.check(caller("192.0.2.1"), {b"host": b"localhost", b"authorization": RIGHT})
    assert told.value.status == 429 and int(told.value.headers["retry-after"]) >= 1


def test_a_stranger_who_guesses_is_compared_thirty_times_a_minute() -> None:
    access = Access(Server(token="a-token-of-the-daemon"), SESSIONS)
    answers = [refused(access, "192.0.2.1", WRONG) for _ in range(40)]
    assert answers == ["UNAUTHORIZED"] * 30 + ["TOO_MANY_WRONG_TOKENS"] * 10
    assert refused(access, "192.0.2.1", RIGHT) == "TOO_MANY_WRONG_TOKENS"
    assert refused(access, "192.0.2.2", RIGHT) == ""
    assert refused(access, "127.0.0.1", RIGHT) == ""


def test_without_a_number_nobody_is_counted() -> None:
    access = Access(Server(token="a-token-of-the-daemon", requests_per_second=0), SESSIONS)
    assert {refused(access, "192.0.2.1", RIGHT) for _ in range(5000)} == {""}
