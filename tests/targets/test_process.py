"""Releases as processes: up, proven, found again, ended; and the many ways in which one is broken."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

import executor
from executor.errors import ReleaseAtFault, Transient
from executor.sandbox.identity import release_uid
from executor.sandbox.venv import VenvCache, find_uv
from executor.targets import record
from executor.targets.launch import Bounds
from executor.web.peers import is_walled_peer


def _lines_of(marker: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in path.read_bytes() and path.parent.name != str(os.getpid()):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


async def _get(url: str, path: str = "/health") -> dict:
    async with aiohttp.ClientSession() as session, session.get(url + path) as answer:
        return json.loads(await answer.read())


_TELLS = """
import json, os, pathlib

def told():
    return {
        "release": os.environ["RELEASE_ID"], "env": dict(os.environ), "uid": os.getuid(),
        "root": sorted(os.listdir("/")), "data": sorted(os.listdir("/data")),
    }

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = told()
    for name in ("/app/app/main.py", "/app/new", "/venv/new", "/new", "/data/" + os.environ["RELEASE_ID"]):
        try:
            open(name, "a").close()
            body.setdefault("written", []).append(name)
        except OSError:
            pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
"""


async def test_a_release_starts_proves_itself_is_found_again_and_ends(target, droplets):
    release = droplets.release("r1")
    running = await target.start(release)
    await target.prove(running, release)
    assert await target.find(release) == running
    assert await target.alive(running.handle)
    assert "Uvicorn running" in await target.log_tail(running.handle)
    await target.stop(running.handle)
    assert not await target.alive(running.handle)
    assert await target.find(release) is None
    await target.stop(running.handle)
    assert "Finished server process" in await target.log_tail(running.handle)


async def test_starting_it_again_adopts_what_runs(target, make_target, droplets):
    release = droplets.release("r1")
    first, second = await asyncio.gather(target.start(release), make_target().start(release))
    assert first == second == await target.start(release)


async def test_a_release_sees_its_files_its_data_and_its_own_environment_only(target, droplets, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary")
    release = droplets.release("r1", _TELLS, LOG_LEVEL="DEBUG", PORT="1")
    running = await target.start(release)
    await target.prove(running, release)
    told = await _get(running.url)
    assert "canary" not in json.dumps(told)
    expected = {"RELEASE_ID": "r1", "BUILD_ID": "build-21", "COMMIT": "abc123", "DROPLET_ID": "21"}
    expected |= {"SERVICE_NAME": "notes", "DATA_DIR": "/data", "LOG_LEVEL": "DEBUG"}
    expected |= {"PORT": running.handle["port"], "SERVICE_PORT": running.handle["port"]}
    assert expected.items() <= told["env"].items()
    assert told["written"] == ["/data/r1"]
    assert not {"root", "home", "var", "run", "sys"} & set(told["root"])
    assert told["uid"] == (release_uid(21) if target.changes_uid else os.geteuid())


async def test_two_releases_run_side_by_side_and_share_the_droplets_data(target, droplets):
    one, two = droplets.release("r1", _TELLS), droplets.release("r2", _TELLS)
    for release in (one, two):
        running = await target.start(release)
        await target.prove(running, release)
    first, second = await target.find(one), await target.find(two)
    assert first.url != second.url
    assert {"r1"} <= set((await _get(second.url))["data"])
    await target.stop(first.handle)
    assert (await _get(second.url))["release"] == "r2"


async def test_a_stopped_release_can_be_put_back(target, droplets):
    release = droplets.release("r1")
    await target.stop((await target.start(release)).handle)
    running = await target.start(release)
    await target.prove(running, release)
    assert await target.alive(running.handle)


async def test_a_killed_shepherd_takes_all_of_its_release_with_it(target, droplets):
    release = droplets.release("r1", TREE="tree-7f3a9c")
    running = await target.start(release)
    await target.prove(running, release)
    assert _lines_of("TREE=tree-7f3a9c")
    os.kill(int(running.handle["pid"]), signal.SIGKILL)
    for _ in range(200):
        if not _lines_of("TREE=tree-7f3a9c"):
            break
        await asyncio.sleep(0.02)
    assert not _lines_of("TREE=tree-7f3a9c")
    assert not await target.alive(running.handle)


async def test_ending_it_ends_also_what_left_its_session(target, droplets):
    spawning = "import subprocess\nsubprocess.Popen(['setsid', 'sleep', '300'])\n"
    release = droplets.release("r1", spawning + _TELLS, TREE="tree-b81d02")
    running = await target.start(release)
    await target.prove(running, release)
    await target.stop(running.handle)
    assert not _lines_of("TREE=tree-b81d02")


async def test_one_that_will_not_end_is_killed_after_its_grace(make_target, droplets):
    stubborn = "import threading, time\nthreading.Thread(target=time.sleep, args=(300,)).start()\n" + _TELLS
    target = make_target(bounds=Bounds(grace=0.3))
    release = droplets.release("r1", stubborn)
    running = await target.start(release)
    await target.prove(running, release)
    await target.stop(running.handle)
    assert not await target.alive(running.handle)


_EATS = """
eaten = []
while True:
    eaten.append(bytearray(b"x") * (16 << 20))
