"""Docker's walls against the real engine: what holds of them only. The rest stands in test_walls.py."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import executor
from executor.errors import Permanent, Transient
from executor.sandbox.base import Limits, SandboxCommand
from executor.sandbox.docker import DockerSandbox
from executor.sandbox.docker_argv import Container
from executor.sandbox.docker_engine import Engine
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places
from tests.sandbox.conftest import IMAGE
from tests.sandbox.living import alive


def _containers(marker: str) -> list[str]:
    words = ["docker", "ps", "--all", "--no-trunc", "--format", "{{.Command}}"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if marker in line]


async def test_the_programs_are_those_of_this_machine_and_not_of_the_image(docker_walls, commands):
    script = "import os, sys; print(sys.prefix, os.stat('/usr').st_ino)"
    result = await docker_walls.run(commands.python(script))
    assert result.output.split() == ["/usr", str(os.stat("/usr").st_ino)]


async def test_an_image_that_is_not_here_is_named_with_the_command_that_fetches_it(
    places, commands, docker_walls
):
    with pytest.raises(Permanent, match="no-such-image-of-ours:9") as caught:
        await DockerSandbox(places, "no-such-image-of-ours:9").run(commands.shell("true"))
    assert "docker pull no-such-image-of-ours:9" in caught.value.hint


async def test_a_tag_that_is_moved_while_the_daemon_runs_is_followed(places, commands, docker_walls):
    tag = f"fpai-test-root:{os.getpid()}"
    build = ["docker", "build", "-q", "-t", tag, "-"]
    subprocess.run(build, input=f"FROM {IMAGE}\nLABEL a=1\n".encode(), check=True, capture_output=True)
    try:
        walls = DockerSandbox(places, tag)
        assert (await walls.run(commands.shell("echo one"))).output == "one\n"
        subprocess.run(["docker", "rmi", tag], check=True, capture_output=True)
        subprocess.run(["docker", "tag", IMAGE, tag], check=True)
        assert (await walls.run(commands.shell("echo two"))).output == "two\n"
    finally:
        subprocess.run(["docker", "rmi", tag], check=False, capture_output=True)


async def test_an_engine_that_does_not_answer_is_waited_for(places, commands, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(Transient, match="docker does not answer"):
        await DockerSandbox(places, IMAGE).run(commands.shell("true"))


async def test_without_docker_the_refusal_says_so(places, commands):
    with pytest.raises(Permanent, match="docker-that-is-not-installed"):
        await DockerSandbox(places, IMAGE, program="docker-that-is-not-installed").run(commands.shell("true"))


async def test_more_memory_than_allowed_ends_it_and_the_note_says_so(docker_walls, commands):
    script = "b = bytearray(300 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1"
    result = await docker_walls.run(commands.python(script, limits=Limits(memory_bytes=64 << 20)))
    assert result.exit_code == 137 and "64 MiB" in result.note and not result.timed_out


async def test_a_container_that_cannot_be_started_is_not_taken_for_a_command_that_failed(
    docker_walls, commands
):
    (commands.workspace / "file").write_text("x")
    command = commands.shell("echo ran")
    broken = SandboxCommand(command.argv, command.binds, cwd="/ws/file", limits=command.limits)
    with pytest.raises(Permanent, match="docker refused"):
        await docker_walls.run(broken)
    with pytest.raises(Permanent, match="docker refused"):
        async with docker_walls.serve(broken) as service:
            while not service.exited:
                await asyncio.sleep(0.01)


async def test_the_exit_codes_that_docker_uses_for_itself_are_the_commands_too(docker_walls, commands):
    for code in (1, 125, 126):
        assert (await docker_walls.run(commands.shell(f"exit {code}"))).exit_code == code


async def test_no_settings_of_a_person_reach_a_container(docker_walls, commands, monkeypatch, tmp_path):
    proxies = {"proxies": {"default": {"httpProxy": "http://user:canary@proxy:1"}}}
    (tmp_path / "config.json").write_text(json.dumps(proxies))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert "canary" not in (await docker_walls.run(commands.shell("env"))).output


async def test_the_value_of_a_variable_is_seen_in_no_command_line(docker_walls, commands, marker):
    running = asyncio.create_task(docker_walls.run(commands.shell("sleep 0.5", A=marker)))
    while not running.done():
        assert alive(marker) == []
        await asyncio.sleep(0.005)
    assert running.result().exit_code == 0


_DAEMON = """
import asyncio, pathlib, sys
from executor.sandbox.base import Bind, SandboxCommand
from executor.sandbox.choose import choose_sandbox
from executor.sandbox.places import Places

async def main(state, script):
    places = Places.of(pathlib.Path(state))
    walls = await choose_sandbox("docker", places)
    bind = Bind(places.workspace("b"), "/ws", writable=True)
    print(await walls.run(SandboxCommand(("/bin/sh", "-c", script), (bind,))))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_a_killed_daemon_left_is_ended_by_the_next_one(tmp_path, marker, places, docker_walls):
    env = {**os.environ, "PYTHONPATH": str(Path(executor.__file__).parent.parent)}
    argv = [sys.executable, "-c", _DAEMON, str(tmp_path / "state")]
    first = subprocess.Popen([*argv, f"echo up > /ws/up; setsid sleep 301 & sleep 300; : {marker}"], env=env)
    while not (places.root / "workspaces" / "b" / "up").exists():
        await asyncio.sleep(0.02)
        assert first.poll() is None
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert alive(marker) != []
    second = await asyncio.to_thread(subprocess.run, [*argv, "echo second"], env=env, capture_output=True)
    assert b"second" in second.stdout
    assert alive(marker) == []


async def test_containers_of_another_state_directory_are_left_alone(places, docker_walls, commands, tmp_path):
    elsewhere = Places.of(tmp_path / "other")
    try:
        async with docker_walls.serve(commands.shell("sleep 60")) as service:
            assert await DockerSandbox(elsewhere, IMAGE).sweep() == 0
            assert not service.exited
    finally:
        remove_tree_now(elsewhere.root)


async def test_a_container_outlives_its_daemon_by_no_more_than_its_own_time(docker_walls, places, commands):
    engine = Engine(places.caches / "docker")
    image = await engine.image(IMAGE)
    container = Container("fpai-s-orphan", "orphan", image.id, 64000)
    command = commands.shell("sleep 300", limits=Limits(wall_seconds=-9))
    await engine.create(container, command)
    try:
        client = engine.started(container.name, 1024)
        assert await client.ended() == 137
        await client.destroy()
    finally:
        await engine.remove(container.name)


async def test_what_could_not_be_removed_is_removed_before_the_next_command(
    docker_walls, commands, monkeypatch, tmp_path, marker
):
    with pytest.raises(Transient):
        async with docker_walls.serve(commands.shell(f"sleep 60; : {marker}")):
            monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.delenv("DOCKER_HOST")
    assert _containers(marker)
    assert (await docker_walls.run(commands.shell("true"))).exit_code == 0
    assert not _containers(marker)
