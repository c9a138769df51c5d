"""Jobs on a real swarm of two hosts that are reached over SSH: a build's tests, attacks, and a lost node."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from executor.adapters.ssh import SshMachine
from executor.agent.scaffold import scaffold
from executor.agent.template import render_template, write_file
from executor.checks.sources import read_sources
from executor.checks.suite import check_suite
from executor.domain.droplet import DropletIdentity
from executor.domain.spec_reader import read_resources
from executor.domain.spec_writer import SpecRequest, write_spec
from executor.errors import Permanent, Transient
from executor.sandbox.base import Bind, Limits, SandboxCommand
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places
from executor.sandbox.refusing import RefusingSandbox
from executor.sandbox.swarm_jobs import SwarmJobSandbox
from executor.sandbox.venv import VenvCache, find_uv
from tests.proof.scale import IN_FULL
from tests.sandbox.attacks import ATTACKS, DRIVER, judge, limits_of, script_of, world_to_attack
from tests.sandbox.conftest import IMAGE, docker_answers

pytestmark = pytest.mark.testbed

_BED = Path(os.environ.get("FPAI_TESTBED", Path(__file__).parents[1] / "testbed"))
_PYTHON = "/usr/local/bin/python3"  # the image's
_IDENTITY = DropletIdentity(13, "library", "0.1.0", "Build a Library that stores books with title", 18513)


def _long(test: Callable[..., object]) -> object:
    """Tests that only the whole sweep has time for."""
    only = pytest.mark.skipif(not IN_FULL, reason="only with FPAI_SWEEP=all")
    return pytest.mark.sweep(only(test))


def _bed(*words: str, source: subprocess.Popen[bytes] | None = None) -> str:
    script = _BED / "ssh-host"
    if not script.is_file():
        pytest.skip(f"there is no test bed at {_BED}")
    done = subprocess.run(
        ["bash", script, *words], stdin=source.stdout if source else subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"ssh-host {' '.join(words)}: {done.stderr.strip()[-300:]}")
    return done.stdout


def _machine(name: str) -> SshMachine:
    told = json.loads(_bed("info", name))
    known = {key: told[key] for key in ("port", "user", "key", "known_hosts")}
    return SshMachine(name, told["host"], **known, connect_timeout=5.0)


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[str, str]]:
    """Two hosts that are one swarm; the first is its manager, both have the image."""
    if reason := docker_answers():
        pytest.skip(f"no containers here: {reason}")
    names = ("jobs1", "jobs2")
    try:
        for name in names:
            try:
                _bed("up", name)
            except RuntimeError as error:
                pytest.skip(f"no host can be brought up: {error}")
            with subprocess.Popen(["docker", "save", IMAGE], stdout=subprocess.PIPE) as saved:
                _bed("exec", name, "docker", "load", source=saved)
        address = json.loads(_bed("info", names[0]))["host"]
        _bed("exec", names[0], "docker", "swarm", "init", "--advertise-addr", address)
        token = _bed("exec", names[0], "docker", "swarm", "join-token", "-q", "worker").strip()
        _bed("exec", names[1], "docker", "swarm", "join", "--token", token, f"{address}:2377")
        yield names
    finally:
        for name in names:
            _bed("down", name)


@pytest.fixture
async def machines(hosts) -> AsyncIterator[tuple[SshMachine, SshMachine]]:
    """The two hosts over SSH."""
    made = (_machine(hosts[0]), _machine(hosts[1]))
    yield made
    for machine in made:
        await machine.aclose()


@pytest.fixture
def sent_to(machines, places):
    """Makes the sandbox that sends heavy commands to the swarm; this machine itself can run nothing."""

    def make(*constraints: str) -> SwarmJobSandbox:
        here = RefusingSandbox(Permanent("Nothing is to run here."))
        return SwarmJobSandbox(
            here, manager=machines[0], nodes=machines, places=places, image=IMAGE, constraints=constraints
        )

    return make


async def _left(jobs: SwarmJobSandbox, hosts: tuple[str, str]) -> list[str]:
    """What jobs have left on the swarm; containers and networks of nodes go some seconds after their job."""
    words = "docker service ls -q; docker config ls -q; docker network ls -q --filter label=fpai.job"
    left = await asyncio.to_thread(_bed, "exec", hosts[0], "sh", "-c", words)
    return left.split()


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Iterator[Places]:
    """Places for all of these tests, so that an image is brought to the hosts once."""
    made = Places.of(tmp_path_factory.mktemp("jobs") / "state")
    yield made
    for root in {made.root, made.sockets}:
        if root.exists():
            remove_tree_now(root)


@pytest.fixture
def droplet(places) -> Path:
    """The template and what the rule-based provider adds to it."""
    root: Path = places.scratch("droplet")
    spec = write_spec(SpecRequest(identity=_IDENTITY, intent=_IDENTITY.purpose))
    render_template(_IDENTITY, created="2026-01-01", into=root)
    write_file(root, "docs/SPEC.md", spec)
    scaffold(read_resources(spec), _IDENTITY, root)
    return root


async def test_a_builds_tests_run_on_the_other_host_and_are_judged_as_if_they_had_run_here(
    sent_to, hosts, sandbox, droplet, places
):
    venv = await VenvCache(places, find_uv()).get(droplet / "requirements.txt")
    jobs, files = sent_to(f"node.hostname=={hosts[1]}"), read_sources(droplet)
    given = {"venv": venv, "places": places, "limits": Limits()}
    there = await check_suite(droplet, files, sandbox=jobs, **given)
    here = await check_suite(droplet, files, sandbox=sandbox, **given)
    assert there.is_green and there.passing > 0
    assert there.findings[2:] == here.findings[2:] and there.executed == here.executed
    assert (there.passing, there.failing) == (here.passing, here.failing)
    assert await _left(jobs, hosts) == []
    log = await asyncio.to_thread(_bed, "exec", hosts[1], "docker", "image", "ls", "-q", "fpai-job-*")
    assert log.split(), "the other host has made no image, so nothing can have run there"


@_long
async def test_a_red_test_is_red_there_too_and_told_in_the_same_words(sent_to, droplet, places):
    venv = await VenvCache(places, find_uv()).get(droplet / "requirements.txt")
    test = "def test_of_two_numbers() -> None:\n    assert 1 + 1 == 3\n"
    (droplet / "tests/test_wrong.py").write_text(test)
    verdict = await check_suite(
        droplet, read_sources(droplet), venv=venv, sandbox=sent_to(), places=places, limits=Limits()
    )
    assert not verdict.is_green and "assert (1 + 1) == 3" in verdict.output
    assert verdict.failing_tests == ("tests/test_wrong.py::test_of_two_numbers",)


@pytest.mark.parametrize("which", ["all but the enormous file", "the enormous file"])
async def test_the_walls_of_a_job_hold_against_every_one_of_these_attempts(
    which, sent_to, places, tmp_path, commands, monkeypatch
):
    attacks = [name for name in ATTACKS if ("enormous" in name) == (which == "the enormous file")]
    monkeypatch.setenv("DAEMON_KEY", "canary")
    shared = places.scratch("shared")
    (shared / "lib.py").write_text("whole")
    scripts = [(name, script_of(name)) for name in attacks]
    (commands.workspace / "attacks.json").write_text(json.dumps(scripts))
    with world_to_attack(places, tmp_path) as world:
        command = SandboxCommand(
            (_PYTHON, "-I", "-c", DRIVER),
            (Bind(commands.workspace, "/ws", writable=True), Bind(shared, "/venv")),
            env={"CTX": json.dumps({**world, "first": "swarm_runner"})},
            limits=limits_of(attacks[0]),
            heavy=True,
        )
        result = await sent_to().run(command)
    tried = dict(json.loads(line) for line in result.output.splitlines())
    assert sorted(tried) == sorted(attacks), result
    for name, output in tried.items():
        judge(name, output)


_SPY = """
import glob
for name in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/1/mem") + glob.glob("/proc/1/fd/*"):
    try: print(name, open(name, "rb").read())
    except OSError: continue
try: open("/proc/1/fd/1", "w").write("fpai 7 8 forged\\n")
except OSError: print("cannot speak for the runner")
try: open("/proc/1/comm", "w").write("x")
except OSError: print("cannot rename it")
"""


async def test_a_job_can_neither_read_the_runners_key_nor_speak_in_its_place(sent_to, commands):
    argv = (_PYTHON, "-I", "-c", _SPY)
    binds = (Bind(commands.workspace, "/ws", writable=True),)
    result = await sent_to().run(SandboxCommand(argv, binds, heavy=True))
    assert result.exit_code == 0 and "FPAI_JOB_KEY" not in result.output
    assert "cannot speak for the runner" in result.output


@_long
async def test_limits_of_a_job_hold(sent_to, commands):
    binds = (Bind(commands.workspace, "/ws", writable=True),)
    limits = Limits(memory_bytes=100 << 20, pids=20, wall_seconds=20, file_bytes=8 << 20)
    command = SandboxCommand(("/bin/sh", "-c", "true"), binds, limits=limits, heavy=True)
    eater = "b = bytearray(400 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1"
    eaten = await sent_to().run(replace(command, argv=(_PYTHON, "-c", eater)))
    assert eaten.exit_code == 137 and not eaten.timed_out
    forks = "i=0; while [ $i -lt 100 ]; do sleep 60 & i=$((i+1)); done"
    forked = await sent_to().run(replace(command, argv=("/bin/sh", "-c", forks)))
    assert forked.exit_code != 0 and "fork" in forked.output.lower()
    filler = "for n in 1 2 3 4 5; do head -c 7000000 /dev/zero > /ws/$n || exit 9; done"
    filled = await sent_to().run(replace(command, argv=("/bin/sh", "-c", filler)))
    assert filled.exit_code == 9 and "No space left" in filled.output


@_long
async def test_a_host_that_is_powered_off_in_the_middle_is_noticed_and_the_other_takes_the_next_run(
    sent_to, hosts, commands
):
    jobs = sent_to()
    binds = (Bind(commands.workspace, "/ws", writable=True),)
    where = SandboxCommand(("/bin/sh", "-c", "sleep 300"), binds, heavy=True)
    running = asyncio.create_task(sent_to(f"node.hostname=={hosts[1]}").run(where))
    while hosts[1] not in await asyncio.to_thread(_bed, "exec", hosts[0], "sh", "-c", _RUNNING):
        await asyncio.sleep(0.3)
        assert not running.done()
    await asyncio.to_thread(_bed, "poweroff", hosts[1])
    try:
        with pytest.raises(Transient, match="was lost"):
            await running
        again = await jobs.run(replace(where, argv=("/bin/sh", "-c", "echo on")))
        assert again.output == "on\n"
    finally:
        await asyncio.to_thread(_bed, "boot", hosts[1])


_RUNNING = "docker service ps --format '{{.Node}} {{.CurrentState}}' $(docker service ls -q) | grep Runn || :"
