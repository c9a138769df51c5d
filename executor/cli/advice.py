"""What a person can do next with a build, as commands to copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executor.cli.pick import awaits_review


def next_commands(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What it does and the command, for the state that the build is in."""
    build = str(document.get("build_id"))
    status = document.get("status")
    if status == "waiting_approval":
        return [
            ("go on", f"fpai approve {build}"),
            ("change it", f'fpai revise {build} --feedback "…"'),
            ("end it", f"fpai reject {build}"),
        ]
    if status == "waiting_input":
        return [*_answers(document, build), ("end it", f"fpai cancel {build}")]
    if status == "failed":
        return [("see why", f"fpai logs {build}"), ("try again", f"fpai retry {build}")]
    if awaits_review(document):
        return [("accept it", f"fpai approve {build}"), ("roll it back", f"fpai reject {build}")]
    if status in {"queued", "in_progress", "waiting_retry"}:
        return [("follow it", f"fpai watch {build}")]
    return []


def _answers(document: Mapping[str, Any], build: str) -> list[tuple[str, str]]:
    questions = document.get("questions") or ()
    if document.get("needs") == "budget":
        return [("let it go on", f"fpai budget {build} 5")]
    if not questions:
        return [("try again", f"fpai retry {build}")]
    given = " ".join(f'{question.get("id")}="…"' for question in questions)
    return [("answer", f"fpai answer {build} {given}")]


def reattach(build: str) -> str:
    """How to come back to a build that goes on without us."""
    return f"Follow it: fpai watch {build}\nStop it:   fpai cancel {build}"
