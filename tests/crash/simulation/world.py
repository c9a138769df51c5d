"""What outlives the process: the things that effects make, who runs, who was told; and what must not be."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from executor.domain.build import Build
from executor.domain.events import Event
from executor.errors import Permanent, Transient
from tests.crash.simulation.loop import VirtualLoop
from tests.crash.simulation.plan import plan_of

T = TypeVar("T")
EPOCH = 1_780_000_000.0


class Broken(AssertionError):
    """A promise is broken; the words say which and where."""


class World:
    """One seed's world. Everything random in it is drawn from streams that its seed begins."""

    def __init__(self, seed: int, where: Path) -> None:
        self.seed = seed
        self.where = where
        self.plan = plan_of(seed)
        self.now = 0.0
        self.loop: VirtualLoop | None = None
        self.calm_since: float | None = None
        self.over = False
        self.trace: list[str] = []
        self.counts: Counter[str] = Counter()
        self.made: dict[str, str] = {}
        self.known: dict[str, Mapping[str, Any]] = {}
        self.asked: Counter[str] = Counter()
        self.arrivals: dict[str, list[bool]] = {}
        self.told: dict[tuple[str, int], Event] = {}
        self.shown: dict[tuple[str, int], str] = {}
        self.refused: set[str] = set()
        self.problems: list[str] = []
        self._fates = self.stream("fates")
        self._pauses = self.stream("pauses")

    def stream(self, name: str) -> random.Random:
        """A stream of its own for each purpose."""
        return random.Random(f"{name} {self.seed}")

    def wall(self) -> float:
        """What the wall's clock says, which jumps."""
        now = self.time()
        return EPOCH + now + sum(by for at, by in self.plan.jumps if at <= now)

    def time(self) -> float:
        """Virtual seconds since the beginning, which no kill takes back."""
        return self.loop.time() if self.loop is not None else self.now

    def is_full(self) -> bool:
        """True while the disk takes no more."""
        now = self.time()
        return any(begin <= now < end for begin, end in self.plan.full)

    def note(self, what: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.time():10.3f}  {what}")

    def broken(self, why: str) -> None:
        """Remember a broken promise; steps turn exceptions into failures of their build."""
        self.problems.append(why)
        self.note(f"BROKEN: {why}")

    def show(self, build: Build) -> None:
        """Somebody was shown this view of a build: it has to be what is on disk at that version."""
        before = self.shown.setdefault((build.id, build.version), build.state.value)
        if before != build.state.value:
            self.broken(f"{build.id} was shown at version {build.version} as {before} and {build.state}")

    def tell(self, event: Event) -> None:
        """A subscriber was told an event."""
        before = self.told.setdefault((event.build_id, event.seq), event)
        if before != event:
            self.broken(f"event {event.seq} of {event.build_id} was told in two versions")

    async def request(self, what: str, act: Callable[[], T]) -> T:
        """One request to the world: it may come late, be refused, lose its reply, or outlive who made it.

        Raises Transient or Permanent.
        """
        fate = self._fate()
        await asyncio.sleep(self._pause())
        if fate == "away":
            wait = self._fates.choice((None, None, 30.0))
            raise Transient(f"Nobody answers to {what}.", retry_after=wait)
        if fate == "refused":
            self.refused.add(what)
            raise Permanent(f"{what} is refused for good.")
        if fate == "dies before":
            await self._dies()
        result = act()
        self.note(what)
        if fate == "dies after":
            await self._dies()
        await asyncio.sleep(self._pause())
        if fate == "lost":
            self.counts["lost replies"] += 1
            raise Transient(f"The reply to {what} was lost.")
        return result

    def _fate(self) -> str:
        if self.calm_since is not None or self._fates.random() >= self.plan.trouble:
            return "well"
        kinds = ("away", "lost", "slow", "refused", "dies before", "dies after")
        return self._fates.choices(kinds, (4, 4, 2, 0.4, 0.5, 1))[0]

    def _pause(self) -> float:
        longest = 20.0 if self._pauses.random() < self.plan.trouble / 3 else 0.4
        return self._pauses.random() * longest

    async def _dies(self) -> None:
        if self.loop is not None:
            self.loop.die()
        await asyncio.sleep(0)