"""
_ELSEWHERE = "import socket, time\ns = socket.create_server(('127.0.0.1', 0))\ntime.sleep(300)"

_BROKEN = {
    "does not import": ("import nothing_of_that_name", "exit code 1"),
    "has no app": ("", "exit code"),
    "ends at once": ("import os\nos._exit(3)", "exit code 3"),
    "ends well at once": ("import os\nos._exit(0)", "exit code 0"),
    "kills itself": ("import os\nos.kill(os.getpid(), 9)", "killed"),
    "dies of a fault": ("import ctypes\nctypes.string_at(0)", "exit code 139"),
    "eats all its memory": (_EATS, "more than 128 MiB|exit code 1"),
    "takes too long to start": ("import time\ntime.sleep(300)", "within 1 s"),
    "listens elsewhere": (_ELSEWHERE, "within 1 s"),
}


@pytest.mark.parametrize("shape", _BROKEN)
async def test_r4_a_release_is_at_fault_when_it(shape, make_target, droplets, ledger):
    main, words = _BROKEN[shape]
    deadline = 1.0 if "within" in words else 30.0
    target = make_target(deadline=deadline, bounds=Bounds(memory_bytes=128 << 20, grace=0.2))
    release = droplets.release("r1", main)
    running = await target.start(release)
    with pytest.raises(ReleaseAtFault, match=words) as caught:
        await target.prove(running, release)
    assert "r1" in caught.value.message and "earlier release" in caught.value.hint
    await target.stop(running.handle)
    assert not await target.alive(running.handle)
    ledger.tried("shapes of broken release, as processes")


async def test_the_log_of_a_broken_release_comes_with_the_error(target, droplets):
    release = droplets.release("r1", "raise RuntimeError('the reason why')")
    with pytest.raises(ReleaseAtFault) as caught:
        await target.prove(await target.start(release), release)
    assert "the reason why" in caught.value.log


async def test_requirements_that_cannot_be_met_are_the_releases_fault(target, droplets):
    release = droplets.release("r1")
    release.requirements.write_text("click==999.0\n")
    with pytest.raises(ReleaseAtFault, match="click"):
        await target.start(release)


async def test_a_port_that_is_taken_is_passed_over(make_target, droplets, unused_tcp_port):
    with socket.create_server(("127.0.0.1", unused_tcp_port)):
        target = make_target(port_range=(unused_tcp_port, unused_tcp_port + 20))
        running = await target.start(droplets.release("r1"))
    assert int(running.handle["port"]) > unused_tcp_port


async def test_no_free_port_at_all_is_worth_another_try(make_target, droplets, unused_tcp_port):
    with socket.create_server(("127.0.0.1", unused_tcp_port)):
        target = make_target(port_range=(unused_tcp_port, unused_tcp_port))
        with pytest.raises(Transient, match=str(unused_tcp_port)):
            await target.start(droplets.release("r1"))


async def test_a_port_taken_while_it_started_is_not_the_releases_fault(make_target, droplets):
    blocked = "import os, socket\ns = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n"
    target = make_target(deadline=5.0)
    release = droplets.release("r1", blocked + _TELLS)
    running = await target.start(release)
    with pytest.raises(Transient, match="taken"):
        await target.prove(running, release)


async def test_a_release_that_prints_forever_does_not_fill_the_disk(make_target, droplets, places):
    chatty = """
import threading
def talk():
    while True:
        print("x" * 1000, flush=True)
threading.Thread(target=talk, daemon=True).start()
"""
    target = make_target(bounds=Bounds(log_bytes=200_000, grace=0.3))
    release = droplets.release("r1", chatty + _TELLS)
    running = await target.start(release)
    await target.prove(running, release)
    place = places.release("notes", "r1")
    while not (place / "log.1").exists():
        await asyncio.sleep(0.01)
    sizes = [path.stat().st_size for path in place.glob("log*")]
    await target.stop(running.handle)
    assert sum(sizes) <= 200_000
    assert len((await target.log_tail(running.handle, 5)).splitlines()) == 5


async def test_pruning_keeps_what_is_kept_and_what_runs(target, droplets, places):
    for name in ("r1", "r2", "r3"):
        running = await target.start(droplets.release(name))
        if name != "r2":
            await target.stop(running.handle)
    await target.prune("notes", frozenset({"r3"}))
    assert {path.name for path in places.releases("notes").iterdir()} == {"r2", "r3"}


async def test_the_files_of_a_release_can_be_written_by_nobody(target, droplets, places):
    running = await target.start(droplets.release("r1"))
    source = places.release("notes", "r1") / "source"
    await target.stop(running.handle)
    assert not [path for path in source.rglob("*") if path.stat().st_mode & 0o222]
    assert {path.stat().st_uid for path in source.rglob("*")} == {os.geteuid()}


async def test_the_environment_stands_in_no_file_and_in_no_command_line(target, droplets, places):
    release = droplets.release("r1", A_SECRET="canary-51c0")
    running = await target.start(release)
    await target.prove(running, release)
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in lines if b"canary-51c0" in line]
    files = [path for path in places.release("notes", "r1").rglob("*") if path.is_file()]
    assert not [path for path in files if b"canary-51c0" in path.read_bytes()]


_DAEMON = """
import asyncio, json, os, pathlib, sys
from executor.sandbox.cgroups import Cgroups
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache, find_uv
from executor.targets.base import Release
from executor.targets.process import ProcessTarget
from executor.targets.session import SessionLauncher

