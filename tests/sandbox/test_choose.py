"""Choosing walls at start: proven ones, or a refusal."""

import asyncio
import os

import pytest

from executor.errors import Permanent
from executor.sandbox import choose
from executor.sandbox.base import SandboxResult
from executor.sandbox.choose import choose_sandbox, prove_walls
from tests.sandbox.conftest import IMAGE


@pytest.mark.parametrize("kind", ["auto", "bubblewrap"])
async def test_bubblewrap_is_chosen_once_it_has_proven_itself(places, kind):
    assert (await choose_sandbox(kind, places)).kind == "bubblewrap"
    assert list((places.root / "scratch").iterdir()) == []
    assert not list(places.caches.glob("canary*"))


async def test_unsafe_is_chosen_only_by_its_name(places):
    assert (await choose_sandbox("unsafe", places)).kind == "unsafe"


async def test_an_unknown_kind_is_refused(places):
    with pytest.raises(Permanent, match="chroot"):
        await choose_sandbox("chroot", places)


class _Leaky:
    """A sandbox without one of its walls."""

    kind = "leaky"

    def __init__(self, output: str, exit_code: int = 0) -> None:
        self._output, self._exit_code = output, exit_code

    async def run(self, command):
        await asyncio.sleep(0)
        return SandboxResult(self._exit_code, self._output, len(self._output), False, 0.0)

    def serve(self, command):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("output", "failed"),
    [
        ("workspace\nalone\nnamespace\n", "hidden"),
        ("workspace\nhidden\nnamespace\n", "alone"),
        ("hidden\nalone\nnamespace\n", "workspace"),
        ("workspace\nhidden\nalone\n", "namespace"),
        ("bwrap: No permissions to create new namespace\n", "workspace, hidden, alone, namespace"),
    ],
)
async def test_a_missing_wall_is_named_and_the_daemon_refuses_to_run_without(places, output, failed):
    with pytest.raises(Permanent, match=failed) as caught:
        await prove_walls(_Leaky(output), places)
    assert "unsafe" in caught.value.hint and "doctor" in caught.value.hint


@pytest.fixture
def without_bubblewrap(monkeypatch):
    """A machine without bubblewrap: nothing of this suite may take it away from the real one."""
    monkeypatch.setattr(choose, "_NEEDED", ("bwrap-that-is-not-installed",))


async def test_without_bubblewrap_the_refusal_says_what_to_install(places, without_bubblewrap):
    with pytest.raises(Permanent, match="bwrap-that-is-not-installed") as caught:
        await choose_sandbox("bubblewrap", places)
    assert "apt-get install bubblewrap" in caught.value.hint


async def test_docker_is_chosen_by_its_name_and_without_bubblewrap(places, without_bubblewrap, docker_walls):
    assert (await choose_sandbox("docker", places, image=IMAGE)).kind == "docker"
    assert (await choose_sandbox("auto", places, image=IMAGE)).kind == "docker"
    assert list((places.root / "scratch").iterdir()) == []


async def test_with_neither_both_reasons_are_given_and_nothing_runs(places, without_bubblewrap):
    with pytest.raises(Permanent, match=r"bwrap-that-is-not.*no-docker-here") as caught:
        await choose_sandbox("auto", places, docker="no-docker-here")
    assert "apt-get install bubblewrap" in caught.value.hint and "Install docker" in caught.value.hint


async def test_an_engine_that_is_down_at_start_is_a_refusal(places, docker_walls, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(Permanent, match="does not answer") as caught:
        await choose_sandbox("docker", places)
    assert "Start the docker engine" in caught.value.hint


async def test_what_a_killed_daemon_left_in_a_cgroup_is_ended_at_the_next_start(places):
    from executor.sandbox.cgroups import Cgroups

    groups = Cgroups.discover()
    gone = await asyncio.create_subprocess_exec("true")
    await gone.wait()
    leaf = groups.leaf(f"fpai-s-{gone.pid}-1", memory_bytes=64 << 20, pids=5)
    command = 'for f in "$@"; do echo 0 > $f; done; exec sleep 300'
    files = leaf.join if leaf else ()
    left = await asyncio.create_subprocess_exec("sh", "-c", command, "x", *files)
    while leaf and left.pid not in leaf.members():
        await asyncio.sleep(0.01)
    if leaf is None:  # a machine without writable cgroups has nothing to sweep
        left.kill()
    await choose_sandbox("auto", places)
    assert await left.wait() == -9
    assert not os.path.exists(f"/proc/{left.pid}")
