"""The targets of this daemon by the words of a build; each is made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from executor.errors import Permanent
from executor.settings_tables import Deploy
from executor.targets.base import Target

PROCESS, DOCKER, SWARM = "process", "docker", "swarm"


class TargetChoice(Protocol):
    """Finds the target that a build or a release names."""

    def named(self, word: str) -> Target:
        """The target of that word. Raises Permanent for one that is not configured."""
        ...

    async def aclose(self) -> None:
        """Let go of every connection."""
        ...


def target_words(deploy: Deploy) -> tuple[str, ...]:
    """Every word that a build's `target` may be with this configuration, the default one first."""
    hosts = [f"{DOCKER}:{name}" for name in deploy.hosts]
    found = [deploy.target, PROCESS, DOCKER, *hosts, *([SWARM] if deploy.hosts else [])]
    return tuple(dict.fromkeys(found))


class Targets:
    """`make` builds the target of a word in its full form (`docker:alpha`, not `docker` for it)."""

    def __init__(self, deploy: Deploy, make: Callable[[str], Target]) -> None:
        self._deploy = deploy
        self._make = make
        self._made: dict[str, Target] = {}

    def named(self, word: str) -> Target:
        """The target of that word; `docker` is the one on `[deploy] host`. Raises Permanent."""
        if word not in target_words(self._deploy):
            raise Permanent(
                f"There is no target {word} in this configuration, so nothing was done there.",
                hint="Known are "
                + ", ".join(target_words(self._deploy))
                + "; see [deploy] in executor.toml.",
                code="NO_SUCH_TARGET",
            )
        full = f"{DOCKER}:{self._deploy.docker_host}" if word == DOCKER and self._deploy.docker_host else word
        if full not in self._made:
            self._made[full] = self._make(full)
        return self._made[full]

    async def aclose(self) -> None:
        """Let go of every connection."""
        for target in self._made.values():
            await target.aclose()


class OneTarget:
    """The same target for every word."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def named(self, word: str) -> Target:
        """Return it."""
        return self._target

    async def aclose(self) -> None:
        """Let go of its connections."""
        await self._target.aclose()
