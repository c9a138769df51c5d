"""Running behind either kind of wall: results, limits, and nothing that survives."""

import asyncio
import os
import resource
import socket
import tempfile

import pytest

from executor.errors import Permanent
from executor.sandbox.base import Bind, Limits
from tests.sandbox.living import alive

THREAT = "resource bombs"

_SIGHTS = "find /root /home /srv /opt /mnt /boot /sys /var/lib/fpai /var/spool/cron -mindepth 1 2>/dev/null"


async def test_a_command_tells_its_exit_code_and_what_it_printed(walls, commands):
    result = await walls.run(commands.shell("echo out; echo err >&2; exit 7"))
    assert (result.exit_code, result.output, result.timed_out, result.note) == (7, "out\nerr\n", False, "")


async def test_a_command_sees_its_workspace_its_environment_and_nothing_of_ours(walls, commands, monkeypatch):
    monkeypatch.setenv("CANARY_OF_THE_DAEMON", "canary")
    (commands.workspace / "given").write_text("content")
    result = await walls.run(commands.shell(f"cat given; echo; env; {_SIGHTS}", A="b c"))
    lines = result.output.splitlines()
    assert lines[0] == "content"
    assert {"A=b c", "PATH=/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8"} <= set(lines)
    assert "canary" not in result.output
    assert [line for line in lines if line.startswith("/")] == []
    assert {line.split("=")[0] for line in lines[1:]} <= {"A", "PATH", "HOME", "LANG", "PWD", "OLDPWD", "_"}


async def test_what_it_writes_in_its_workspace_is_there_afterwards(walls, commands):
    await walls.run(commands.shell("echo made > made"))
    assert (commands.workspace / "made").read_text() == "made\n"


async def test_no_descriptor_of_the_daemon_is_inherited(walls, commands):
    with socket.socket() as ours, tempfile.TemporaryFile() as file:
        os.set_inheritable(ours.fileno(), True)
        os.set_inheritable(file.fileno(), True)
        result = await walls.run(commands.python("import os; print(len(os.listdir('/proc/self/fd')))"))
    assert result.output == "4\n"  # three and the one that lists them


async def test_the_wall_time_ends_the_whole_tree_also_what_left_its_session(walls, commands, marker, ledger):
    script = (
        f"setsid sh -c 'sleep 300; : {marker}' & (trap '' TERM INT HUP; sleep 300; : {marker}) & sleep 300"
    )
    result = await walls.run(commands.shell(script, limits=Limits(wall_seconds=0.4)))
    assert result.timed_out and result.exit_code == 137 and "0.4 s" in result.note
    assert alive(marker) == []
    ledger.tried("trees that outlive their time", threat=THREAT)


async def test_a_grandchild_does_not_survive_a_command_that_ended_well(walls, commands, marker, ledger):
    script = f"setsid sh -c 'exec >/dev/null 2>&1 </dev/null; sleep 300; : {marker}' & echo done"
    result = await walls.run(commands.shell(script))
    assert result.exit_code == 0 and result.output == "done\n"
    assert alive(marker) == []
    ledger.tried("grandchildren", threat=THREAT)


async def test_cancelling_kills_everything_before_the_cancellation_is_seen(walls, commands, marker):
    running = asyncio.create_task(walls.run(commands.shell(f"sleep 300 & sleep 300; : {marker}")))
    while not alive(marker):
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert alive(marker) == []


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13])
async def test_cancelling_at_any_moment_leaves_nothing(walls, commands, marker, turns):
    running = asyncio.create_task(walls.run(commands.shell(f"sleep 300; : {marker}")))
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert alive(marker) == []


async def test_many_sandboxes_at_once_do_not_use_up_each_others_limits(walls, commands):
    script = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.3 & done; wait; echo all"
    results = await asyncio.gather(*(walls.run(commands.shell(script)) for _ in range(8)))
    assert [result.output for result in results] == ["all\n"] * 8


