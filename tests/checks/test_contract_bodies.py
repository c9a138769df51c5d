"""The log of a service, judged as text."""

from __future__ import annotations

import json

import pytest

from executor.checks.contract_bodies import check_logs
from executor.domain.findings import Result
from executor.sandbox.output import HeadTail

LINE = json.dumps({"event": "request_served"})


def test_json_lines_with_an_event_pass_beside_the_servers_own_first_lines() -> None:
    found = check_logs(f"INFO:     Started server process [2]\n{LINE}\n\n{LINE}\n")
    assert (found.result, found.evidence) == (Result.PASS, "2 lines")


@pytest.mark.parametrize(
    "output", ["", "hello\n", '{"message": "no event"}\n', "[1]\n", '"event"\n', "[" * 20_000, LINE + "x\n"]
)
def test_anything_else_fails(output: str) -> None:
    assert check_logs(output).result is Result.FAIL


def test_lines_that_were_torn_by_leaving_out_the_middle_are_not_held_against_it() -> None:
    kept = HeadTail(1000)
    for _ in range(500):
        kept.add(f"{LINE}\n".encode())
    assert "bytes left out" in kept.text()
    assert check_logs(kept.text()).result is Result.PASS
