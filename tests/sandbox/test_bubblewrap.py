"""Running behind the walls: results, limits, and nothing that survives."""

import asyncio
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import uuid
from pathlib import Path

import pytest

import executor
from executor.errors import Permanent
from executor.sandbox.base import Bind, Limits
from executor.sandbox.bubblewrap import BubblewrapSandbox
from executor.sandbox.cgroups import Cgroups


def _alive(marker: str) -> list[str]:
    """Command lines of processes of this machine that carry the marker, ours left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if marker in line and int(path.parent.name) != os.getpid():
            found.append(line)
    return found


@pytest.fixture
def marker() -> str:
    return f"marker-{uuid.uuid4().hex}"


async def test_a_command_tells_its_exit_code_and_what_it_printed(sandbox, commands):
    result = await sandbox.run(commands.shell("echo out; echo err >&2; exit 7"))
    assert (result.exit_code, result.output, result.timed_out, result.note) == (7, "out\nerr\n", False, "")


async def test_a_command_sees_its_workspace_its_environment_and_nothing_of_ours(
    sandbox, commands, monkeypatch
):
    monkeypatch.setenv("CANARY_OF_THE_DAEMON", "canary")
    (commands.workspace / "given").write_text("content")
    result = await sandbox.run(commands.shell("cat given; echo; env; ls /", A="b c"))
    lines = result.output.splitlines()
    assert lines[0] == "content"
    assert {"A=b c", "PATH=/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8"} <= set(lines)
    assert "canary" not in result.output
    assert {"root", "home", "var", "opt", "srv", "run", "boot", "sys", "mnt"} & set(lines) == set()


async def test_what_it_writes_in_its_workspace_is_there_afterwards(sandbox, commands):
    await sandbox.run(commands.shell("echo made > made"))
    assert (commands.workspace / "made").read_text() == "made\n"


async def test_no_descriptor_of_the_daemon_is_inherited(sandbox, commands):
    with socket.socket() as ours, tempfile.TemporaryFile() as file:
        os.set_inheritable(ours.fileno(), True)
        os.set_inheritable(file.fileno(), True)
        result = await sandbox.run(commands.python("import os; print(len(os.listdir('/proc/self/fd')))"))
    assert result.output == "4\n"  # three and the one that lists them


async def test_the_wall_time_ends_the_whole_tree_also_what_left_its_session(sandbox, commands, marker):
    script = (
        f"setsid sh -c 'sleep 300; : {marker}' & (trap '' TERM INT HUP; sleep 300; : {marker}) & sleep 300"
    )
    result = await sandbox.run(commands.shell(script, limits=Limits(wall_seconds=0.4)))
    assert result.timed_out and result.exit_code == 137 and "0.4 s" in result.note
    assert _alive(marker) == []


async def test_a_grandchild_does_not_survive_a_command_that_ended_well(sandbox, commands, marker):
    script = f"setsid sh -c 'exec >/dev/null 2>&1 </dev/null; sleep 300; : {marker}' & echo done"
    result = await sandbox.run(commands.shell(script))
    assert result.exit_code == 0 and result.output == "done\n"
    assert _alive(marker) == []


async def test_cancelling_kills_everything_before_the_cancellation_is_seen(sandbox, commands, marker):
    running = asyncio.create_task(sandbox.run(commands.shell(f"sleep 300 & sleep 300; : {marker}")))
    while not _alive(marker):
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert _alive(marker) == []


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13])
async def test_cancelling_at_any_moment_leaves_nothing(sandbox, commands, marker, turns):
    running = asyncio.create_task(sandbox.run(commands.shell(f"sleep 300; : {marker}")))
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert _alive(marker) == []


async def test_many_sandboxes_at_once_do_not_use_up_each_others_limits(sandbox, commands):
    script = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.3 & done; wait; echo all"
    results = await asyncio.gather(*(sandbox.run(commands.shell(script)) for _ in range(8)))
    assert [result.output for result in results] == ["all\n"] * 8


async def test_a_gigabyte_of_output_leaves_the_daemons_memory_flat(sandbox, commands):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = await sandbox.run(
        commands.shell("echo first; head -c 1073741824 /dev/zero | tr '\\0' x; echo; echo last")
    )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert result.output_bytes == (1 << 30) + len("first\n\nlast\n")
    assert result.output.startswith("first") and result.output.endswith("last\n")
    assert len(result.output) < 300_000
    assert grown < 16 << 10  # KiB


async def test_a_fork_bomb_is_bounded_and_ends_with_its_wall_time(sandbox, commands, marker):
    script = f"import os\nwhile True:\n    try: os.fork()\n    except OSError: pass  # {marker}"
    result = await sandbox.run(commands.python(script, limits=Limits(wall_seconds=1.0, pids=40)))
    assert result.timed_out
    assert _alive(marker) == []


async def test_no_more_processes_start_than_the_limit_says(sandbox, commands):
    script = """
