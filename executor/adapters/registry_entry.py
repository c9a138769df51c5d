"""What registries are told and what they show, whichever flavour; and the contract that both keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from executor.errors import Conflict

MARK = "fpai"


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """What the registry is told of one droplet; `metadata` joins what others have written there."""

    id: int
    name: str
    endpoint: str
    build_id: str
    release: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KnownDroplet:
    """One registered droplet; `ours` when it carries this executor's mark.

    `id` is 0 where the registry's text for it names no number. `status` is in the words of the core
    Registry (active, inactive, error), empty where it is not known.
    """

    id: int
    name: str
    endpoint: str
    ours: bool
    status: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registered:
    """The entry as it stands now; `created` is False when an entry of ours was brought up to date."""

    id: int
    name: str
    created: bool


@dataclass(frozen=True, slots=True)
class Ways:
    """What one flavour cannot do, in words for a build's log; empty where it can.

    `title` names it in a sentence, `url` is where it is; `beats` if it wants heartbeats. `left_out` is said
    when a release is registered, `stays` when an entry was to be removed.
    """

    title: str
    url: str
    beats: bool = False
    left_out: str = ""
    stays: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a droplet is, in percent; None where that is not known."""

    cpu: float | None = None
    mem: float | None = None
    disk: float | None = None


class Registry(Protocol):
    """What is needed of a registry. Every method raises Transient while it does not answer."""

    @property
    def ways(self) -> Ways:
        """What this flavour is called and cannot do."""
        ...

    async def known(self) -> list[KnownDroplet]:
        """Every registered droplet."""
        ...

    async def register(self, entry: RegistryEntry) -> Registered:
        """Create the entry or bring ours up to date. Raises Conflict for a foreign one."""
        ...

    async def deregister(self, droplet_id: int, name: str) -> bool:
        """Remove our entry; False when there is none. Raises Conflict for a foreign one.

        Where entries cannot be removed (`ways.stays`), it is marked as withdrawn instead.
        """
        ...

    def stands(self, found: KnownDroplet, entry: RegistryEntry) -> bool:
        """Whether what was found says all that `entry` does and need not be written again."""
        ...

    async def set_status(self, droplet_id: int, name: str, status: str) -> None:
        """Note active, inactive or error on our entry; nothing where the registry decides that by itself.

        Raises Conflict for a foreign entry.
        """
        ...

    async def heartbeat(self, found: KnownDroplet, load: Load) -> bool:
        """Say that an entry of ours lives; False when it is gone. Nothing where there are no heartbeats."""
        ...


def foreign(found: KnownDroplet, droplet_id: int, name: str) -> Conflict:
    """The refusal to write over an entry that is not ours."""
    return Conflict(
        f"The Registry holds {found.name} as droplet {found.id}, which this executor did not register; "
        f"{name} as droplet {droplet_id} was not written.",
        hint="Build it under another droplet_id and droplet_name, or remove the foreign entry.",
        code="DROPLET_TAKEN",
        details={"id": found.id, "name": found.name, "endpoint": found.endpoint},
    )
