"""Step 8, Report: what was made, how it was checked, where it runs, and what was left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from executor.domain.build import Build
from executor.domain.events import NewEvent, iso
from executor.domain.outcome import Artifact, Done, Outcome
from executor.domain.step import StepContext
from executor.steps.build import NO_MODEL
from executor.steps.publish import MAIN, Publisher, where_published
from executor.steps.shared import identity_of, refuse_superseded
from executor.store.droplets import Droplets


@dataclass(frozen=True, slots=True)
class ReportStep:
    """`base_url` is the daemon's own address, under which the review is found.

    `github_owner` is empty, and `publisher` None, where repositories stay local.
    """

    base_url: str
    droplets: Droplets
    github_owner: str = ""
    has_github_token: bool = False
    publisher: Publisher | None = None
    number: int = 8

    async def run(self, context: StepContext) -> Outcome:
        """Put the report together; it is kept, streamed, logged and shown.

        Raises Conflict when the release was replaced since it was registered.
        """
        await refuse_superseded(self.droplets, context.build)
        if self.publisher is not None:
            await self.publisher.push(context, str(context.build.facts["commit"]), MAIN)
        build = context.build
        published = where_published(build, self.github_owner, self.has_github_token)
        report = report_of(build, context.now(), self.base_url, published)
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


def report_of(build: Build, now: float, base_url: str, published: str) -> dict[str, Any]:
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
        "repository_url": facts.get("repository_url"),
        "release": facts.get("release"),
        "deployment_url": facts.get("deployment_url"),
        "endpoints": facts.get("endpoints", []),
        "provider": facts.get("provider"),
        "model_used": not scaffolded,
        "notes": [*([NO_MODEL] if scaffolded else []), *_caveats(facts), published],
        "assumptions": facts.get("assumptions", []),
        "left_out": facts.get("left_out", []),
        "model": facts.get("model"),
        "ai_iterations": facts.get("ai_iterations", 0),
        "turns": facts.get("turns", 0),
        "tokens": facts.get("tokens", 0),
        "cache_hit_rate": facts.get("cache_hit_rate", 0.0),
        "cost_usd": round(facts.get("cost_usd", 0.0), 6),
        "review_url": f"{base_url}/builds/{build.id}",
        "finished_at": iso(now),
    }


def _caveats(facts: Mapping[str, Any]) -> list[str]:
    """What was not shown from outside, and what the sum of dollars does not hold."""
    notes = []
    if not_shown := facts.get("not_shown"):
        notes.append(
            f"No hidden test shows these requirements; they rest on the droplet's own tests: {not_shown}."
        )
    if lost := facts.get("unknown_cost_turns", 0):
        cut = "1 model call was" if lost == 1 else f"{lost} model calls were"
        notes.append(f"{cut} cut off by a restart; whether that was paid is not known.")
    if not facts.get("cost_known", True):
        notes.append("Some calls have no known price, so the true cost is higher than cost_usd.")
    return notes
