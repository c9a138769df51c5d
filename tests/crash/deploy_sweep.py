"""Runs a deploy with a kill at one await, then again until it ends, and tells what is left of it."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.crash.deploy_world import DeployWorld
from tests.crash.sweep import trees_of
from tests.crash.zygote import Zygote

_MOST_RESTARTS = 5
# Each scenario begins where the one before it has ended; a broken release takes the second one's place.
_FOLLOWS = {"first": "", "second": "first", "broken": "first", "rollback": "second"}
_DRIVEN = {"broken": "second"}


class DeploySweep:
    """One zygote and one world; every run of a scenario begins at the first await of its deploy."""

    def __init__(self, world: DeployWorld, where: Path) -> None:
        self._world = world
        self._where = where
        self._state = where / "state"
        self._ready: set[str] = set()
        self._zygote = Zygote("tests.crash.deploy_child")

    def close(self) -> None:
        self._zygote.close()

    def outcome(self, scenario: str, *kills: int) -> tuple[dict[str, Any], int]:
        """The scenario's end with a kill at these awaits of successive lives; and the last life's awaits."""
        self._prepare(scenario)
        self._begin(scenario)
        return self._to_the_end(scenario, *kills)

    def _prepare(self, scenario: str) -> None:
        """Bring state and world to the moment before the scenario's deploy, once, and keep that."""
        if scenario in self._ready:
            return
        self._ready.add(scenario)
        if before := _FOLLOWS[scenario]:
            self._prepare(before)
            self._begin(before)
            self._to_the_end(before)
        else:
            self._world.back_to("empty")
            shutil.rmtree(self._state, ignore_errors=True)
        code, _ = self._life(scenario, 1)
        assert code == -9, f"{scenario} never came to its deploy: {code}"
        self._world.keep(scenario)
        shutil.copytree(self._state, self._where / f"state-{scenario}", symlinks=True)

    def _begin(self, scenario: str) -> None:
        self._world.back_to(scenario)
        shutil.rmtree(self._state, ignore_errors=True)
        shutil.copytree(self._where / f"state-{scenario}", self._state, symlinks=True)
        self._world.breaks(broken=scenario == "broken")

    def _to_the_end(self, scenario: str, *kills: int) -> tuple[dict[str, Any], int]:
        for kill_at in (*kills, *[0] * _MOST_RESTARTS):
            code, seen = self._life(scenario, kill_at)
            if code == 0:
                return {**self._world.summary(), **_database(self._state)}, seen
            assert code == -9, f"the child ended with {code} after a kill at {kills}"
        raise AssertionError(f"the scenario does not end after kills at {kills}")

    def _life(self, scenario: str, kill_at: int) -> tuple[int, int]:
        driven = _DRIVEN.get(scenario, scenario)
        words = (json.dumps(self._world.settings), self._world.path, driven)
        ended = self._zygote.run(kill_at, self._state, *words)
        self._world.builder_at_rest()
        return ended


def _database(state_dir: Path) -> dict[str, Any]:
    """The database, the repository, and the files that a deploy makes on the daemon's machine."""
    asked = {
        "builds": "SELECT state, step, droplet_name, json_extract(facts, '$.version'),"
        " json_extract(facts, '$.release'), json_extract(facts, '$.deploying') FROM builds ORDER BY rowid",
        "completed": "SELECT step, count(*) FROM events WHERE event_type = 'step_completed' GROUP BY step",
        "event_gaps": "SELECT build_id, count(*) - max(seq) FROM events GROUP BY build_id",
        "artifacts": "SELECT kind, count(*) FROM artifacts GROUP BY kind ORDER BY kind",
        "releases": "SELECT id, state, version, target, handle FROM releases ORDER BY id",
        "droplets": "SELECT id, name, release_id FROM droplets",
        "effects": "SELECT key, done_at IS NOT NULL FROM effects",
    }
    with contextlib.closing(sqlite3.connect(state_dir / "executor.db")) as db:
        found = {name: db.execute(text).fetchall() for name, text in asked.items()}
    found["effects"] = _whatever_the_attempt(found["effects"])
    places = state_dir / "places"
    left = [*state_dir.glob("docker/**/*"), *places.glob("**/images/*"), *places.glob("*/scratch/*")]
    return {
        **found,
        "trees": trees_of(state_dir),
        "left": sorted(str(path.relative_to(state_dir)) for path in left if path.is_file()),
    }


def _whatever_the_attempt(effects: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Each effect, and whether it was done; what a killed daemon left running may cost another attempt."""
    done: dict[str, int] = {}
    for key, is_done in effects:
        name = re.sub(r"/\d+$", "", key)
        done[name] = max(is_done, done.get(name, 0))
    return sorted(done.items())


@contextlib.contextmanager
def sweeping_deploys(where: Path) -> Iterator[DeploySweep]:
    """A world and a zygote for as long as the context is open."""
    with DeployWorld(where) as world:
        sweep = DeploySweep(world, where)
        try:
            yield sweep
        finally:
            sweep.close()
