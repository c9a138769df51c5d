"""What an Apprentice is tested with: a Verifier that reads what it wrote, and stand-ins for costly parts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from executor.agent.model_watch import ModelWatch
from executor.domain.acceptance import AcceptanceRun, AcceptanceSet
from executor.domain.conversation import ModelService
from executor.domain.findings import Finding, Result, VerifierReport
from executor.sandbox.base import SandboxCommand, SandboxResult
from tests.fakes.spec_reply import spec_reply

ANSWER = "answer.txt"
_CALL = {
    "wait": 0, "method": "GET", "path": "/orders", "query": [], "headers": [], "body": "", "raw": "",
    "status": [200], "save": [], "checks": [],
}  # fmt: skip
TESTS = {
    "requirements": [{"id": name, "text": "It is served."} for name in ("R1", "R2")],
    "scenarios": [
        {"requirement": name, "title": "served", "fresh": False, "calls": [_CALL]} for name in ("R1", "R2")
    ],
}


class ReadsTheAnswer:
    """A Verifier for which answer.txt names the tests that fail: none, green; no file, all of them.

    `refused` names commits' answers that a round passes and the whole verification does not.
    """

    def __init__(self, refused: Mapping[str, str] | None = None) -> None:
        self.refused = dict(refused or {})
        self.judged: list[str] = []

    async def verify(self, *, source: Path, commit: str, depth: str = "full", **_: object) -> VerifierReport:
        await asyncio.sleep(0)
        self.judged.append(commit)
        path = source / ANSWER
        answer = path.read_text().strip() if path.is_file() else "test_missing"
        failing = tuple(word for word in answer.split() if word.startswith("test_"))
        findings = [
            Finding("T1", "The tests pass", Result.FAIL if failing else Result.PASS, " ".join(failing))
        ]
        if depth == "full" and answer in self.refused:
            findings.append(Finding("A1", "The SPEC is served", Result.FAIL, self.refused[answer]))
        return VerifierReport(
            commit, tuple(findings), 3, len(failing), 0.1, {"tests": f"ran: {answer}"}, failing_tests=failing
        )


class PlainWalls:
    """Stands for walls where a story is not about them: an echo of what would have run."""

    kind = "plain"

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def run(self, command: SandboxCommand) -> SandboxResult:
        await asyncio.sleep(0)
        self.ran.append(command.argv[-1])
        return SandboxResult(0, f"ran {command.argv[-1]}", 10, False, 0.01)


class NoVenvs:
    """Venvs that need no installing."""

    def __init__(self, place: Path) -> None:
        self._place = place

    async def get(self, requirements: Path) -> Path:
        requirements.read_text()
        self._place.mkdir(exist_ok=True)
        return self._place


class AllServed:
    """Hidden tests that find nothing wrong."""

    async def run(self, tests: AcceptanceSet, *_: object) -> AcceptanceRun:
        await asyncio.sleep(0)
        return AcceptanceRun()


class Apprenticed:
    """A rule for all conversations of a build: the Apprentice's alone are the story's."""

    def __init__(self, rule: Any, spec: Any = spec_reply) -> None:
        self._rule = rule
        self._spec = spec
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, body: dict[str, Any], number: int) -> Any:
        form = body.get("output_config", {}).get("format", {}).get("schema", {}).get("properties", {})
        if "questions" in form:
            return self._spec()
        if "scenarios" in form:
            return TESTS
        self.bodies.append(body)
        return self._rule(body, len(self.bodies))


def unwatched(service: ModelService) -> ModelWatch:
    """The service as the daemon takes it, with a catalogue that answers nothing."""

    async def unknown(_: str) -> None:
        return None

    return ModelWatch(service, unknown, ())


def tool(name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "name": name, "input": arguments}


def answer(*failing: str) -> dict[str, Any]:
    """Write answer.txt so that just these tests fail."""
    text = " ".join(failing) + "\n"
    return tool("str_replace_based_edit_tool", command="create", path=f"/ws/{ANSWER}", file_text=text)


def finish() -> dict[str, Any]:
    return tool("finish", summary="done")


def run_tests() -> dict[str, Any]:
    return tool("run_tests")
