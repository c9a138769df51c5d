"""Lives one seed's world from its beginning to its rest."""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from executor.errors import Unavailable
from executor.store.store import DATABASE_NAME, Store
from tests.crash.simulation.checks import problems_of, watched
from tests.crash.simulation.disk import Disk
from tests.crash.simulation.life import live
from tests.crash.simulation.loop import Killed, Stuck, VirtualLoop
from tests.crash.simulation.people import Memory
from tests.crash.simulation.services import Receiver
from tests.crash.simulation.steps import Outside
from tests.crash.simulation.world import World

_MOST_LIVES = 200
_MEMORY = Path("/dev/shm")
"""It is the logic that is tried here; what a disk does to files is tried elsewhere (R5, R6)."""


@dataclass(frozen=True)
class Outcome:
    """What became of a world."""

    seed: int
    problems: tuple[str, ...]
    trace: tuple[str, ...]
    counts: Counter[str]

    @property
    def digest(self) -> str:
        """The same for the same trace."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


class Simulator:
    """Lives worlds; a context manager that keeps an empty database of the newest schema at hand."""

    def __init__(self) -> None:
        self._where = Path(tempfile.mkdtemp(prefix="fpai-worlds-", dir=_MEMORY if _MEMORY.is_dir() else None))
        self._template = self._where / "template"

    def __enter__(self) -> Simulator:
        self._template.mkdir()
        asyncio.run(_made(self._template))
        watched(self._template / DATABASE_NAME)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._where, ignore_errors=True)

    def simulate(self, seed: int) -> Outcome:
        """Live one world."""
        where = self._where / f"seed-{seed}"
        shutil.copytree(self._template, where)
        random.seed(seed)  # the engine spreads its waits with this one
        try:
            return _lived(World(seed, where))
        finally:
            shutil.rmtree(where)


def _lived(world: World) -> Outcome:
    outside, memory, receiver = Outside(world), Memory.of(world), Receiver(world)
    lifespans, stops = list(world.plan.lifespans), list(world.plan.stops)
    downtime = world.stream("downtime")
    while not world.over and not world.problems:
        world.counts["lives"] += 1
        if world.counts["lives"] > _MOST_LIVES:
            world.broken("the world does not come to rest")
            break
        while stops and stops[0] <= world.now:
            stops.pop(0)
        _one_life(world, outside, receiver, memory, lifespans.pop(0) if lifespans else None, stops)
        world.now += downtime.choice((0.01, 1.0, 60.0))
    problems = problems_of(world, outside, memory)
    world.counts["states"] += len(world.shown)
    world.counts["clock jumps"] += sum(at <= world.now for at, _ in world.plan.jumps)
    return Outcome(world.seed, tuple(problems), tuple(world.trace), world.counts)


def _one_life(
    world: World,
    outside: Outside,
    receiver: Receiver,
    memory: Memory,
    lifespan: int | None,
    stops: list[float],
) -> None:
    disk = Disk(world.stream(f"disk {world.counts['lives']}"), world.is_full)
    loop = world.loop = VirtualLoop(world.now, lifespan, disk.cut)
    world.note(f"life {world.counts['lives']} begins")
    with disk.mounted():
        try:
            stop_at = stops[0] if stops else float("inf")
            main = loop.create_task(live(world, outside, receiver, memory, stop_at), name="main")
            loop.run_until_complete(main)
            world.counts["stops"] += not world.over
            world.note("stopped")
        except Killed:
            world.counts["kills"] += 1
            world.note(f"killed after {loop.callbacks} callbacks")
        except Unavailable as error:
            world.counts["refused starts"] += 1
            world.note(f"not started: {error}")
        except Stuck as error:
            world.broken(str(error))
        except Exception as error:
            world.broken(f"the daemon ended with {type(error).__name__}: {error}")
        finally:
            world.now, world.loop = loop.time(), None
            disk.cut()
            loop.abandon()
            world.counts["refused writes"] += disk.refusals


async def _made(where: Path) -> None:
    store = await Store.open(where)
    await store.close()