async def test_however_much_is_printed_the_daemons_memory_stays_flat(walls, commands, ledger):
    size = 1 << 30 if walls.kind == "bubblewrap" else 1 << 27  # docker carries about 50 MiB a second
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    script = f"echo first; head -c {size} /dev/zero | tr '\\0' x; echo; echo last"
    result = await walls.run(commands.shell(script))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert result.output_bytes == size + len("first\n\nlast\n")
    assert result.output.startswith("first") and result.output.endswith("last\n")
    assert len(result.output) < 300_000
    assert grown < 16 << 10  # KiB
    ledger.tried("endless printers", threat=THREAT)


async def test_a_fork_bomb_is_bounded_and_ends_with_its_wall_time(walls, commands, marker, ledger):
    script = f"import os\nwhile True:\n    try: os.fork()\n    except OSError: pass  # {marker}"
    result = await walls.run(commands.python(script, limits=Limits(wall_seconds=1.0, pids=40)))
    assert result.timed_out
    assert alive(marker) == []
    ledger.tried("fork bombs", threat=THREAT)


async def test_no_more_processes_start_than_the_limit_says(walls, commands):
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
    result = await walls.run(commands.python(script, limits=Limits(pids=20)))
    assert result.output.startswith("stopped at")
    assert int(result.output.split()[-1]) <= 20


async def test_memory_is_bounded_for_the_whole_tree(walls, commands, ledger):
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
    result = await walls.run(commands.python(script, limits=Limits(memory_bytes=200 << 20)))
    assert result.exit_code != 0 or int(result.output) <= 200
    ledger.tried("memory bombs", threat=THREAT)


async def test_an_endless_loop_ends_by_its_processor_time(walls, commands, ledger):
    result = await walls.run(
        commands.python("while True: pass", limits=Limits(cpu_seconds=1, wall_seconds=30))
    )
    assert result.exit_code != 0 and not result.timed_out
    ledger.tried("endless loops", threat=THREAT)


async def test_a_command_that_fills_the_disk_is_ended_and_the_note_says_why(walls, commands, ledger):
    script = "i=0; while :; do i=$((i+1)); head -c 4194304 /dev/zero > f$i || exit 1; done"
    result = await walls.run(commands.shell(script, limits=Limits(file_bytes=16 << 20, wall_seconds=60)))
    assert result.exit_code == 137 and "MiB" in result.note and not result.timed_out
    ledger.tried("full disks", threat=THREAT)


async def test_a_writable_bind_outside_the_places_is_refused(walls, commands, tmp_path):
    with pytest.raises(Permanent, match="outside the places"):
        await walls.run(commands.shell("true", Bind(tmp_path, "/more", writable=True)))


async def test_a_missing_program_is_an_exit_code_and_not_a_crash(walls, commands):
    result = await walls.run(commands.of("/usr/bin/no-such-program"))
    assert result.exit_code != 0 and "no-such-program" in result.output


async def test_a_service_is_reached_by_its_socket_only_and_is_gone_with_its_context(
    walls, commands, places, marker
):
    directory = places.socket_directory("probe")
    script = f"""
import socket
s = socket.socket(socket.AF_UNIX); s.bind('/run-dir/s.sock'); s.listen()
t = socket.socket(); t.bind(('127.0.0.1', 0)); t.listen(); print(t.getsockname()[1], flush=True)
while True:
    c, _ = s.accept(); c.sendall(b'hello'); c.close()  # {marker}
"""
    async with walls.serve(commands.python(script, Bind(directory, "/run-dir", writable=True))) as service:
        while not (directory / "s.sock").exists() or not service.output().strip():
            assert not service.exited, service.output()
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(directory / "s.sock")
        assert await reader.read() == b"hello"
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", int(service.output().split()[0]))
    assert alive(marker) == []


async def test_a_service_that_ends_by_itself_is_seen_and_its_words_are_kept(walls, commands):
    async with walls.serve(commands.shell("echo no; exit 3")) as service:
        while not service.exited:
            await asyncio.sleep(0.01)
        assert "no" in service.output() or service.exited
    assert service.output() == "no\n"


async def test_a_service_is_gone_when_its_user_fails(walls, commands, marker):
    with pytest.raises(ZeroDivisionError):
        async with walls.serve(commands.shell(f"sleep 300; : {marker}")):
            raise ZeroDivisionError
    assert alive(marker) == []
