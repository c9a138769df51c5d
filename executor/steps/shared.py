"""What several steps derive from a build in the same way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from executor.domain.build import Build
from executor.domain.droplet import DropletIdentity
from executor.errors import Conflict
from executor.store.droplets import Droplets


def identity_of(build: Build) -> DropletIdentity:
    """The droplet's identity as step 1 settled it."""
    return DropletIdentity(
        id=build.droplet_id,
        name=build.droplet_name,
        version=str(build.facts["version"]),
        purpose=build.intent,
        port=int(build.facts["port"]),
    )


async def refuse_superseded(droplets: Droplets, build: Build) -> None:
    """Raise Conflict when this build's release serves no more: nobody may be told that it does.

    It can be replaced between a failure after step 6 and the retry that goes on from there.
    """
    live = await droplets.live(build.droplet_id)
    if live is not None and live.id == build.facts["release"]:
        return
    serves = f"release {live.id} serves now" if live else "none of this droplet serves now"
    raise Conflict(
        f"Release {build.facts['release']} of this build was replaced: {serves}; nothing was changed.",
        hint=f"`fpai retry {build.id} --from 1` builds it on what serves now.",
        code="SUPERSEDED",
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
