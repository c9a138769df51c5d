"""Bubblewrap's walls: what holds of them only. What holds of every kind stands in test_walls.py."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import executor
from executor.sandbox.base import Limits
from executor.sandbox.bubblewrap import BubblewrapSandbox
from executor.sandbox.cgroups import Cgroups
from tests.sandbox.living import alive


async def test_the_root_holds_no_more_than_the_walls_put_there(sandbox, commands):
    result = await sandbox.run(commands.shell("ls /"))
    expected = {"bin", "dev", "etc", "lib", "lib64", "proc", "sbin", "tmp", "usr", "ws"}
    assert set(result.output.split()) == expected


_DAEMON = """
import asyncio, pathlib, sys
from executor.sandbox.base import Bind, Limits, SandboxCommand
from executor.sandbox.choose import choose_sandbox
from executor.sandbox.places import Places

async def main(state, script):
    places = Places.of(pathlib.Path(state))
    sandbox = await choose_sandbox("auto", places)
    bind = Bind(places.workspace("b"), "/ws", writable=True)
    command = SandboxCommand(("/bin/sh", "-c", script), (bind,), limits=Limits(wall_seconds=60))
    result = await sandbox.run(command)
    print(result.exit_code, result.output)
    print(places.root)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_killing_the_daemon_kills_its_sandboxes(tmp_path, marker, places):
    script = f"echo up > /ws/up; setsid sleep 301 & sleep 300; : {marker}"
    environment = {**os.environ, "PYTHONPATH": str(Path(executor.__file__).parent.parent)}
    daemon = subprocess.Popen(
        [sys.executable, "-c", _DAEMON, str(tmp_path / "state"), script], env=environment
    )
    while not (places.root / "workspaces" / "b" / "up").exists():
        await asyncio.sleep(0.02)
        assert daemon.poll() is None
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    for _ in range(100):
        if not alive(marker):
            break
        await asyncio.sleep(0.02)
    assert alive(marker) == []
    await asyncio.to_thread(Cgroups.discover().sweep)


def test_a_daemon_that_is_not_root_has_the_same_walls(marker):
    home = Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        _copy_of_the_package(home)
        (home / "key").write_text("canary-of-the-daemon")
        script = f"id -u; cat {home}/key; cat /proc/*/environ; ls /sys /root; echo x > /etc/x; echo done"
        drop = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*drop, "/usr/bin/python3", "-c", _DAEMON, str(home / "state"), script],
            capture_output=True,
            text=True,
            cwd="/",
            env={"PYTHONPATH": str(home), "PATH": "/usr/bin:/bin", "KEY": "canary-of-the-daemon"},
            check=False,
        )
    finally:
        shutil.rmtree(home)
    assert done.returncode == 0, done.stderr
    assert "done" in done.stdout
    assert "canary" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith(str(home / "state"))


def _copy_of_the_package(home: Path) -> None:
    package = Path(executor.__file__).parent
    shutil.copytree(package, home / "executor", ignore=shutil.ignore_patterns("__pycache__"))
    home.chmod(0o755)
    if os.geteuid() == 0:
        (home / "state").mkdir()
        os.chown(home / "state", 65533, 65533)


def test_the_note_about_limits_says_what_this_machine_cannot_hold(places):
    without = BubblewrapSandbox(places, Cgroups(()))
    assert "memory" in without.limits_note and "No writable cgroup" in without.limits_note
    assert textwrap.shorten(without.limits_note, 400) == without.limits_note


async def test_without_cgroups_each_process_is_still_bounded(places, commands):
    bare = BubblewrapSandbox(places, Cgroups(()))
    script = "try:\n    bytearray(900 << 20)\nexcept MemoryError:\n    print('bounded')"
    result = await bare.run(commands.python(script, limits=Limits(memory_bytes=128 << 20)))
    assert result.output == "bounded\n"
