"""Step 8, Report: what was made, how it was checked, where it runs, and what was left out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from executor.domain.build import Build
from executor.domain.events import NewEvent, iso
from executor.domain.outcome import Artifact, Done, Outcome
from executor.domain.step import StepContext
from executor.steps.build import NO_MODEL
from executor.steps.shared import identity_of


@dataclass(frozen=True, slots=True)
class ReportStep:
    """`base_url` is the daemon's own address, under which the review is found."""

    base_url: str
    number: int = 8

    async def run(self, context: StepContext) -> Outcome:
        """Put the report together; it is kept, streamed, logged and shown."""
        build = context.build
        report = report_of(build, context.now(), self.base_url)
        title = identity_of(build).title
        message = (
            f"{title} Droplet #{build.droplet_id} is live at {report['deployment_url']} and registered."
            " Ready for review."
        )
        context.log(message)
        return Done(
            message,
            artifacts=(Artifact("report", json.dumps(report, ensure_ascii=False)),),
            events=(NewEvent("report_ready", "The report is kept with the build.", report),),
        )


def report_of(build: Build, now: float, base_url: str) -> dict[str, Any]:
    """The report document of `GET …/report`."""
    facts = build.facts
    scaffolded = facts.get("provider") == "scaffold"
    return {
        "build_id": build.id,
        "droplet_id": build.droplet_id,
        "droplet_name": build.droplet_name,
        "intent": build.intent,
        "result": "success",
        "duration_seconds": round(now - build.created_at, 1),
        "working_seconds": round(build.working_seconds, 1),
        "files_created": facts.get("files_created", 0),
        "tests_passing": facts.get("tests_passing", 0),
        "tests_failing": facts.get("tests_failing", 0),
        "rules_checked": facts.get("rules_checked", 0),
        "spec_score": facts.get("spec_score"),
        "version": facts.get("version"),
        "commit": facts.get("commit"),
        "repository_path": facts.get("repository_path"),
        "repository_url": None,
        "release": facts.get("release"),
        "deployment_url": facts.get("deployment_url"),
        "endpoints": facts.get("endpoints", []),
        "provider": facts.get("provider"),
        "model_used": not scaffolded,
        "notes": [NO_MODEL, "The repository is local only."]
        if scaffolded
        else ["The repository is local only."],
        "left_out": facts.get("left_out", []),
        "cost_usd": 0.0,
        "review_url": f"{base_url}/builds/{build.id}",
        "finished_at": iso(now),
    }
