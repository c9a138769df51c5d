"""The whole verdict on one checkout: what a good droplet gets, and what a spoiled one gets."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from executor.checks.verifier import Verifier, find_ruff
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Depth, Finding, Result, VerifierReport
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache

Failed = Callable[[Iterable[Finding]], dict[str, str]]
Replace = Callable[[str, str, str], None]
KEPT = 64 << 10
LOUD = "import sys\n\nsys.stdout.write('x' * 100_000 + '\\n\\x1b[31m\\udcff')\nsys.exit(1)\n"
TINY = {
    "app/__init__.py": "",
    "app/main.py": LOUD,
    "tests/__init__.py": "",
    "tests/test_api.py": "import app.main\n\n\ndef test_it():\n    assert app.main\n",
}


class Said:
    """Keeps what the Verifier tells while it works."""

    def __init__(self) -> None:
        self.activities: list[str] = []
        self.details: dict[str, Any] = {}

    def __call__(self, activity: str, details: Mapping[str, Any]) -> None:
        self.activities.append(activity)
        self.details.update(details)


@pytest.fixture(scope="module")
def said() -> Said:
    return Said()


@pytest.fixture(scope="module")
def walls(sandbox: Sandbox, venvs: VenvCache, places: Places) -> dict[str, Any]:
    return {"sandbox": sandbox, "venvs": venvs, "places": places, "limits": Limits()}


@pytest.fixture(scope="module")
def verifier(walls: dict[str, Any]) -> Verifier:
    return Verifier(**walls)


@pytest.fixture(scope="module")
def report(verifier: Verifier, template: Path, identity: DropletIdentity, said: Said) -> VerifierReport:
    """The verdict on the unspoiled template, reached once."""
    return asyncio.run(verifier.verify(source=template, commit="c0ffee", identity=identity, notify=said))


@pytest.fixture
def tiny(places: Places, template: Path) -> Iterator[Path]:
    """A repository of two files that shouts and ends, with the template's requirements."""
    root = places.scratch("tiny")
    for name, text in {**TINY, "requirements.txt": (template / "requirements.txt").read_text()}.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    yield root
    remove_tree_now(root)


def test_the_template_passes_every_rule(report: VerifierReport, failed: Failed):
    assert failed(report.findings) == {}
    assert report.passed
    assert report.commit == "c0ffee"


def test_its_tests_are_counted_and_reported_while_it_goes_on(report: VerifierReport, said: Said):
    assert report.tests_passing > 50 and report.tests_failing == 0
    assert said.details == {"tests_passing": report.tests_passing, "tests_failing": 0}
    assert len(said.activities) == len(set(said.activities)) >= 3


def test_every_rule_is_judged_once(report: VerifierReport):
    rules = [finding.rule for finding in report.findings]
    assert sorted(rules) == sorted(set(rules))
    for family in (
        "T1 T2 T3 T4 T5 T6 C11",
        "U1 U3 U7 U8 U10 U17 S7 S9",
        "F1 F2 U15 U16 U19 S1 S2 S12 S12d",
        "C3 C8 C9",
    ):
        assert set(family.split()) <= set(rules)


def test_the_report_is_a_document(report: VerifierReport):
    document = json.loads(json.dumps(report.as_json()))
    assert document["passed"] is True
    assert document["findings"][0].keys() == {"rule", "title", "result", "evidence"}


async def test_requirements_that_cannot_be_met_fail_a_rule_and_nothing_is_run(
    verifier: Verifier, droplet: Path, identity: DropletIdentity, edit: Replace, failed: Failed
):
    edit("requirements.txt", "idna==", "idna==0.0.0.1  # was ")
    said = Said()
    report = await verifier.verify(source=droplet, commit="c", identity=identity, notify=said)
    assert list(failed(report.findings)) == ["S12v"]
    assert "idna" in failed(report.findings)["S12v"]
    assert not report.passed
    assert (report.tests_passing, report.output, len(said.activities)) == (0, {}, 1)


@pytest.mark.parametrize(
    "line", ["./app", "--extra-index-url http://127.0.0.1:9/simple", "idna @ file:///etc/passwd"]
)
async def test_requirements_that_lead_elsewhere_fail_a_rule(
    line: str, verifier: Verifier, tiny: Path, identity: DropletIdentity, failed: Failed
):
    (tiny / "requirements.txt").write_text(f"{line}\n")
    report = await verifier.verify(source=tiny, commit="c", identity=identity, notify=Said())
    assert {"S12", "S12d"} <= failed(report.findings).keys()
    assert report.output == {}


async def test_a_missing_requirements_file_fails_a_rule(
    verifier: Verifier, tiny: Path, identity: DropletIdentity, failed: Failed
):
    (tiny / "requirements.txt").unlink()
    report = await verifier.verify(source=tiny, commit="c", identity=identity, notify=Said())
    assert failed(report.findings)["S12v"] == "there is no requirements.txt"


