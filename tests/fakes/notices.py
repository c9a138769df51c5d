"""Notices as the engine makes them, of a build with everything to say."""

from __future__ import annotations

from typing import Any

from executor.domain.notice import NoticeKind


def notice(kind: NoticeKind = NoticeKind.COMPLETED, **changes: Any) -> dict[str, Any]:
    """The architect's example: Coordinator, droplet 11, complete and to be reviewed."""
    build_id = "build-11-coordinator-20251114-001"
    return {
        "kind": kind.value,
        "build_id": build_id,
        "droplet_id": 11,
        "droplet_name": "coordinator",
        "title": "Coordinator",
        "intent": "Build Coordinator Droplet to automate Step 3",
        "status": "complete",
        "step": 8,
        "message": "Coordinator is live.",
        "checkpoint": "deployed",
        "gate_id": "deployed-1",
        "asks": "The release is live.",
        "evidence": {},
        "questions": [],
        "decided_gate_id": None,
        "decision": None,
        "decided_by": None,
        "feedback": None,
        "error": None,
        "duration_seconds": 4980.0,
        "files_created": 15,
        "tests_passing": 12,
        "tests_failing": 0,
        "spec_score": None,
        "deployment_url": "http://localhost:8300",
        "repository_url": None,
        "release": "r1",
        "commit": "c1",
        "cost_usd": 1.25,
        "cost_known": True,
        "budget_usd": None,
        "approval_mode": "final",
        "review_url": f"http://localhost:8400/builds/{build_id}",
        "timestamp": "2025-11-14T12:00:00Z",
        **changes,
    }
