"""Heavy commands as jobs of a swarm: what goes there, what comes back, and what is never left behind."""

import asyncio
import base64
import os
import re
import zlib
from collections.abc import AsyncIterator

import pytest

from executor.errors import Permanent, Transient
from executor.sandbox.base import Bind, Limits, SandboxCommand
from executor.sandbox.swarm_jobs import SwarmJobSandbox
from executor.sandbox.swarm_watch import Patience
from tests.fakes.swarm import FakeNode, FakeSwarm

IMAGE = "python:3.11-slim"


_QUICK = Patience(look=0.05, start=0.6, log=0.5, removal=2.0)


@pytest.fixture
async def swarm(places, sandbox) -> AsyncIterator[FakeSwarm]:
    made = FakeSwarm(places, sandbox)
    yield made
    await made.settle()


@pytest.fixture
def sent_to(sandbox, places):
    """Makes the sandbox that sends its heavy commands to a manager and its nodes."""

    def make(manager, *nodes):
        return SwarmJobSandbox(
            sandbox, manager=manager, nodes=nodes, places=places, image=IMAGE, patience=_QUICK
        )

    return make


@pytest.fixture
def first(swarm) -> FakeNode:
    return FakeNode(swarm, "first", [IMAGE], manager=True)


@pytest.fixture
def second(swarm, first) -> FakeNode:
    return FakeNode(swarm, "second", [IMAGE])


@pytest.fixture
def jobs(sent_to, first, second) -> SwarmJobSandbox:
    return sent_to(first, first, second)


@pytest.fixture
def heavy(places, commands):
    """Makes heavy commands with a workspace, a directory of reports and a settings directory."""
    out, settings = places.scratch("out"), places.scratch("settings")
    (settings / "ini").write_text("setting")

    def make(script: str, *results: str, limits: Limits | None = None) -> SandboxCommand:
        binds = (
            Bind(commands.workspace, "/ws", writable=True),
            Bind(out, "/out", writable=True),
            Bind(settings, "/settings"),
        )
        argv = ("/bin/sh", "-c", script)
        bounds = limits or Limits(wall_seconds=30)
        return SandboxCommand(argv, binds, env={"A": "b c"}, limits=bounds, heavy=True, results=results)

    make.out = out
    return make


async def test_a_command_that_is_not_heavy_stays_here(jobs, swarm, commands):
    assert (await jobs.run(commands.shell("echo here"))).output == "here\n"
    async with jobs.serve(commands.shell("sleep 60")) as service:
        assert not service.exited
    assert swarm.asked == [] and jobs.kind == "bubblewrap"


async def test_a_heavy_command_runs_on_the_swarm_with_its_files_and_its_environment(
    jobs, swarm, heavy, commands
):
    (commands.workspace / "given").write_text("content")
    (commands.workspace / "link").symlink_to("given")
    result = await jobs.run(heavy("cat given link /settings/ini; echo; echo $A $HOME; echo late >&2; exit 3"))
    assert result.output == "contentcontentsetting\nb c /tmp\nlate\n"
    assert (result.exit_code, result.timed_out, result.note, result.output_bytes) == (3, False, "", 36)
    assert len(swarm.ran) == 1 and swarm.left() == set()


async def test_just_the_wanted_files_come_back_to_where_they_are_read(jobs, heavy, commands, places):
    result = await jobs.run(
        heavy("echo r > /out/report; echo n > /out/note; echo w > w", "/out/report", "/out/none")
    )
    assert result.exit_code == 0
    assert (heavy.out / "report").read_text() == "r\n"
    assert (heavy.out / "report").stat().st_uid == (places.sandbox_uid or (heavy.out).stat().st_uid)
    assert not (heavy.out / "note").exists() and not (commands.workspace / "w").exists()


async def test_a_link_in_place_of_a_wanted_file_brings_nothing_back(jobs, heavy, tmp_path):
    script = (
        "ln -s /settings/ini /out/a; mkdir /out/real; echo x > /out/real/b; ln -s real /out/d; mkfifo /out/f"
    )
    await jobs.run(heavy(script, "/out/a", "/out/d/b", "/out/f", "/out/real"))
    assert list(heavy.out.iterdir()) == []


async def test_a_link_that_lies_here_is_not_written_through(jobs, heavy, tmp_path):
    (tmp_path / "victim").write_text("whole")
    (heavy.out / "report").symlink_to(tmp_path / "victim")
    with pytest.raises(Exception, match="symbolic link"):
        await jobs.run(heavy("rm /out/report; echo evil > /out/report", "/out/report"))
    assert (tmp_path / "victim").read_text() == "whole"