async def test_a_link_ends_the_verdict_before_anything_is_read(
    verifier: Verifier, tiny: Path, identity: DropletIdentity, failed: Failed
):
    (tiny / "requirements.txt").unlink()
    (tiny / "requirements.txt").symlink_to("/etc/passwd")
    report = await verifier.verify(source=tiny, commit="c", identity=identity, notify=Said())
    assert list(failed(report.findings)) == ["F2"] and len(report.findings) == 1
    assert "root:" not in json.dumps(report.as_json())


@pytest.mark.parametrize(("depth", "expected"), [(Depth.ROUND, False), (Depth.FULL, True)])
async def test_code_is_broken_for_the_verdict_and_not_in_each_round(
    depth: Depth, expected: bool, verifier: Verifier, tiny: Path, identity: DropletIdentity
):
    (tiny / "app/main.py").write_text("def one() -> int:\n    return 1\n")
    tests = "from app.main import one\n\n\ndef test_one():\n    assert one() == 1\n"
    (tiny / "tests/test_api.py").write_text(tests)
    report = await verifier.verify(source=tiny, commit="c", identity=identity, notify=Said(), depth=depth)
    assert report.tests_passing == 1
    assert ("T6" in [finding.rule for finding in report.findings]) is expected


class Grumbler:
    """Finds fault with everything, and remembers where it looked and whether the droplet can be run there."""

    def __init__(self) -> None:
        self.looked: list[tuple[Path, str]] = []
        self.could_run: bool | None = None

    async def opinion(self, droplet: Path, name: str) -> Finding:
        self.looked.append((droplet, name))
        done = await asyncio.create_subprocess_exec(
            droplet / ".venv/bin/python", "-c", "import fastapi, pytest, app.main", cwd=droplet
        )
        self.could_run = await done.wait() == 0
        return Finding("V2", "What a grumbler thinks", Result.NOTE, "FIXES_REQUIRED")


@pytest.fixture
def grumbler() -> Grumbler:
    return Grumbler()


async def test_a_second_opinion_of_a_green_commit_is_told_and_decides_nothing(
    tiny: Path, identity: DropletIdentity, walls: dict[str, Any], grumbler: Grumbler
):
    (tiny / "app/main.py").write_text("def one() -> int:\n    return 1\n")
    tests = "from app.main import one\n\n\ndef test_one():\n    assert one() == 1\n"
    (tiny / "tests/test_api.py").write_text(tests)
    verifier = Verifier(**walls, second_opinion=grumbler)
    report = await verifier.verify(source=tiny, commit="c", identity=identity, notify=Said())
    assert [finding.evidence for finding in report.findings if finding.rule == "V2"] == ["FIXES_REQUIRED"]
    assert "V2" not in {finding.rule for finding in report.failures}
    (looked,) = grumbler.looked
    assert looked[1] == identity.name and looked[0] != tiny
    assert grumbler.could_run
    assert not looked[0].exists()


async def test_no_second_opinion_is_asked_of_a_round_or_of_tests_that_fail(
    tiny: Path, identity: DropletIdentity, walls: dict[str, Any], grumbler: Grumbler
):
    verifier = Verifier(**walls, second_opinion=grumbler)
    for depth in Depth:
        await verifier.verify(source=tiny, commit="c", identity=identity, notify=Said(), depth=depth)
    (tiny / "app/main.py").write_text("")
    await verifier.verify(source=tiny, commit="c", identity=identity, notify=Said(), depth=Depth.ROUND)
    assert grumbler.looked == []


async def test_code_whose_tests_fail_is_not_broken_further(
    verifier: Verifier, tiny: Path, identity: DropletIdentity
):
    (tiny / "tests/test_api.py").write_text("def test_it():\n    assert [] == 1\n")
    report = await verifier.verify(source=tiny, commit="c", identity=identity, notify=Said())
    assert report.failing_tests == ("tests/test_api.py::test_it",)
    assert "T6" not in [finding.rule for finding in report.findings]


async def test_what_a_droplet_prints_is_bounded_and_can_be_kept(
    verifier: Verifier, tiny: Path, identity: DropletIdentity, failed: Failed
):
    report = await verifier.verify(source=tiny, commit="c", identity=identity, notify=Said())
    assert {"T1", "T2", "U1", "U8"} <= failed(report.findings).keys()
    assert 0 < len(report.output["service"].encode()) <= KEPT
    assert all(len(text.encode()) <= KEPT for text in report.output.values())
    assert all(
        len(finding.evidence) <= 1200 and "\x1b" not in finding.evidence for finding in report.findings
    )
    json.dumps(report.as_json(), ensure_ascii=False).encode("utf-8")


async def test_nothing_is_left_of_a_verdict_but_its_environment(
    verifier: Verifier, tiny: Path, identity: DropletIdentity, places: Places
):
    before = {path.name for path in (places.root / "scratch").iterdir()}
    await verifier.verify(source=tiny, commit="c", identity=identity, notify=Said())
    assert {path.name for path in (places.root / "scratch").iterdir()} == before
    assert not list(places.sockets.iterdir())
    assert not (tiny / "app/__pycache__").exists() and not (tiny / "tests/__pycache__").exists()


def test_ruff_is_the_one_beside_this_interpreter():
    assert os.access(find_ruff(), os.X_OK)
