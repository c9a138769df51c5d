"""Plain subprocesses under the setting that says so."""

import asyncio
from pathlib import Path

from executor.sandbox.base import Bind, Limits, SandboxCommand
from executor.sandbox.cgroups import Cgroups
from executor.sandbox.unsafe import UnsafeSandbox


def _command(workspace: Path, script: str, limits: Limits | None = None, **env: str) -> SandboxCommand:
    binds = (Bind(workspace, "/ws", writable=True),)
    return SandboxCommand(("/bin/sh", "-c", script), binds, env=env, limits=limits or Limits(wall_seconds=30))


async def test_places_inside_are_rewritten_to_where_they_lie(tmp_path):
    sandbox = UnsafeSandbox(Cgroups.discover())
    result = await sandbox.run(_command(tmp_path, "pwd; echo /ws/file $WHERE /wsx > /ws/out", WHERE="/ws"))
    assert result.output == f"{tmp_path}\n"
    assert (tmp_path / "out").read_text() == f"{tmp_path}/file {tmp_path} /wsx\n"


async def test_the_environment_is_cleared_here_too(tmp_path, monkeypatch):
    monkeypatch.setenv("CANARY", "canary")
    result = await UnsafeSandbox(Cgroups.discover()).run(_command(tmp_path, "env"))
    assert "canary" not in result.output


async def test_wall_time_ends_the_session(tmp_path):
    limits = Limits(wall_seconds=0.3)
    result = await UnsafeSandbox(Cgroups.discover()).run(_command(tmp_path, "sleep 300 & sleep 300", limits))
    assert result.timed_out


async def test_a_service_runs_while_its_context_is_open(tmp_path):
    async with UnsafeSandbox(Cgroups.discover()).serve(_command(tmp_path, "echo up; sleep 300")) as service:
        while service.output() != "up\n":
            await asyncio.sleep(0.01)
        assert not service.exited
    assert service.exited


async def test_it_says_that_there_are_no_walls():
    assert "No walls" in UnsafeSandbox(Cgroups(())).limits_note