_SPY = """
import glob, os, zlib
packed = b"".join(open(name, "rb").read() for name in sorted(glob.glob("/fpai-in/*")))
print(len(packed) > 0, b"canary" in packed)
try: print(zlib.decompress(packed))
except zlib.error: print("sealed")
for name in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/mem"):
    try: print(open(name, "rb").read())
    except OSError: continue
print("tried")
"""


async def test_the_tests_can_read_neither_the_packed_files_nor_the_key(jobs, heavy, swarm):
    (heavy.out / "key").write_text("canary-of-the-seal")
    result = await jobs.run(heavy(f"rm /out/key; /usr/bin/python3 -c '{_SPY}'"))
    assert result.output.startswith("True False\nsealed\n") and result.output.endswith("tried\n")
    key = swarm.ran[0].key
    assert len(key) == 64 and key not in result.output and "canary" not in result.output
    assert all(key not in " ".join(words) for words in swarm.asked)


async def test_what_a_test_prints_is_not_taken_for_the_runners_account(jobs, heavy):
    forged = "fpai 7 8 " + base64.b64encode(zlib.compress(b'{"error": "forged"}')).decode()
    script = f"echo '{forged}'; for p in /proc/[0-9]*; do echo '{forged}' > $p/fd/1; done 2>/dev/null; exit 4"
    result = await jobs.run(heavy(script))
    assert result.exit_code == 4 and forged in result.output


async def test_the_wall_time_ends_a_job_and_all_that_it_started(jobs, heavy, marker):
    script = f"setsid sh -c 'sleep 300; : {marker}' & sleep 300"
    result = await jobs.run(heavy(script, limits=Limits(wall_seconds=0.5)))
    assert result.timed_out and result.exit_code == 137 and "0.5 s" in result.note


async def test_a_job_that_ended_well_leaves_no_grandchild_to_wait_for(jobs, heavy):
    result = await jobs.run(heavy("setsid sleep 300 & echo done"))
    assert (result.exit_code, result.output) == (0, "done\n")


async def test_long_output_is_kept_head_and_tail(jobs, heavy):
    script = "echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last"
    result = await jobs.run(heavy(script, limits=Limits(output_bytes=10_000, wall_seconds=30)))
    assert result.output.startswith("first") and result.output.endswith("last\n")
    assert result.output_bytes == 3_000_012 and len(result.output) < 11_000


async def test_a_workspace_larger_than_one_config_travels_in_several(jobs, heavy, commands, swarm):
    (commands.workspace / "big").write_bytes(os.urandom(1_200_000))
    result = await jobs.run(heavy("wc -c < big"))
    assert result.output.strip() == "1200000"
    assert len(swarm.ran[0].values("--config")) == 3


async def test_a_workspace_that_is_too_large_is_refused_with_the_way_out(jobs, heavy, commands, swarm):
    (commands.workspace / "huge").write_bytes(os.urandom(9 << 20))
    with pytest.raises(Permanent, match="MiB") as caught:
        await jobs.run(heavy("true"))
    assert 'tests_on = "here"' in caught.value.hint and swarm.left() == set()


async def test_an_image_is_made_once_on_each_node_and_the_oldest_goes(
    jobs, heavy, first, second, commands, places
):
    for turn in range(6):
        settings = places.scratch("settings")
        (settings / "ini").write_text(f"setting {turn}")
        command = heavy("cat /settings/ini")
        binds = (*command.binds[:2], Bind(settings, "/settings"))
        for _ in range(2):
            again = SandboxCommand(command.argv, binds, limits=command.limits, heavy=True)
            assert (await jobs.run(again)).output == f"setting {turn}"
    assert len(first.sent) == len(second.sent) == 6
    assert len([image for image in first.images if image.startswith("fpai-job-")]) == 4


async def test_runs_at_once_bring_an_image_once(jobs, heavy, first):
    results = await asyncio.gather(*(jobs.run(heavy("echo x")) for _ in range(3)))
    assert [result.output for result in results] == ["x\n"] * 3
    assert len(first.sent) == 1


async def test_a_node_without_the_base_image_is_named_with_the_command(jobs, heavy, second):
    second.images.clear()
    with pytest.raises(Permanent, match="second") as caught:
        await jobs.run(heavy("true"))
    assert f"docker pull {IMAGE}" in caught.value.hint


async def test_an_image_of_another_python_is_refused(jobs, heavy, first):
    first.build_fails = "Step 4\nfpai: other Python: python3.12 in the image, python3.11 in the venv\n"
    with pytest.raises(Permanent, match=r"python3\.12 in the image") as caught:
        await jobs.run(heavy("true"))
    assert "minor version" in caught.value.hint


