"""What has to hold when a world has come to rest."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from executor.domain.build import FINISHED, State
from executor.domain.lifecycle import TRANSITIONS
from executor.domain.notice import kind_of
from executor.engine.notices import message_id
from executor.store.store import DATABASE_NAME
from tests.crash.simulation.people import Memory
from tests.crash.simulation.steps import Outside
from tests.crash.simulation.world import World

HISTORY = """
CREATE TABLE simulated_history (build_id TEXT, version INTEGER, state TEXT, step INTEGER);
CREATE TRIGGER simulated_insert AFTER INSERT ON builds BEGIN
    INSERT INTO simulated_history VALUES (new.id, new.version, new.state, new.step); END;
CREATE TRIGGER simulated_update AFTER UPDATE ON builds BEGIN
    INSERT INTO simulated_history VALUES (new.id, new.version, new.state, new.step); END;
"""
"""Every state that was ever on disk, written by SQLite itself."""

_MAY_FOLLOW = {(source.value, (row.dest or source).value) for row in TRANSITIONS for source in row.sources}
ASKS = frozenset({State.WAITING_APPROVAL, State.WAITING_INPUT})


def problems_of(world: World, outside: Outside, memory: Memory) -> list[str]:
    """Every broken promise, in words; none when all is well."""
    with closing(sqlite3.connect(world.where / DATABASE_NAME)) as db:
        db.row_factory = sqlite3.Row
        found = [
            *world.problems,
            *_builds(db, world),
            *_history(db, world),
            *_events(db, world),
            *_effects(db, world),
            *_submits(db, memory),
            *_decisions(db, memory),
            *_budgets(db, world, memory),
            *_outbox(db, world),
            *_releases(db, outside),
        ]
    return list(dict.fromkeys(found))


def _builds(db: sqlite3.Connection, world: World) -> Iterator[str]:
    """Each has ended or waits for a person, or behind a build of its droplet that does."""
    rows = db.execute("SELECT id, state, droplet_id, working_seconds FROM builds").fetchall()
    asking = {row["droplet_id"] for row in rows if row["state"] in ASKS}
    for row in rows:
        if not rests(row["state"], row["droplet_id"] in asking):
            yield f"{row['id']} came to rest as {row['state']}"
        if not 0 <= row["working_seconds"] <= world.now:
            yield f"{row['id']} worked for {row['working_seconds']} s in {world.now} s"


def rests(state: str, behind: bool) -> bool:
    """True for a build that has ended, waits for a person, or waits `behind` one that does."""
    return state in FINISHED or state in ASKS or (behind and state == State.QUEUED)


def _history(db: sqlite3.Connection, world: World) -> Iterator[str]:
    """Each state leads to the next by a row of the lifecycle table, one version at a time."""
    rows = db.execute("SELECT * FROM simulated_history ORDER BY build_id, rowid").fetchall()
    on_disk = {(row["build_id"], row["version"]): row["state"] for row in rows}
    for before, after in pairwise(rows):
        if before["build_id"] != after["build_id"]:
            continue
        where = f"{after['build_id']} at version {after['version']}"
        if after["version"] != before["version"] + 1:
            yield f"{where}: it follows version {before['version']}"
        if (before["state"], after["state"]) not in _MAY_FOLLOW:
            yield f"{where}: {before['state']} became {after['state']}"
        if after["step"] > before["step"] + 1:
            yield f"{where}: step {before['step']} became step {after['step']}"
    for (build_id, version), state in world.shown.items():
        if on_disk.get((build_id, version)) != state:
            yield f"{build_id} was shown as {state} at version {version}, which is not on disk"


def _events(db: sqlite3.Connection, world: World) -> Iterator[str]:
    stored: dict[tuple[str, int], sqlite3.Row] = {}
    for row in db.execute("SELECT * FROM events ORDER BY build_id, seq"):
        stored[row["build_id"], row["seq"]] = row
    counted = Counter(build_id for build_id, _ in stored)
    for row in db.execute("SELECT id, last_seq FROM builds"):
        numbers = [seq for build_id, seq in stored if build_id == row["id"]]
        if numbers != list(range(1, counted[row["id"]] + 1)) or row["last_seq"] != counted[row["id"]]:
            yield f"the events of {row['id']} have a gap: {numbers}, the last one is {row['last_seq']}"
    for key, event in world.told.items():
        found = stored.get(key)
        if found is None or (found["event_type"], found["message"], json.loads(found["data"])) != (
            event.event_type,
            event.message,
            json.loads(json.dumps(dict(event.data))),
        ):
            yield f"event {key[1]} of {key[0]} was told, and is not on disk"


def _effects(db: sqlite3.Connection, world: World) -> Iterator[str]:
    """What the database holds of each effect is what the world holds, whoever was killed in between."""
    stored = {row["key"]: row["result"] for row in db.execute("SELECT key, result FROM effects")}
    for key, receipt in world.made.items():
        if key not in stored:
            yield f"{key} was made without an intent on disk"
        elif stored[key] is not None and json.loads(stored[key]) != {"receipt": receipt}:
            yield f"{key} was made as {receipt}, and is on disk as {stored[key]}"
    for key, result in world.known.items():
        if stored.get(key) is None or json.loads(stored[key]) != result:
            yield f"the result of {key} was known and is lost"


def _submits(db: sqlite3.Connection, memory: Memory) -> Iterator[str]:
    builds = {row["id"]: row["request_id"] for row in db.execute("SELECT id, request_id FROM builds")}
    for key, build_id in memory.submitted.items():
        if builds.get(build_id) != key:
            yield f"{key} was acknowledged as {build_id}, which is not on disk"
    keyed = db.execute("SELECT key, build_id FROM idempotency_keys").fetchall()
    if sorted(row["build_id"] for row in keyed) != sorted(builds):
        yield f"there are {len(builds)} builds for {len(keyed)} submits"


def _decisions(db: sqlite3.Connection, memory: Memory) -> Iterator[str]:
    rows = db.execute("SELECT build_id, gate_id, decision FROM decisions").fetchall()
    stored = Counter(tuple(row) for row in rows)
    for decided in memory.decided:
        if stored[decided] != 1:
            yield f"{decided} was acknowledged and is on disk {stored[decided]} times"


def _budgets(db: sqlite3.Connection, world: World, memory: Memory) -> Iterator[str]:
    first = {request.idempotency_key: request.budget_usd for _, request in world.plan.submits}
    sql = "SELECT id, key, budget_usd FROM builds JOIN idempotency_keys ON build_id = id"
    for row in db.execute(f"{sql} WHERE budget_usd IS NOT NULL"):
        begun = first.get(row["key"])
        if begun is None:  # a revision begins with what its predecessor had
            continue
        raised = row["budget_usd"] - begun
        surely, perhaps = memory.surely.get(row["id"], 0.0), sum(memory.top_ups.get(row["id"], ()))
        if not surely - 1e-6 <= raised <= perhaps + 1e-6:
            yield f"{row['id']} was topped up by {surely} to {perhaps}, and its budget grew by {raised}"


def _outbox(db: sqlite3.Connection, world: World) -> Iterator[str]:
    """What was to be told was told, or refused for good; what came more than once was tried as often."""
    rows = {row["id"]: row for row in db.execute("SELECT * FROM outbox")}
    for key, row in rows.items():
        heard = world.arrivals.get(key, [])
        if row["sent_at"] is not None and not heard:
            yield f"{key} counts as sent and never arrived"
        if row["gave_up_at"] is not None and not world.refused & {f"notice {key}", f"reply {key}"}:
            yield f"{key} was given up after {row['attempts']} tries: {row['reason']}"
        if len(heard) > row["attempts"]:
            yield f"{key} arrived {len(heard)} times in {row['attempts']} tries"
    for key in _to_be_told(db, world) - set(rows):
        yield f"{key} was to be told and is not in the outbox"
    for key in world.arrivals.keys() - set(rows):
        yield f"{key} arrived and is not in the outbox"


def _to_be_told(db: sqlite3.Connection, world: World) -> set[str]:
    """The ids of all notices, and of the last report of every order."""
    builds = db.execute("SELECT id, notify_channels, finished_at FROM builds").fetchall()
    channels = {row["id"]: json.loads(row["notify_channels"]) for row in builds}
    ends = {row["id"]: row["finished_at"] for row in builds}
    notices = {
        message_id(channel, event.build_id, event.seq)
        for event in world.told.values()
        for channel in channels[event.build_id]
        if kind_of(event)
    }
    ordered = [row["build_id"] for row in db.execute("SELECT build_id FROM orders")]
    reports = {f"reply-{one}-{round(ends[one] * 1000)}" for one in ordered if ends[one] is not None}
    return notices | reports


def _releases(db: sqlite3.Connection, outside: Outside) -> Iterator[str]:
    """Of a droplet whose builds have all ended well, just the live release runs, and is registered."""
    unsettled = {
        row["droplet_id"]
        for row in db.execute("SELECT droplet_id, state, facts FROM builds")
        if row["state"] not in FINISHED
        or (row["state"] == State.FAILED and json.loads(row["facts"]).get("deploying"))
    }
    for droplet in db.execute("SELECT id, release_id, url FROM droplets"):
        if droplet["id"] in unsettled:
            continue
        ours = f"SELECT id FROM builds WHERE droplet_id = {droplet['id']}"
        builds = [row["id"] for row in db.execute(ours)]
        running = {name for name in outside.host.running if any(name.startswith(b) for b in builds)}
        if running != ({droplet["release_id"]} if droplet["release_id"] else set()):
            yield f"droplet {droplet['id']} has {droplet['release_id']} live, and {sorted(running)} run"
        if outside.registry.entries.get(droplet["id"]) != droplet["url"]:
            entry = outside.registry.entries.get(droplet["id"])
            yield f"droplet {droplet['id']} is live at {droplet['url']} and registered at {entry}"


def watched(template: Path) -> None:
    """Let SQLite write down every state of every build in this database."""
    with closing(sqlite3.connect(template)) as db:
        db.executescript(HISTORY)
        db.commit()
