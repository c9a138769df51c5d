"""Documents as the daemon's routes have them, for tests to change a line or two of."""

from __future__ import annotations

from typing import Any

FINISHED = {"complete", "failed", "cancelled", "rejected", "rolled_back"}
STEPS = (
    "Intent",
    "SPEC Generation",
    "Coordinator Package",
    "Apprentice Build",
    "Verifier",
    "Deployer",
    "Registry Update",
    "Report",
)


def make_build(number: int, name: str = "analytics", droplet_id: int = 13, **over: Any) -> dict[str, Any]:
    build_id = f"build-{droplet_id}-{name}-20261114-{number:03d}"
    document: dict[str, Any] = {
        "build_id": build_id,
        "droplet_id": droplet_id,
        "droplet_name": name,
        "status": "in_progress",
        "current_step": 4,
        "current_step_name": "Apprentice Build",
        "progress_percent": 50,
        "steps_completed": [
            {"step": n, "name": STEPS[n - 1], "status": "complete", "duration_seconds": 1.5 * n}
            for n in (1, 2, 3)
        ],
        "current_step_details": {
            "started_at": "2026-11-14T12:30:00Z",
            "action": "writing tests",
            "ai_iterations": 3,
            "files_created": 8,
            "tests_passing": 4,
            "tests_failing": 2,
        },
        "estimated_completion": "2026-11-14T14:00:00Z",
        "remaining_seconds": 3600,
        "elapsed_seconds": 754.2,
        "cost_usd": 0.42,
        "tokens": 1200,
        "attempt": 1,
        "intent": "Build Analytics Engine for tracking droplet metrics",
        "approval_mode": "auto",
        "provider": "scaffold",
        "created_at": "2026-11-14T12:29:00Z",
        "warnings": [],
        "questions": [],
        "gate": None,
        "review": None,
        "error": None,
        "web_url": f"http://localhost:8400/builds/{build_id}",
        "last_seq": 0,
    }
    return document | over


def gate(checkpoint: str = "built") -> dict[str, Any]:
    evidence = {
        "tests": "12/12 passing",
        "spec_score": 92,
        "diff_lines": 340,
        "resources": ["items", "owners"],
    }
    return {
        "checkpoint": checkpoint,
        "gate_id": f"{checkpoint}-abc",
        "asks": "Deploy it?",
        "evidence": evidence,
    }


def with_model(number: int, **over: Any) -> dict[str, Any]:
    """A build in the middle of its rounds, as a model drives it."""
    details = {
        "started_at": "2026-11-14T12:30:00Z",
        "action": "apprentice: the model is thinking",
        "text": "The list comes back unsorted, so the second test fails;\nI sort it by name before.",
        "tool": "str_replace_based_edit_tool",
        "file": "/ws/app/routes/items.py",
        "ai_iterations": 3,
        "max_iterations": 10,
        "files_created": 0,
        "tests_passing": 41,
        "tests_failing": 2,
    }
    spent = {"turns": 23, "tokens": 512_340, "cache_hit_rate": 0.824, "cost_usd": 1.23, "cost_known": True}
    model = {"model": "claude-opus-4-8", "provider": "anthropic", "budget_usd": 5.0}
    return make_build(number, current_step_details=details, **spent, **model) | over


def turn(number: int, conversation: str = "apprentice-1", **over: Any) -> dict[str, Any]:
    return {
        "number": number,
        "conversation": conversation,
        "model": "claude-opus-4-8",
        "state": "answered",
        "asked_at": "2026-11-14T12:30:00Z",
        "seconds": 12.5,
        "stop_reason": "tool_use",
        "error": None,
        "tokens": {"input": 100, "output": 900, "cache_read": 8_000, "cache_write": 1_900},
        "cost_usd": 0.0375,
        "tool_calls": [call("bash", "pytest -q")],
    } | over


def call(name: str, about: str = "", **over: Any) -> dict[str, Any]:
    return {"name": name, "about": about, "state": "finished", "seconds": 1.5, "is_error": False} | over


def sums(**over: Any) -> dict[str, Any]:
    tokens = {"input": 0, "output": 0, "cache_read": 0, "cache_write": 0}
    nothing = (
        "success_rate", "success_between", "median_elapsed_seconds", "median_working_seconds",
        "longest_elapsed_seconds", "cost_per_success_usd", "cache_hit_rate",
    )  # fmt: skip
    counts = dict.fromkeys(("builds", "counted", "succeeded", "turns", "builds_of_unknown_cost"), 0)
    return {**counts, **dict.fromkeys(nothing), "states": {}, "cost_usd": 0.0, "tokens": tokens, **over}


def notice(channel: str, state: str = "told", about: str = "build.completed", **over: Any) -> dict[str, Any]:
    """A notice as the daemon's route has it."""
    at = "2026-11-14T12:40:00Z"
    return {
        "channel": channel,
        "about": about,
        "state": state,
        "created_at": at,
        "told_at": at if state == "told" else None,
        "gave_up_at": at if state == "given_up" else None,
        "next_try_at": None,
        "attempts": 1,
        "reason": None,
    } | over