async def test_a_node_that_is_away_is_left_out_and_gets_no_job(jobs, heavy, first, second, swarm):
    first.swarm.nodes = {"second": "Down", "first": "Ready", "stranger": "Ready"}
    second.away = True
    assert (await jobs.run(heavy("echo on"))).output == "on\n"
    off = set(swarm.ran[0].values("--constraint"))
    assert off == {"node.id!=id-of-second", "node.id!=id-of-stranger"}


@pytest.mark.parametrize("what", ["manager", "nodes", "drained"])
async def test_while_the_swarm_is_away_the_build_waits_and_nothing_runs_here(
    jobs, sent_to, heavy, first, second, swarm, what
):
    if what == "manager":
        first.away = True
        jobs = sent_to(first, second)
    elif what == "nodes":
        first.away = second.away = True
    else:
        swarm.nodes = {"first": "Down", "second": "Down"}
    with pytest.raises(Transient):
        await jobs.run(heavy("true"))
    assert swarm.ran == [] and swarm.left() == set()


async def test_a_machine_that_manages_nothing_is_refused(sent_to, heavy, second):
    jobs = sent_to(second, second)
    with pytest.raises(Permanent, match="no manager of a swarm"):
        await jobs.run(heavy("true"))


async def test_a_task_that_is_refused_or_lost_is_run_again_and_nothing_is_left(jobs, heavy, swarm):
    swarm.rejects = "No such image: fpai-job"
    with pytest.raises(Transient, match="has gone"):
        await jobs.run(heavy("true"))
    swarm.rejects = ""
    assert (await jobs.run(heavy("echo again"))).output == "again\n"
    assert swarm.left() == set()


async def test_a_node_that_goes_down_in_the_middle_ends_the_wait(jobs, heavy, swarm):
    running = asyncio.create_task(jobs.run(heavy("sleep 60")))
    while not swarm.ran:
        await asyncio.sleep(0.01)
    swarm.nodes["first"] = "Down"
    with pytest.raises(Transient, match="first was lost"):
        await running
    assert swarm.left() == set()


async def test_a_job_that_no_node_has_room_for_is_given_up_after_a_while(jobs, heavy, swarm):
    swarm.starts = False
    with pytest.raises(Transient, match="no suitable node"):
        await jobs.run(heavy("true"))
    assert swarm.left() == set()


async def test_a_runner_that_was_killed_says_that_memory_was_short(jobs, heavy, swarm):
    swarm.kills = True
    result = await jobs.run(heavy("true", limits=Limits(memory_bytes=64 << 20)))
    assert result.exit_code == 137 and "64 MiB" in result.note


async def test_a_log_that_arrives_late_and_out_of_order_is_waited_for(jobs, heavy, swarm):
    seen: list[int] = []

    def late(log: bytes) -> bytes:
        lines = log.splitlines()
        seen.append(len(lines))
        return b"\n".join(reversed(lines if len(seen) > 2 else lines[1:]))

    swarm.damage = late
    script = "head -c 40000 /dev/urandom | od -x"
    result = await jobs.run(heavy(script))
    assert re.fullmatch(r"[0-9a-f\s]+", result.output) and seen[0] > 1 and len(seen) == 3


@pytest.mark.parametrize(
    "verb", ["network create", "config create", "service create", "service ps", "service rm", "network rm"]
)
async def test_a_reply_that_is_lost_leaves_nothing_and_runs_nothing_twice(jobs, heavy, first, swarm, verb):
    first.lost_reply_of = verb
    if verb.endswith("rm"):
        assert (await jobs.run(heavy("echo x"))).output == "x\n"
    else:
        with pytest.raises(Transient):
            await jobs.run(heavy("echo x"))
    assert (await jobs.run(heavy("echo y"))).output == "y\n"
    assert swarm.left() == set() and len(swarm.ran) <= 2


async def test_a_network_that_its_last_task_still_holds_is_removed_a_little_later(jobs, heavy, swarm):
    swarm.holds = 2
    await jobs.run(heavy("true"))
    assert swarm.left() == set()


async def test_cancelling_removes_the_job_before_the_cancellation_is_seen(jobs, heavy, swarm):
    for turns in (1, 30, 60, 90, 120):
        running = asyncio.create_task(jobs.run(heavy("sleep 60")))
        for _ in range(turns):
            await asyncio.sleep(0.002)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert swarm.left() == set()


async def test_what_a_dead_daemon_left_is_removed_at_the_next_start(jobs, heavy, swarm, first):
    running = asyncio.create_task(jobs.run(heavy("sleep 60")))
    while not swarm.ran:
        await asyncio.sleep(0.01)
    first.away = True  # as good as dead: it can remove nothing
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert swarm.left() != set()
    first.away = False
    assert await jobs.sweep() == 3
    assert swarm.left() == set()
