"""What several steps derive from a build in the same way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from executor.domain.build import Build
from executor.domain.droplet import DropletIdentity


def identity_of(build: Build) -> DropletIdentity:
    """The droplet's identity as step 1 settled it."""
    return DropletIdentity(
        id=build.droplet_id,
        name=build.droplet_name,
        version=str(build.facts["version"]),
        purpose=build.intent,
        port=int(build.facts["port"]),
    )


def repository_of(root: Path, build: Build) -> Path:
    """The droplet's bare repository; every release of the droplet shares it."""
    return root / f"{build.droplet_name}.git"


def instant_of(build: Build) -> datetime:
    """The one instant that dates everything this build commits, so that doing it again changes nothing."""
    return datetime.fromtimestamp(int(build.created_at), UTC)


def ref_of(build: Build, stage: str) -> str:
    """Where the repository remembers what a step of this build committed."""
    return f"refs/builds/{build.id}/{stage}"


RELEASED = "refs/heads/main"
