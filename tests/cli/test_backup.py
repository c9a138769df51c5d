"""fpai backup and restore: what was there is there again, and nothing that is there is ever lost."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sqlite3
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from executor.cli.archive import Manifest, opened
from executor.cli.exits import CliError
from executor.cli.restore import put_back
from executor.state_lock import StateLock
from executor.store.backups import Backups
from executor.store.migrate import migrations
from executor.store.store import Store

Run = Callable[..., subprocess.CompletedProcess[str]]
ADD = "INSERT INTO droplets (id, name, updated_at) VALUES (?, ?, 0)"


async def _with_droplets(state_dir: Path, count: int) -> Store:
    store = await Store.open(state_dir)
    have = (await store.database.fetch("SELECT count(*) AS n FROM droplets"))[0]["n"]
    rows = [(n, f"droplet-{n}") for n in range(have + 1, count + 1)]
    await store.database.write(lambda c: c.executemany(ADD, rows) and None)
    return store


def fill(state_dir: Path, droplets: int) -> None:
    """A state directory as a stopped daemon leaves it, with a repository of one commit."""
    state_dir.mkdir(exist_ok=True)
    asyncio.run(_closed(state_dir, droplets))
    (state_dir / "signing.key").write_bytes(bytes([droplets]) * 32)
    repository = state_dir / "repositories" / "notes.git"
    if not repository.exists():
        git("init", "--bare", "-q", "-b", "main", str(repository))
    tree = git("-C", str(repository), "mktree", stdin="")
    commit = git("-C", str(repository), *AUTHOR, "commit-tree", tree, "-m", f"with {droplets}")
    git("-C", str(repository), "update-ref", "refs/heads/main", commit)


AUTHOR = ("-c", "user.name=t", "-c", "user.email=t@localhost")


def git(*arguments: str, stdin: str | None = None) -> str:
    return subprocess.run(
        ["git", *arguments], input=stdin, capture_output=True, text=True, check=True
    ).stdout.strip()


async def _closed(state_dir: Path, droplets: int) -> None:
    await (await _with_droplets(state_dir, droplets)).close()


def droplets(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM droplets").fetchone()[0])


def seen(state_dir: Path) -> tuple[int, bytes, str]:
    subject = git("-C", str(state_dir / "repositories" / "notes.git"), "log", "-1", "--format=%s", "main")
    return droplets(state_dir / "executor.db"), (state_dir / "signing.key").read_bytes()[:1], subject


@pytest.fixture
def state(tmp_path: Path) -> Path:
    fill(tmp_path / "state", 3)
    return tmp_path / "state"


@pytest.fixture
def fpai(run: Run, state: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    return lambda *arguments: run(*arguments, env={"FPAI_STATE__DIR": str(state)})


def test_a_backup_put_back_is_the_state_of_that_moment(fpai: Run, state: Path, tmp_path: Path) -> None:
    done = fpai("backup", "then.tar.gz")
    assert done.returncode == 0 and done.stdout == "then.tar.gz\n", done.stderr
    assert "1 repository" in done.stderr and "fpai restore then.tar.gz" in done.stderr
    assert stat.S_IMODE((tmp_path / "then.tar.gz").stat().st_mode) == 0o600
    fill(state, 5)
    done = fpai("restore", "then.tar.gz", "--json")
    assert done.returncode == 0, done.stderr
    assert seen(state) == (3, b"\x03", "with 3")
    aside = Path(json.loads(done.stdout)["set_aside"])
    assert aside.parent == state and seen(aside) == (5, b"\x05", "with 5")
    assert stat.S_IMODE((state / "executor.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((state / "signing.key").stat().st_mode) == 0o600
    assert not list(state.glob(".restore-*"))


def test_a_backup_of_a_database_in_use_holds_what_is_only_in_its_wal(
    fpai: Run, state: Path, tmp_path: Path
) -> None:
    async def busy() -> None:
        store = await _with_droplets(state, 9)
        with StateLock(state, "http://localhost:1"):
            done = await asyncio.to_thread(fpai, "backup", "--json")
            refused = await asyncio.to_thread(fpai, "restore", json.loads(done.stdout)["file"])
        await store.close()
        assert refused.returncode == 75
        assert str(os.getpid()) in refused.stderr and "systemctl stop fpai" in refused.stderr

    asyncio.run(busy())
    assert droplets(state / "executor.db") == 9
    (made,) = tmp_path.glob("fpai-*.tar.gz")
    with opened(made) as (archive, manifest):
        assert manifest.droplets == 9
        archive.extract("executor.db", tmp_path / "out", filter="data")
    assert droplets(tmp_path / "out" / "executor.db") == 9


def test_a_backup_is_never_overwritten_and_an_empty_state_has_none(
    fpai: Run, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("precious")
    done = fpai("backup", "mine")
    assert done.returncode == 5 and "never overwritten" in done.stderr
    assert (tmp_path / "mine").read_text() == "precious"
    done = run("backup", "other", env={"FPAI_STATE__DIR": str(tmp_path / "nothing")})
    assert done.returncode == 5 and "--config" in done.stderr
    assert not (tmp_path / "other").exists()


def test_a_damaged_database_gives_no_backup(fpai: Run, state: Path, tmp_path: Path) -> None:
    database = state / "executor.db"
    database.write_bytes(database.read_bytes()[:4096] + b"\xff" * (database.stat().st_size - 4096))
    done = fpai("backup", "bad.tar.gz")
    assert done.returncode == 74, done.stderr
    assert "doctor --deep" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if "bad" in path.name or path.name.startswith(".")] == []


def test_files_that_are_no_backup_are_refused_and_change_nothing(
    fpai: Run, state: Path, tmp_path: Path
) -> None:
    assert fpai("backup", "whole.tar.gz").returncode == 0
    whole = (tmp_path / "whole.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) * 2 // 3])
    places = range(len(whole) // 10, len(whole) - 4, len(whole) // 10)
    for n, place in enumerate(places):
        flipped = bytes([whole[place] ^ 0xFF])
        (tmp_path / f"flipped-{n}.tar.gz").write_bytes(whole[:place] + flipped + whole[place + 1 :])
    (tmp_path / "letter.tar.gz").write_text("Dear executor")
    before = (seen(state), sorted(state.iterdir()))
    for name, code in (("cut", 2), ("letter", 2), ("absent", 5)):
        done = fpai("restore", f"{name}.tar.gz")
        assert done.returncode == code and "Traceback" not in done.stderr, (name, done.stderr)
    for n in range(len(places)):
        with pytest.raises(CliError) as refused:
            put_back(tmp_path / f"flipped-{n}.tar.gz", state, 0.0)
        assert refused.value.exit_code == 2, (n, refused.value.message)
    assert (seen(state), sorted(path for path in state.iterdir() if path.name != "executor.lock")) == before


def _manifest(**over: Any) -> Manifest:
    counts = dict.fromkeys(("builds", "unfinished", "droplets", "repositories"), 0)
    known = {
        "format": 1,
        "version": "9.9.9",
        "made_at": "2026-11-14T12:00:00Z",
        "state_dir": "/s",
        "schema": 1,
    }
    return Manifest(**{**known, **counts, **over})


def _archive(path: Path, manifest: Manifest, **files: str) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in {"manifest.json": manifest.encoded().decode(), **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


def test_an_archive_that_reaches_outside_or_comes_from_a_later_release_is_refused(tmp_path: Path) -> None:
    path, state_dir = tmp_path / "odd.tar.gz", tmp_path / "state"
    state_dir.mkdir()
    for name in ("../escaped", "repositories/../../escaped", "/escaped", "elsewhere"):
        _archive(path, _manifest(), **{name: "x"})
        with pytest.raises(CliError, match="no backup of ours"):
            put_back(path, state_dir, 0.0)
    with tarfile.open(path, "w:gz") as archive:
        head = tarfile.TarInfo("manifest.json")
        head.size = len(_manifest().encoded())
        archive.addfile(head, io.BytesIO(_manifest().encoded()))
        link = tarfile.TarInfo("repositories/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
    with pytest.raises(CliError, match="no backup of ours"):
        put_back(path, state_dir, 0.0)
    for newer in (_manifest(format=2), _manifest(schema=9999)):
        _archive(path, newer)
        with pytest.raises(CliError, match=r"9\.9\.9"):
            put_back(path, state_dir, 0.0)
    assert [entry.name for entry in state_dir.iterdir() if entry.name != "executor.lock"] == []
    assert not (tmp_path / "escaped").exists()


def test_a_copy_that_the_daemon_made_goes_back_under_the_repositories_that_are_there(
    fpai: Run, state: Path, tmp_path: Path
) -> None:
    copy = Backups(state / "executor.db", 6).take(1_800_000_000.0)
    fill(state, 5)
    done = fpai("restore", str(copy), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["droplets"], told["schema"]) == (3, migrations()[-1][0])
    assert seen(state) == (3, b"\x05", "with 5")
    assert droplets(Path(told["set_aside"]) / "executor.db") == 5
    assert stat.S_IMODE((state / "executor.db").stat().st_mode) == 0o600
    assert copy.exists()


def test_a_bare_database_that_is_damaged_foreign_or_of_a_later_release_is_refused(
    fpai: Run, state: Path, tmp_path: Path
) -> None:
    copy = Backups(state / "executor.db", 6).take(1_800_000_000.0)
    whole = copy.read_bytes()
    damaged, foreign, later = tmp_path / "damaged.db", tmp_path / "foreign.db", tmp_path / "later.db"
    damaged.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with closing(sqlite3.connect(foreign)) as made:
        made.execute("CREATE TABLE notes (text)")
    later.write_bytes(whole)
    with closing(sqlite3.connect(later)) as made:
        made.execute("PRAGMA user_version = 9999")
    before = seen(state)
    for file, said in ((damaged, "of no use"), (foreign, "of no use"), (later, "later release")):
        done = fpai("restore", str(file), "--yes")
        assert done.returncode == 2 and said in done.stderr, done.stderr
    assert seen(state) == before
    assert not list(state.glob("set-aside-*"))


KILLED_AT = """
import os, sys
from pathlib import Path
from executor.cli.restore import put_back