import os, time
n = 0
try:
    while n < 500:
        if os.fork() == 0: time.sleep(300)
        n += 1
except OSError:
    print("stopped at", n)
"""
    result = await sandbox.run(commands.python(script, limits=Limits(pids=20)))
    assert result.output.startswith("stopped at")
    assert int(result.output.split()[-1]) <= 20


async def test_memory_is_bounded_for_the_whole_tree(sandbox, commands):
    script = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        block = bytearray(os.urandom(1)) * (60 << 20)
        time.sleep(300)
time.sleep(1.0)
pids = [p for p in os.listdir('/proc') if p.isdigit()]
held = 0
for p in pids:
    for line in open(f'/proc/{p}/status'):
        if line.startswith('RssAnon'): held += int(line.split()[1])
print(held >> 10)
"""
    result = await sandbox.run(commands.python(script, limits=Limits(memory_bytes=200 << 20)))
    assert result.exit_code != 0 or int(result.output) <= 200


async def test_an_endless_loop_ends_by_its_processor_time(sandbox, commands):
    result = await sandbox.run(
        commands.python("while True: pass", limits=Limits(cpu_seconds=1, wall_seconds=30))
    )
    assert result.exit_code != 0 and not result.timed_out


async def test_a_command_that_fills_the_disk_is_ended_and_the_note_says_why(sandbox, commands):
    script = "i=0; while :; do i=$((i+1)); head -c 4194304 /dev/zero > f$i || exit 1; done"
    result = await sandbox.run(commands.shell(script, limits=Limits(file_bytes=16 << 20, wall_seconds=60)))
    assert result.exit_code == 137 and "MiB" in result.note and not result.timed_out


async def test_a_writable_bind_outside_the_places_is_refused(sandbox, commands, tmp_path):
    with pytest.raises(Permanent, match="outside the places"):
        await sandbox.run(commands.shell("true", Bind(tmp_path, "/more", writable=True)))


async def test_a_missing_program_is_an_exit_code_and_not_a_crash(sandbox, commands):
    result = await sandbox.run(commands.of("/usr/bin/no-such-program"))
    assert result.exit_code != 0 and "no-such-program" in result.output


async def test_a_service_is_reached_by_its_socket_only_and_is_gone_with_its_context(
    sandbox, commands, places, marker
):
    directory = places.socket_directory("probe")
    script = f"""
import socket
s = socket.socket(socket.AF_UNIX); s.bind('/run-dir/s.sock'); s.listen()
t = socket.socket(); t.bind(('127.0.0.1', 0)); t.listen(); print(t.getsockname()[1], flush=True)
while True:
    c, _ = s.accept(); c.sendall(b'hello'); c.close()  # {marker}
"""
    async with sandbox.serve(commands.python(script, Bind(directory, "/run-dir", writable=True))) as service:
        while not (directory / "s.sock").exists() or not service.output().strip():
            assert not service.exited, service.output()
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(directory / "s.sock")
        assert await reader.read() == b"hello"
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", int(service.output().split()[0]))
    assert _alive(marker) == []


async def test_a_service_that_ends_by_itself_is_seen_and_its_words_are_kept(sandbox, commands):
    async with sandbox.serve(commands.shell("echo no; exit 3")) as service:
        while not service.exited:
            await asyncio.sleep(0.01)
        assert "no" in service.output() or service.exited
    assert service.output() == "no\n"


async def test_a_service_is_gone_when_its_user_fails(sandbox, commands, marker):
    with pytest.raises(ZeroDivisionError):
        async with sandbox.serve(commands.shell(f"sleep 300; : {marker}")):
            raise ZeroDivisionError
    assert _alive(marker) == []


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
        if not _alive(marker):
            break
        await asyncio.sleep(0.02)
    assert _alive(marker) == []
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
    (home / "executor").mkdir()
    for name in ("__init__.py", "errors.py"):
        shutil.copy(package / name, home / "executor")
    shutil.copytree(
        package / "sandbox", home / "executor" / "sandbox", ignore=shutil.ignore_patterns("__pycache__")
    )
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
