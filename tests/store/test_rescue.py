"""Trust.md R13: a damaged database is found, set aside and restored from its last backup, never made anew."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from executor.errors import Unavailable
from executor.store.backups import Backups, problem_of
from executor.store.rescue import DamagedDatabase, rescued, suspicion
from executor.store.store import Store
from executor.store.upkeep import Upkeep
from tests.proof.scale import scaled

SWEEP = scaled(40, 400)
_FEWEST_CALLS = 3


async def filled(state_dir: Path, droplets: int = 300) -> Path:
    """A database with a backup of all that is in it, and one droplet that came later."""
    store = await Store.open(state_dir)
    add = "INSERT INTO droplets (id, name, updated_at) VALUES (?, ?, 0)"
    rows = [(n, f"droplet-{n}-{'x' * 400}") for n in range(1, droplets)]
    await store.database.write(lambda c: c.executemany(add, rows) and None)
    store.backups.take(1_800_000_000.0)
    await store.database.write(lambda c: c.execute(add, (droplets, "later")) and None)
    await store.close()
    return store.database.path


async def droplets_of(state_dir: Path) -> tuple[int, Store]:
    store = await Store.open(state_dir)
    count = (await store.database.fetch("SELECT count(*) AS n FROM droplets"))[0]["n"]
    await store.close()
    return count, store


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(50_000))


def no_database(path: Path) -> None:
    path.write_text("This is a letter." * 1000)


def half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def removed(path: Path) -> None:
    path.unlink()


def header(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(18)
        file.write(b"\x09")


def page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(bytes(4096))


@pytest.mark.parametrize("damage", [garbage, no_database, half, emptied, removed, header, page])
async def test_r13_a_damaged_database_is_set_aside_and_the_backup_takes_its_place(tmp_path, damage, ledger):
    path = await filled(tmp_path)
    damage(path)
    damaged = path.read_bytes() if path.exists() else None
    count, store = await droplets_of(tmp_path)
    assert count == 299, "what came after the backup is gone, and nothing else"
    assert store.rescue is not None and store.rescue.taken_at == 1_800_000_000.0
    assert (store.rescue.aside.read_bytes() if store.rescue.aside.exists() else None) == damaged
    assert path.stat().st_mode & 0o777 == 0o600
    assert (await droplets_of(tmp_path))[1].rescue is None, "once is enough"
    ledger.tried("kinds of damage")


async def test_r13_flipped_bytes_are_found_and_restored_or_change_nothing_that_is_read(tmp_path, ledger):
    path = await filled(tmp_path)
    whole, chance = path.read_bytes(), random.Random(13)
    found = 0
    for _ in range(SWEEP):
        flipped = bytearray(whole)
        for _ in range(8):
            flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        with suppress(OSError):
            path.with_name("executor.db-wal").unlink()
        count, store = await droplets_of(tmp_path)
        assert count == (299 if store.rescue else 300)
        found += store.rescue is not None
        ledger.tried("databases with flipped bytes")
        for kept in tmp_path.glob("executor.db.damaged-*"):
            kept.unlink()
    assert found > SWEEP // 10


async def test_r13_without_a_sound_backup_the_start_is_refused_and_the_file_stays(tmp_path, ledger):
    path = await filled(tmp_path)
    for copy in (tmp_path / "backups").iterdir():
        garbage(copy)
    garbage(path)
    before = path.read_bytes()
    with pytest.raises(DamagedDatabase, match="no sound backup") as refused:
        await Store.open(tmp_path)
    assert "fpai restore" in (refused.value.hint or "")
    assert path.read_bytes() == before
    ledger.tried("kinds of damage")


async def test_r13_a_database_that_a_kill_left_before_its_first_table_is_no_damage(tmp_path, ledger):
    with closing(sqlite3.connect(tmp_path / "executor.db")) as db:
        db.execute("PRAGMA journal_mode = WAL")
    count, store = await droplets_of(tmp_path)
    assert (count, store.rescue) == (0, None)
    ledger.tried("sound databases that look odd")


async def test_r13_a_large_database_without_a_table_is_not_taken_for_a_new_one(tmp_path, ledger):
    with closing(sqlite3.connect(tmp_path / "executor.db")) as db:
        db.execute("CREATE TABLE builds (body)")
        db.execute("INSERT INTO builds VALUES (zeroblob(50000))")
        db.execute("DROP TABLE builds")
        db.commit()
    with pytest.raises(DamagedDatabase, match="no table"):
        await Store.open(tmp_path)
    ledger.tried("kinds of damage")


async def test_r13_a_damaged_backup_is_passed_over_for_an_older_sound_one(tmp_path, ledger):
    path = await filled(tmp_path)
    newer = tmp_path / "backups" / "executor-20991231T235959Z.db"
    newer.write_bytes(b"SQLite format 3\0" + b"nonsense" * 1000)
    page(path)
    assert (await droplets_of(tmp_path))[0] == 299
    ledger.tried("kinds of damage")


async def test_r13_a_page_that_the_write_ahead_log_holds_anew_is_no_damage(tmp_path, ledger):
    await filled(tmp_path)
    child = os.fork()
    if child == 0:
        connection = sqlite3.connect(tmp_path / "executor.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE more (number INTEGER)")
        connection.execute("INSERT INTO more VALUES (1)")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    with (tmp_path / "executor.db").open("r+b") as file:
        file.write(b"\xff" * 4096)
    store = await Store.open(tmp_path)
    assert store.rescue is None
    assert (await store.database.fetch("SELECT number FROM more"))[0]["number"] == 1
    assert len(await store.database.fetch("SELECT id FROM droplets")) == 300
    await store.close()
    ledger.tried("sound databases that look odd")


async def test_a_new_state_directory_is_no_damage(tmp_path):
    assert (await droplets_of(tmp_path))[0] == 0


async def test_a_database_that_may_not_be_read_is_unavailable_and_not_damaged(tmp_path):
    path = await filled(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises((Unavailable, OSError)):
        await Store.open(tmp_path)
    assert path.is_dir()


async def test_r13_a_kill_at_any_moment_of_the_rescue_is_finished_by_the_next_start(tmp_path, ledger):
    """The child is killed at its Nth call that changes a directory: rename, unlink or open for writing."""
    for nth in itertools.count(1):
        state = tmp_path / str(nth)
        state.mkdir()
        path = await filled(state, 20)
        page(path)
        child = os.fork()
        if child == 0:
            _die_at(nth)
            with suppress(BaseException):
                rescued(path, Backups(path, 6), 1_800_000_100.0)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        count, _ = await droplets_of(state)
        assert count in {19, 20}
        assert not problem_of(path)
        kept = [p for p in state.glob("executor.db.damaged-*") if not p.name.endswith(("-wal", "-shm"))]
        assert len(kept) == 1
        if not os.WIFSIGNALED(status):
            break  # it was over before its Nth call
        ledger.tried("kill points in a rescue")
    assert nth > _FEWEST_CALLS


def _die_at(nth: int) -> None:
    import sys

    count = 0

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(args[2], int) and bool(args[2] & (os.O_WRONLY | os.O_RDWR))
        if event in {"os.rename", "os.remove", "os.chmod", "os.truncate"} or writes:
            count += 1
            if count == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


async def test_backups_are_taken_when_something_was_written_and_the_oldest_go(tmp_path):
    store = await Store.open(tmp_path, keep_backups=2)
    now = 1_900_000_000.0
    for hour in range(4):
        at = now + 3600 * hour
        os.utime(store.database.path, (at - 1, at - 1))
        for wal in tmp_path.glob("executor.db-wal"):
            os.utime(wal, (at - 1, at - 1))
        await Upkeep(store, 3600.0, lambda at=at: at).back_up_if_due()
    kept = store.backups.newest_first()
    assert [copy.stat().st_mtime for copy in kept] == [now + 3 * 3600, now + 2 * 3600]
    assert all(copy.stat().st_mode & 0o777 == 0o600 for copy in kept)
    await Upkeep(store, 3600.0, lambda: now + 5 * 3600).back_up_if_due()
    assert store.backups.newest_first() == kept, "nothing was written since"
    await store.close()


async def test_r13_damage_that_shows_while_it_runs_stops_the_daemon_and_is_mended_by_the_next_start(
    tmp_path, ledger
):
    path = await filled(tmp_path, 3000)
    store = await Store.open(tmp_path)
    with path.open("r+b") as file:
        for number in range(60, path.stat().st_size // 4096 - 5):
            file.seek(number * 4096)
            file.write(b"\xff" * 4096)
    with pytest.raises(sqlite3.DatabaseError):
        for _ in range(3):
            await store.database.fetch("SELECT sum(length(name)) FROM droplets NOT INDEXED")
    assert store.database.damaged.is_set() and suspicion(path).exists()
    await store.close()
    assert (await droplets_of(tmp_path))[0] == 2999
    assert not suspicion(path).exists()
    ledger.tried("kinds of damage")


async def test_a_backup_of_a_damaged_database_is_not_kept(tmp_path):
    path = await filled(tmp_path, 3000)
    page(path)
    backups = Backups(path, 1)
    before = backups.newest_first()
    with suppress(sqlite3.DatabaseError):
        assert backups.take(1_900_000_000.0) is None
    assert backups.newest_first() == before
    with closing(sqlite3.connect(before[0])) as copy:
        assert copy.execute("SELECT count(*) FROM droplets").fetchone() == (2999,)
    await asyncio.sleep(0)
