"""Runs a scenario with a kill at one await, then again until it ends, and tells what is left of it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.crash.outside import Notice, WorldServer
from tests.crash.zygote import Zygote

_MOST_RESTARTS = 5


class Sweep:
    """One zygote and one world; every run gets a state directory of its own."""

    def __init__(self, server: WorldServer) -> None:
        self._server = server
        self._zygote = Zygote("tests.crash.child")

    def close(self) -> None:
        self._zygote.close()

    def outcome(self, scenario: str, *kills: int) -> tuple[dict[str, Any], int]:
        """The scenario's end with a kill at these awaits of successive runs; and the last run's awaits."""
        self._server.fresh()
        state_dir = Path(tempfile.mkdtemp(prefix="fpai-sweep-"))
        try:
            for kill_at in (*kills, *[0] * _MOST_RESTARTS):
                code, seen = self._run(kill_at, state_dir, scenario)
                if code == 0:
                    return summary(state_dir, self._server), seen
                if code != -9:
                    raise AssertionError(f"the child ended with {code} after a kill at {kills}")
            raise AssertionError(f"the scenario does not end after kills at {kills}")
        finally:
            shutil.rmtree(state_dir, ignore_errors=True)

    def notices(self) -> list[Notice]:
        """Every webhook that arrived in the last scenario, in order."""
        return list(self._server.world.notices)

    def model_requests(self) -> int:
        """How often the model was asked in the last scenario."""
        return len(self._server.model.requests)

    def _run(self, kill_at: int, state_dir: Path, scenario: str) -> tuple[int, int]:
        server = self._server
        urls = (server.url, server.registry.url, server.model.url)
        return self._zygote.run(kill_at, state_dir, *urls, scenario)


def summary(state_dir: Path, server: WorldServer) -> dict[str, Any]:
    """Everything that has to be the same with and without kills: the database, the repository, the world."""
    with contextlib.closing(sqlite3.connect(state_dir / "executor.db")) as db:
        builds = db.execute("SELECT state, step, droplet_id, droplet_name, json_extract(facts, '$.version'),"
                            " json_extract(review, '$.decision') FROM builds").fetchall()  # fmt: skip
        completed = db.execute(
            "SELECT step, count(*) FROM events WHERE event_type = 'step_completed' GROUP BY step"
        ).fetchall()
        gaps = db.execute("SELECT count(*) - max(seq) FROM events").fetchone()[0]
        artifacts = db.execute("SELECT kind, count(*) FROM artifacts GROUP BY kind ORDER BY kind").fetchall()
        releases = db.execute("SELECT state, version FROM releases").fetchall()
        droplets = db.execute("SELECT id, name, release_id IS NOT NULL FROM droplets").fetchall()
        pending = db.execute("SELECT count(*) FROM effects WHERE done_at IS NULL").fetchone()[0]
        answered = db.execute(
            "SELECT conversation, count(*) FROM turns WHERE state = 'answered' GROUP BY conversation"
        ).fetchall()
        spec = db.execute("SELECT body FROM artifacts WHERE kind = 'spec'").fetchone()
    return {
        "builds": builds,
        "completed": completed,
        "event_gaps": gaps,
        "artifacts": artifacts,
        "releases": releases,
        "droplets": droplets,
        "effects_pending": pending,
        "spec": spec,
        "answered": answered,
        "trees": trees_of(state_dir),
        "alive": len(server.world.alive),
        "starts": sum(act.startswith("start") for act in server.world.acts),
        "stops": sum(act.startswith("stop") for act in server.world.acts),
        "registered": sorted((d["id"], d["name"]) for d in server.registry.droplets.values()),
        "posts": server.registry.writes.count(("POST", "/droplets")),
        "told": sorted({(_number(notice.id), notice.kind) for notice in server.world.notices}),
        "scratch": len(list(state_dir.glob("places/*/scratch/*"))),
    }


def _number(notice_id: str) -> int:
    """The event that a notice is about; the rest of its id names the day of the build."""
    return int(notice_id.rpartition("-")[2])


def trees_of(state_dir: Path) -> list[str]:
    """The trees of all commits: the files, whatever second they were committed in."""
    repository = next(state_dir.glob("repositories/*.git"), None)
    if repository is None:
        return []
    argv = ["git", "--git-dir", str(repository), "log", "--all", "--format=%T"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return sorted(set(done.stdout.split()))


@contextlib.contextmanager
def sweeping() -> Iterator[Sweep]:
    """A world and a zygote for as long as the context is open."""
    with WorldServer() as server:
        sweep = Sweep(server)
        try:
            yield sweep
        finally:
            sweep.close()
