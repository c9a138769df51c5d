"""The engine of a fake swarm: tasks that start, fail and are replaced, one thing with each step."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_FAILED = {"failed", "rejected", "complete"}


@dataclass
class FakeTask:
    """One container. `release` is what it answers with."""

    id: str
    node: str
    spec: dict[str, Any]
    state: str = "starting"
    wanted: str = "running"
    problem: str = ""
    code: int = 0
    at: int = 0

    @property
    def release(self) -> str:
        return dict(line.split("=", 1) for line in self.spec["env"]).get("RELEASE_ID", "")

    def shown(self) -> dict[str, Any]:
        status = {
            "State": self.state,
            "Timestamp": f"{self.at:06}",
            "ContainerStatus": {"ExitCode": self.code},
        }
        if self.problem:
            status["Err"] = self.problem
        container = {"Image": self.spec["image"], "Labels": self.spec["container_labels"]}
        return {
            "ID": self.id,
            "NodeID": self.node,
            "DesiredState": self.wanted,
            "Status": status,
            "Spec": {"ContainerSpec": container},
        }


@dataclass
class FakeService:
    id: str
    spec: dict[str, Any]
    before: dict[str, Any] | None = None
    update: str = ""
    told: str = ""
    tasks: list[FakeTask] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        spec = self.spec
        container = {
            "Image": spec["image"],
            "Env": spec["env"],
            "Configs": [{"ConfigName": name} for name in spec["configs"]],
        }
        mode = {"Global": {}} if spec["replicas"] is None else {"Replicated": {"Replicas": spec["replicas"]}}
        ports = [{"PublishedPort": port, "PublishMode": "host"} for port in spec["ports"]]
        found: dict[str, Any] = {
            "ID": self.id,
            "Spec": {
                "Name": spec["name"],
                "Labels": spec["labels"],
                "TaskTemplate": {"ContainerSpec": container},
                "Mode": mode,
                "EndpointSpec": {"Ports": ports},
            },
        }
        if self.before:
            found["PreviousSpec"] = {"Labels": self.before["labels"]}
        if self.update:
            found["UpdateStatus"] = {"State": self.update, "Message": self.told}
        return found


@dataclass
class FakeNode:
    id: str
    name: str
    state: str = "ready"
    availability: str = "active"
    labels: dict[str, str] = field(default_factory=dict)
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    busy_ports: set[int] = field(default_factory=set)
    silent: bool = False
    elsewhere: bool = False
    """It is a node of another swarm."""
    port: int = 0


class FakeEngine:
    """`behaves` says by image what its tasks do: good (also if not named), crash, sick, waits, stranger."""

    def __init__(self, names: Sequence[str]) -> None:
        self.nodes = {name: FakeNode(f"node-{name}", name) for name in names}
        self.services: dict[str, FakeService] = {}
        self.behaves: dict[str, str] = {}
        self._ids = (f"{number:06}" for number in itertools.count(1))
        self._luck = random.Random(7)

    def one_step(self) -> None:
        for service in list(self.services.values()):
            self._reconcile(service)

    def _allowed(self, service: FakeService) -> list[FakeNode]:
        pairs = [word.removeprefix("node.labels.").split("==") for word in service.spec["constraints"]]
        return [
            node
            for node in self.nodes.values()
            if node.state == "ready"
            and node.availability == "active"
            and all(node.labels.get(key) == value for key, value in pairs)
        ]

    def _reconcile(self, service: FakeService) -> None:
        up = {node.id for node in self._allowed(service)}
        for task in service.tasks:
            if task.node not in up and task.wanted == "running":
                task.wanted = "shutdown"
            node = next(node for node in self.nodes.values() if node.id == task.node)
            if task.wanted == "shutdown" and task.state == "running" and node.state == "ready":
                task.state = "shutdown"
        self._grow(service)
        if service.spec["replicas"] is None:
            self._globally(service, up)
        else:
            self._replicated(service, sorted(up))

    def _grow(self, service: FakeService) -> None:
        for task in service.tasks:
            if task.wanted != "running" or task.state != "starting":
                continue
            behaviour = self.behaves.get(task.spec["image"], "good")
            node = next(node for node in self.nodes.values() if node.id == task.node)
            if task.spec["image"] not in node.images:
                self._ends(task, "rejected", f"No such image: {task.spec['image']}", 0)
            elif node.busy_ports & set(task.spec["ports"]):
                self._ends(task, "failed", "driver failed: address already in use", 0)
            elif behaviour == "crash":
                self._ends(task, "failed", "task: non-zero exit (1)", 1)
            elif behaviour == "sick":
                self._ends(task, "failed", "task: non-zero exit (137): dockerexec: unhealthy container", 137)
            elif behaviour == "waits":
                task.problem = "no suitable node (insufficient resources on 2 nodes)"
            else:
                task.state = "running"

    def _ends(self, task: FakeTask, state: str, problem: str, code: int) -> None:
        task.state, task.wanted, task.problem, task.code = state, "shutdown", problem, code
        task.at = int(next(self._ids))

    def _globally(self, service: FakeService, up: set[str]) -> None:
        for task in service.tasks:
            if task.spec != service.spec and task.wanted == "running":
                task.wanted, task.state = "shutdown", "shutdown"
        there = {task.node for task in service.tasks if task.wanted == "running"}
        for node in sorted(up - there):
            service.tasks.append(FakeTask(next(self._ids), node, service.spec))

    def _replicated(self, service: FakeService, up: list[str]) -> None:
        """One task more or less at a time: the new one first, the old one goes when the new one runs."""
        live = [task for task in service.tasks if task.wanted == "running"]
        new = [task for task in live if task.spec == service.spec]
        old = [task for task in live if task.spec != service.spec]
        if service.before and not service.update:
            service.update, service.told = "updating", "update in progress"
        failed = [task for task in service.tasks if task.spec == service.spec and task.state in _FAILED]
        if service.update == "updating" and failed and service.before:
            service.spec, service.before = service.before, None
            service.update, service.told = "rollback_started", f"failure of task {failed[-1].id}"
            return
        settled = all(task.state == "running" for task in new)
        if len(live) > service.spec["replicas"] and old and new and settled:
            old[0].wanted = old[0].state = "shutdown"
        elif len(new) < service.spec["replicas"] and settled and up:
            node = up[len(service.tasks) % len(up)]
            service.tasks.append(FakeTask(next(self._ids), node, service.spec))
        elif not old and settled:
            done = {"updating": "completed", "rollback_started": "rollback_completed"}
            service.update = done.get(service.update, service.update)

    def answer(self, node: FakeNode) -> tuple[int, dict[str, str]]:
        """What the edge of a machine says to /health."""
        edges = [found for found in self.services.values() if found.spec["replicas"] is None]
        if not any(task.node == node.id and task.state == "running" for edge in edges for task in edge.tasks):
            return 502, {}
        tasks = [
            task
            for service in self.services.values()
            if service.spec["replicas"] is not None
            for task in service.tasks
            if task.state == "running"
        ]
        if not tasks:
            return 503, {}
        task = self._luck.choice(tasks)
        stranger = self.behaves.get(task.spec["image"]) == "stranger"
        return 200, {"release": "another" if stranger else task.release}
