"""Droplets' repositories on GitHub: made once, pushed by each step that commits. Else they are local only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executor.adapters.git import Git
from executor.adapters.git_push import Remote
from executor.domain.build import Build
from executor.domain.step import StepContext
from executor.steps.shared import identity_of, repository_of

if TYPE_CHECKING:  # with gidgethub come half a dozen packages that a daemon without GitHub never needs
    from executor.adapters.github import Github, RemoteRepository

MAIN = "main"


@dataclass(frozen=True, slots=True)
class Publisher:
    """Where repositories are published, and with which token. Raises what Github and push raise."""

    git: Git
    github: Github
    repositories: Path
    token: str

    async def repository(self, context: StepContext) -> dict[str, Any]:
        """Make or adopt the droplet's repository; returns the facts that name it."""
        identity = identity_of(context.build)

        async def probe() -> Mapping[str, Any] | None:
            found = await self.github.find(identity.slug)
            return _facts(found) if found else None

        async def act() -> Mapping[str, Any]:
            return _facts(await self.github.create(identity.slug, identity.purpose))

        context.progress("making the repository on GitHub")
        return dict(await context.effect(f"repository/{identity.slug}", probe=probe, act=act))

    async def push(self, context: StepContext, commit: str, branch: str = "") -> None:
        """Push a commit to the build's own branch, or to another; nothing is pushed twice."""
        build = context.build
        url = build.facts.get("clone_url")
        if not url:
            return
        name = branch or f"build/{build.id}"
        context.progress(f"pushing {name} to GitHub")
        remote = Remote(self.git, repository_of(self.repositories, build), str(url), self.token)
        await remote.push(commit, name)
        context.log(f"Pushed {commit[:10]} to {name} of {build.facts.get('repository_url')}.")


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