left = int(sys.argv[3])
def counted(event, _):
    global left
    if event in ("os.rename", "os.link", "os.remove"):
        left -= 1
        if left == 0:
            os._exit(9)
sys.addaudithook(counted)
put_back(Path(sys.argv[1]), Path(sys.argv[2]), 0.0)
"""


def test_a_restore_killed_at_any_rename_loses_nothing_and_can_be_done_again(
    fpai: Run, state: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    assert fpai("backup", "then.tar.gz").returncode == 0
    fill(state, 5)
    for moment in range(1, 30):
        work = tmp_path / f"state-{moment}"
        subprocess.run(["cp", "-a", state, work], check=True)
        argv = [sys.executable, "-c", KILLED_AT, tmp_path / "then.tar.gz", work, str(moment)]
        code = subprocess.run(argv, env=environment, check=False).returncode
        asyncio.run(_closed(work, 0))  # the next start: it finds a sound database, old or new
        assert droplets(work / "executor.db") in {3, 5}
        kept = [droplets(path) for path in work.glob("**/executor.db")]
        assert 5 in kept
        put_back(tmp_path / "then.tar.gz", work, 1.0)
        assert seen(work) == (3, b"\x03", "with 3")
        assert 5 in [droplets(path) for path in work.glob("set-aside-*/executor.db")]
        if code == 0:
            break
    assert code == 0 and moment > 5
