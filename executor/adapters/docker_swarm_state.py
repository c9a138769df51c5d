"""What a swarm's manager tells of its nodes, services and tasks, read into values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executor.errors import Transient

FAILED = frozenset({"failed", "rejected", "complete"})
"""States of a task that ended without having been told to; a service's task has no good end."""


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the swarm. `usable` if it takes tasks now; `down` if the manager has lost it."""

    id: str
    hostname: str
    address: str
    state: str
    availability: str
    labels: Mapping[str, str]

    @property
    def usable(self) -> bool:
        """True if tasks are given to it."""
        return self.state == "ready" and self.availability == "active"


@dataclass(frozen=True, slots=True)
class Service:
    """A service as its spec says. `before` are the labels that a rollback would bring back, if one could.

    `update` is the engine's word for the last update (updating, completed, paused, rollback_started,
    rollback_paused, rollback_completed), empty if there was none or it has not begun; `told` its sentence.
    """

    id: str
    name: str
    image: str
    labels: Mapping[str, str]
    before: Mapping[str, str] | None = None
    replicas: int | None = None
    variables: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()
    published: tuple[int, ...] = ()
    update: str = ""
    told: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One container of a service. `problem` is the engine's word on why it does not run, empty if none.

    `at` is when its state changed last, as text that sorts.
    """

    id: str
    node: str
    state: str
    wanted: str
    image: str
    problem: str
    exit_code: int
    at: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """True if it runs, is healthy and is to stay."""
        return self.state == "running" and self.wanted == "running"

    @property
    def failed(self) -> bool:
        """True if it ended by itself, was ended for its health, or could not be made."""
        return self.state in FAILED


def nodes_in(words: str) -> list[Node]:
    """Read `docker node inspect`."""
    return [
        Node(
            id=str(found["ID"]),
            hostname=str(found.get("Description", {}).get("Hostname", "")),
            address=str(found.get("Status", {}).get("Addr", "")),
            state=str(found.get("Status", {}).get("State", "")),
            availability=str(found.get("Spec", {}).get("Availability", "")),
            labels=dict(found.get("Spec", {}).get("Labels") or {}),
        )
        for found in listed(words)
    ]


def services_in(words: str) -> list[Service]:
    """Read `docker service inspect`."""
    return [_service(found) for found in listed(words)]


def _service(found: Mapping[str, Any]) -> Service:
    spec = found["Spec"]
    container = spec["TaskTemplate"].get("ContainerSpec") or {}
    before, update = found.get("PreviousSpec"), found.get("UpdateStatus") or {}
    ports = (spec.get("EndpointSpec") or {}).get("Ports") or []
    given = (found.get("Endpoint") or {}).get("Ports") or []
    return Service(
        id=str(found["ID"]),
        name=str(spec["Name"]),
        image=str(container.get("Image", "")),
        labels=dict(spec.get("Labels") or {}),
        before=dict(before.get("Labels") or {}) if before else None,
        replicas=((spec.get("Mode") or {}).get("Replicated") or {}).get("Replicas"),
        variables=tuple(str(line).partition("=")[0] for line in container.get("Env") or []),
        configs=tuple(str(item["ConfigName"]) for item in container.get("Configs") or []),
        published=tuple(
            sorted({int(port["PublishedPort"]) for port in (*ports, *given) if "PublishedPort" in port})
        ),
        update=str(update.get("State", "")),
        told=str(update.get("Message", "")),
    )


def tasks_in(words: str) -> list[Task]:
    """Read `docker inspect --type task`."""
    return [_task(found) for found in listed(words)]


def _task(found: Mapping[str, Any]) -> Task:
    status = found.get("Status") or {}
    container = found["Spec"].get("ContainerSpec") or {}
    return Task(
        id=str(found["ID"]),
        node=str(found.get("NodeID", "")),
        state=str(status.get("State", "")),
        wanted=str(found.get("DesiredState", "")),
        image=str(container.get("Image", "")),
        problem=str(status.get("Err", "")),
        exit_code=int((status.get("ContainerStatus") or {}).get("ExitCode", 0)),
        at=str(status.get("Timestamp", "")),
        labels=dict(container.get("Labels") or {}),
    )


def listed(words: str) -> list[Any]:
    """A JSON list. Raises Transient for anything else: the answer was cut off."""
    try:
        found = json.loads(words)
    except ValueError as error:
        raise Transient(f"docker answered something that is not JSON: {words[:200]!r}") from error
    return list(found)
