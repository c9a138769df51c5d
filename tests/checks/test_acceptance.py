"""Hidden tests against real services behind real walls: one that is right, and ones that break."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.checks.acceptance import AcceptanceRunner
from executor.checks.acceptance_findings import as_findings
from executor.domain.acceptance import AcceptanceRun, AcceptanceSet
from executor.domain.droplet import DropletIdentity
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache
from tests.checks.acceptance_cases import call, check, save, scenario, set_of

# Counts what was posted; ends itself when told to.
COUNTER = """
import os, sys

kept = []

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/end":
        print("the end was asked for", flush=True)
        os._exit(3)
    if scope["method"] == "POST":
        kept.append(1)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(kept)).encode()})
"""
END = call("GET /end")


@pytest.fixture(scope="module")
def runner(sandbox: Sandbox, venvs: VenvCache, places: Places) -> AcceptanceRunner:
    return AcceptanceRunner(sandbox=sandbox, venvs=venvs, places=places, limits=Limits())


@pytest.fixture
def counter(places: Places, template: Path) -> Iterator[Path]:
    root = places.scratch("counter")
    (root / "app").mkdir()
    (root / "app/main.py").write_text(COUNTER)
    (root / "requirements.txt").write_text((template / "requirements.txt").read_text())
    yield root
    remove_tree_now(root)


async def run(
    runner: AcceptanceRunner, tests: AcceptanceSet, source: Path, identity: DropletIdentity
) -> tuple[AcceptanceRun, list[str]]:
    said: list[str] = []
    return await runner.run(tests, source, identity, said.append), said


async def test_a_right_service_holds_and_a_wrong_expectation_fails_with_what_it_answered(
    runner: AcceptanceRunner, template: Path, identity: DropletIdentity
):
    book = '{"title": "${unique}", "author": "M. Ende", "year": 1973}'
    made = call(
        "POST /books", check("/data/title", "equals", "${unique}"), status=201, body=book,
        save=[save("id", "/data/id"), save("place", "location", "header")],
    )  # fmt: skip
    gone = call("GET ${place}", check("/error/code", "equals", "NOT_FOUND"), status=404)
    tests = set_of(
        scenario(made, call("GET /books/${id}", check("/data/author", "length", 7)), requirement="R1"),
        scenario(made, call("DELETE ${place}", status=204), gone, requirement="R2", key="S2"),
        scenario(
            call("GET /books", check("/meta/total", "equals", 0)), fresh=True, requirement="R3", key="S3"
        ),
        scenario(call("POST /books", raw="{broken", status=422), requirement="R4", key="S4"),
    )
    result, said = await run(runner, tests, template, identity)
    findings = {f.rule: f for f in as_findings(tests, result)}
    assert [rule for rule, f in findings.items() if f.result == "fail"] == ["A4"]
    assert "status 400" in findings["A4"].evidence and "{broken" in findings["A4"].evidence
    assert len(said) == 4 and "4 of 4" in said[-1]


async def test_a_crash_fails_the_scenario_that_saw_it_and_the_rest_meet_a_new_service(
    runner: AcceptanceRunner, counter: Path, identity: DropletIdentity
):
    one = call("POST /", check("", "equals", "1", part="text"))
    two = call("POST /", check("", "equals", "2", part="text"))
    tests = set_of(
        scenario(one, key="S1"),
        scenario(two, END, key="S2"),
        scenario(one, key="S3"),
        scenario(one, key="S4", fresh=True),
    )
    result, _ = await run(runner, tests, counter, identity)
    assert [r.scenario.key for r in result.missed] == ["S2"]
    assert {r.scenario.key for r in result.results} == {"S1", "S2", "S3", "S4"}
    miss = result.missed[0].miss
    assert miss is not None and not miss.answered
    assert "the end was asked for" in miss.observed


async def test_a_service_that_keeps_breaking_is_asked_no_more(
    runner: AcceptanceRunner, counter: Path, identity: DropletIdentity
):
    tests = set_of(*(scenario(END, key=f"S{n}") for n in range(5)), scenario(END, key="S9", fresh=True))
    result, said = await run(runner, tests, counter, identity)
    assert len(result.missed) == 6
    assert len(said) == 3
    assert "asked no more" in result.missed[-1].miss.observed


async def test_a_service_that_does_not_start_is_told_as_one_problem(
    runner: AcceptanceRunner, counter: Path, identity: DropletIdentity
):
    (counter / "app/main.py").write_text("raise RuntimeError('not today')\n")
    result, _ = await run(runner, set_of(scenario(END)), counter, identity)
    assert result.results == ()
    assert "not today" in result.problem


async def test_requirements_that_cannot_be_installed_are_a_problem_too(
    runner: AcceptanceRunner, counter: Path, identity: DropletIdentity
):
    (counter / "requirements.txt").write_text("./elsewhere\n")
    result, _ = await run(runner, set_of(scenario(END)), counter, identity)
    assert result.problem
