"""Behaving fakes in memory: things made once, a model, a host that runs releases, a registry, receivers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executor.domain.notice import Notice
from executor.store.outbox import Outgoing
from tests.crash.simulation.world import World


class Things:
    """Makes a thing for each key: a second one of the same key is a broken promise."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def find(self, key: str) -> Mapping[str, Any] | None:
        """What was made for this key."""
        found = await self._world.request(f"look for {key}", lambda: self._world.made.get(key))
        return {"receipt": found} if found else None

    async def make(self, key: str) -> Mapping[str, Any]:
        """Make it, unasked whether it is there."""
        return {"receipt": await self._world.request(f"make {key}", lambda: self._make(key))}

    def _make(self, key: str) -> str:
        world = self._world
        world.counts["effects"] += 1
        if key in world.made:
            world.broken(f"{key} was made twice")
        world.made[key] = f"receipt {len(world.made) + 1}"
        return world.made[key]


class Model:
    """Answers are paid: asking again what is on disk already is a broken promise."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def ask(self, key: str) -> Mapping[str, Any]:
        """One paid answer."""
        return {"answer": await self._world.request(f"ask {key}", lambda: self._answer(key))}

    def _answer(self, key: str) -> str:
        world = self._world
        world.asked[key] += 1
        if key in world.known:
            world.broken(f"{key} was asked of the model although its answer was on disk")
        return f"answer {world.asked[key]} to {key}"


class Host:
    """Runs releases by their id; starting one that runs is a broken promise."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.running: dict[str, str] = {}

    async def find(self, release: str) -> Mapping[str, Any] | None:
        """Where it runs."""
        url = await self._world.request(f"look for release {release}", lambda: self.running.get(release))
        return {"url": url} if url else None

    async def start(self, release: str) -> Mapping[str, Any]:
        """Start it."""
        return {"url": await self._world.request(f"start {release}", lambda: self._start(release))}

    async def stop(self, release: str) -> None:
        """Stop it if it runs."""
        await self._world.request(f"stop {release}", lambda: self.running.pop(release, None))

    def _start(self, release: str) -> str:
        self._world.counts["effects"] += 1
        if release in self.running:
            self._world.broken(f"release {release} was started while it ran")
        self.running[release] = f"http://host/{release}"
        return self.running[release]


class Registry:
    """Holds one entry for each droplet; creating one that is there is a broken promise."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.entries: dict[int, str] = {}

    async def register(self, droplet_id: int, url: str) -> None:
        """Look, then create the entry or bring it up to date."""
        found = await self._world.request(f"look up {droplet_id}", lambda: self.entries.get(droplet_id))
        if found is None:
            await self._world.request(f"register {droplet_id}", lambda: self._create(droplet_id, url))
        elif found != url:
            await self._world.request(f"update {droplet_id}", lambda: self._update(droplet_id, url))

    async def deregister(self, droplet_id: int) -> None:
        """Remove the entry if there is one."""
        await self._world.request(f"deregister {droplet_id}", lambda: self.entries.pop(droplet_id, None))

    def _create(self, droplet_id: int, url: str) -> None:
        if droplet_id in self.entries:
            self._world.broken(f"droplet {droplet_id} was registered twice")
        self.entries[droplet_id] = url

    def _update(self, droplet_id: int, url: str) -> None:
        self.entries[droplet_id] = url


class Receiver:
    """Takes notices, and the replies that whoever ordered a build waits for."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def tell(
        self, notice: Notice, *, key: str, may_be_repeat: bool, earlier: Mapping[str, Any] | None
    ) -> None:
        """Hear one notice; as a Channel of the engine does."""
        await self._world.request(f"notice {key}", lambda: self._hear(key, may_be_repeat))

    async def send(self, message: Outgoing) -> None:
        """Hear one reply; as a Sender of the engine does."""
        await self._world.request(
            f"reply {message.id}", lambda: self._hear(message.id, message.may_be_repeat)
        )

    def _hear(self, key: str, may_be_repeat: bool) -> None:
        heard = self._world.arrivals.setdefault(key, [])
        if heard and not may_be_repeat:
            self._world.broken(f"{key} came again, not marked as a possible repeat")
        heard.append(may_be_repeat)
