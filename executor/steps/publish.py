"""Droplets' repositories on GitHub: made once, pushed by each step that commits. Else they are local only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executor.adapters.git import Git
from executor.adapters.git_push import Remote
from executor.domain.build import Build
from executor.domain.step import StepContext
from executor.errors import Permanent
from executor.steps.shared import identity_of, repository_of

if TYPE_CHECKING:  # with gidgethub come half a dozen packages that a daemon without GitHub never needs
    from executor.adapters.github import Github, RemoteRepository

MAIN = "main"
# Where GitHub and the services with its API look for what they run; some look without regard to case.
_WORKFLOW = re.compile(r"\.(github|gitea|forgejo)/(workflows|actions)/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Publisher:
    """Where repositories are published, and with which token. Raises what Github and push raise."""

    git: Git
    github: Github
    repositories: Path
    token: str

    async def repository(self, context: StepContext) -> dict[str, Any]:
        """Make or adopt the droplet's repository; returns the facts that name it.

        Each attempt looks again, so that one that people removed is made anew when the step is retried.
        """
        build = context.build
        identity = identity_of(build)

        async def probe() -> Mapping[str, Any] | None:
            found = await self.github.find(identity.slug)
            return _facts(found) if found else None

        async def act() -> Mapping[str, Any]:
            return _facts(await self.github.create(identity.slug, identity.purpose))

        context.progress("making the repository on GitHub")
        key = f"repository/{identity.slug}/{build.attempt}"
        return dict(await context.effect(key, probe=probe, act=act))

    async def push(self, context: StepContext, commit: str, branch: str = "") -> None:
        """Push a commit to the build's own branch, or to another; nothing is pushed twice.

        Raises Permanent for a commit that GitHub itself would act on, and pushes nothing of it.
        """
        build = context.build
        url = build.facts.get("clone_url")
        if not url:
            return
        name, repository = branch or f"build/{build.id}", repository_of(self.repositories, build)
        await self._refuse_workflows(repository, commit)
        context.progress(f"pushing {name} to GitHub")
        remote = Remote(self.git, repository, str(url), self.token)
        await remote.push(commit, name)
        context.log(f"Pushed {commit[:10]} to {name} of {build.facts.get('repository_url')}.")

    async def _refuse_workflows(self, repository: Path, commit: str) -> None:
        """A workflow runs as soon as it is pushed: outside every wall, and with a token of its own."""
        run = [path for path in await self.git.files(repository, commit) if _WORKFLOW.match(path)]
        if run:
            raise Permanent(
                f"The build holds {', '.join(run[:3])}, which would be run at once by where it is pushed to;"
                " nothing was pushed.",
                hint="Workflows are for people to add. Build again, with an intent that asks for none.",
                code="WORKFLOW_REFUSED",
            )


def where_published(build: Build, owner: str, has_token: bool) -> str:
    """What the report says of the repository."""
    if build.facts.get("repository_url"):
        return f"The repository is at {build.facts['repository_url']}."
    missing = [word for word, there in (("[github] owner", owner), ("GITHUB_TOKEN", has_token)) if not there]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return f"The repository is local only: {' and '.join(missing)} {verb} not set."
    return "The repository is local only: it was packaged before GitHub was configured."


def _facts(found: RemoteRepository) -> dict[str, Any]:
    return {"repository_url": found.html_url, "clone_url": found.clone_url}