async def main(state, source, port, moment):
    places = Places.of(pathlib.Path(state))
    source = pathlib.Path(source)
    target = ProcessTarget(
        places, VenvCache(places, find_uv()), SessionLauncher(places, Cgroups.discover()),
        port_range=(int(port), int(port) + 20),
    )
    wanted = source / "requirements.txt"
    release = Release("r1", "build-21", 21, "notes", "0.1.0", "abc123", source, wanted, {})
    if moment != "started":
        asyncio.get_running_loop().call_later(float(moment), os.kill, os.getpid(), 9)
    await target.start(release)
    os.kill(os.getpid(), 9)

asyncio.run(main(*sys.argv[1:]))
"""


def _killed_daemon(tmp_path: Path, source: Path, port: int, moment: str, cache: Path) -> None:
    path = {"PYTHONPATH": str(Path(executor.__file__).parent.parent), "UV_CACHE_DIR": str(cache)}
    argv = [sys.executable, "-c", _DAEMON, str(tmp_path / "state"), str(source), str(port), moment]
    done = subprocess.run(argv, env={**os.environ, **path}, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


async def test_r1_a_release_outlives_the_daemon_that_was_killed_and_is_adopted(
    tmp_path, target, droplets, unused_tcp_port, resolver_cache
):
    release = droplets.release("r1")
    await asyncio.to_thread(
        _killed_daemon, tmp_path, release.source, unused_tcp_port, "started", resolver_cache
    )
    running = await target.find(release)
    assert running is not None
    await target.prove(running, release)
    assert await target.start(release) == running
    await target.stop(running.handle)
    assert not await target.alive(running.handle)


@pytest.mark.parametrize("moment", ["0.01", "0.05", "0.08", "0.1", "0.12", "0.15", "0.2"])
async def test_r1_a_daemon_killed_at_any_moment_of_a_start_leaves_one_release_or_none(
    moment, tmp_path, target, droplets, unused_tcp_port, places, resolver_cache, ledger
):
    release = droplets.release("r1")
    environ = {**os.environ, "UV_CACHE_DIR": str(resolver_cache)}
    await VenvCache(places, find_uv(), environ=environ).get(release.requirements)
    await asyncio.to_thread(_killed_daemon, tmp_path, release.source, unused_tcp_port, moment, resolver_cache)
    running = await target.start(release)
    await target.prove(running, release)
    port = f"--port\0{running.handle['port']}".encode()
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    standing = [line for line in lines if line.startswith(b"/venv") and port in line]
    assert len(standing) == 1
    await target.stop(running.handle)
    assert record.holder(Path(running.handle["record"])) is None
    ledger.tried("kills in the start of a process")


_THIEF = """
import glob, json, os, socket
found = []

def look():
    everywhere = [*glob.glob("/proc/*/environ"), *glob.glob("/proc/*/cwd/*"), *glob.glob("/proc/*/root/*")]
    for path in [os.environ["KEY_FILE"], "/etc/shadow", *everywhere]:
        try:
            with open(path, "rb") as file:
                if b"canary-of-the-daemon" in file.read():
                    found.append(path)
        except OSError:
            pass

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    look()
    if scope["path"] == "/approve":
        caller = socket.create_connection(("127.0.0.1", int(os.environ["DAEMON_PORT"])))
        caller.sendall(b"approve")
        caller.recv(1)
    body = {"release": os.environ["RELEASE_ID"], "found": found}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
"""


async def test_a_release_finds_no_key_of_the_daemon_and_is_known_when_it_calls(
    target, droplets, tmp_path, monkeypatch
):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-of-the-daemon")
    key = tmp_path / "key"
    key.write_text("canary-of-the-daemon")
    walled: list[bool] = []

    async def heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(7)
        walled.append(is_walled_peer(writer.get_extra_info("peername"), writer.get_extra_info("sockname")))
        writer.close()

    daemon = await asyncio.start_server(heard, "127.0.0.1", 0)
    port = str(daemon.sockets[0].getsockname()[1])
    release = droplets.release("r1", _THIEF, KEY_FILE=str(key), DAEMON_PORT=port)
    running = await target.start(release)
    await target.prove(running, release)
    assert (await _get(running.url, "/approve"))["found"] == []
    assert walled == [target.changes_uid]
    daemon.close()
