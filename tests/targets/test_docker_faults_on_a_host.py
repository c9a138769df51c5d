"""A deploy to a real host that is killed, cut off, powered off or left without its engine, and goes on."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from executor.errors import Permanent, Transient
from executor.targets.base import Running
from executor.targets.docker import DockerTarget
from tests.fakes.cut_proxy import CutProxy
from tests.proof.scale import IN_FULL
from tests.testbed.bed import BedHost, alpha, beta, docker_engine  # noqa: F401 - fixtures
from tests.testbed.shipyard import Log, deployed, deployed_in_the_end, docker_target, withdrawn
from tests.testbed.tiny import program, tiny_release

pytestmark = [pytest.mark.testbed, pytest.mark.sweep]

_EFFECTS = ("image/", "ship/", "start/", "switch/", "stop/")
_KILLS = [f"{when} {key}" for key in _EFFECTS for when in ("before", "after")]
_SHARES = (0, 1, 50, 99, 100)
_PHASES = ("prepare", "start", "prove", "switch", "stop")


def _some(points: tuple | list, most: int) -> list:
    """All of them in the full sweep, else a few that differ from day to day, by a seed that is shown."""
    if IN_FULL:
        return list(points)
    seed = os.environ.get("FPAI_SEED", "31")
    return sorted(random.Random(f"{seed}{points}").sample(list(points), most), key=list(points).index)


@pytest.fixture
async def target(beta, tmp_path) -> AsyncIterator[DockerTarget]:
    made = docker_target(beta.machine(), tmp_path / "state")
    if await beta.docker("ps", "-aq", "--filter", "label=fpai.droplet=tiny"):
        await withdrawn(made, "tiny")
    yield made
    await beta.heal()
    await withdrawn(made, "tiny")
    await made.aclose()


async def ends_well(target: DockerTarget, host: BedHost, running: Running) -> None:
    """One release runs and is the one that people reach; nothing of another, no lock, no half of a file."""
    async with target._edge.reached("tiny") as url:
        proof = await target._probed(url, running)
    assert proof.proven, proof
    running_now = ("ps", "--filter", "label=fpai.release", "--format", "{{.Names}}")
    assert (await host.docker(*running_now)).split() == [running.handle["container"]]
    root = await target._machine.root()
    left = await target._machine.run(["sh", "-c", f"ls {root}/incoming 2>/dev/null; ls {root}/droplets/tiny"])
    names = left.stdout.decode().split()
    assert "lock" not in names
    assert not [name for name in names if name.endswith((".part", ".gz"))]
    async with target.held("tiny", "somebody else's build"):
        pass


@pytest.mark.parametrize("point", _some(_KILLS, 3))
async def test_r1_a_daemon_killed_at_an_effect_ends_with_the_new_release(
    point, target, beta, tmp_path, ledger
):
    state = tmp_path / "state"
    one = await deployed(target, tiny_release(tmp_path, "r1"))
    host = json.dumps({k: v for k, v in asdict(replace(beta, machines=[])).items() if k != "machines"})
    words = [host, str(state), str(tmp_path / "child"), "r2", json.dumps(asdict(one)), point]
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.testbed.deploy_child", *words],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr[-2000:]
    log = Log(state / "effects-r2.json")
    two = await deployed_in_the_end(target, tiny_release(tmp_path / "again", "r2"), log, one)
    await ends_well(target, beta, two)
    ledger.tried("effects of a deploy over SSH, killed at")


@pytest.mark.parametrize("share", _some(_SHARES, 2))
async def test_r4_a_network_cut_in_the_upload_ends_with_the_new_release(
    share, target, beta, tmp_path, ledger
):
    one = await deployed(target, tiny_release(tmp_path, "r1"))
    noise = random.Random(share).randbytes(6_000_000)
    release = tiny_release(tmp_path, "r2")
    (release.source / "app" / "noise").write_bytes(noise)
    async with CutProxy(beta.port, beta.address) as proxy:
        pinned = tmp_path / "known_hosts"
        line = Path(beta.known_hosts).read_text().split(" ", 1)[1]
        pinned.write_text(f"[127.0.0.1]:{proxy.port} {line}")
        machine = beta.machine(address="127.0.0.1", port=proxy.port, known_hosts=str(pinned))
        through = docker_target(machine, tmp_path / "state")
        log = _CutsTheUpload(proxy, share, len(noise))
        with pytest.raises(Transient):
            await deployed(through, release, log, one)
        async with target._edge.reached("tiny") as url:
            assert (await target._probed(url, one)).proven
        proxy.heal()
        two = await deployed_in_the_end(through, release, Log(), one)
        await ends_well(target, beta, two)
        assert log.begun[-1].startswith("ship/")
        await through.aclose()
    ledger.tried("cuts of an upload over SSH")


class _CutsTheUpload(Log):
    """Cuts the wire at a share of the bytes that are sent once the archive is packed."""

    def __init__(self, proxy: CutProxy, share: int, size: int) -> None:
        super().__init__()
        self._proxy, self._share, self._size = proxy, share, size

    def progress(self, action: str, fraction: float | None = None) -> None:
        super().progress(action, fraction)
        if action.startswith("packing"):
            self._proxy.cut_after = self._proxy.sent + 3000 + self._size * self._share // 100
        elif action.startswith("loading"):
            self._proxy.cut()


@pytest.mark.parametrize("phase", _some(_PHASES, 1))
async def test_r3_a_network_cut_before_a_phase_ends_with_the_new_release(
    phase, target, beta, tmp_path, ledger
):
    one = await deployed(target, tiny_release(tmp_path, "r1"))
    release, log = tiny_release(tmp_path, "r2"), Log()
    unharmed = getattr(target, phase)
    setattr(target, phase, _after(beta.cut, unharmed))
    with pytest.raises(Transient):
        await deployed(target, release, log, one)
    setattr(target, phase, unharmed)
    await beta.heal()
    two = await deployed_in_the_end(target, release, log, one)
    await ends_well(target, beta, two)
    ledger.tried("networks cut in a deploy over SSH")


def _after(
    first: Callable[[], Awaitable[None]], then: Callable[..., Awaitable[object]]
) -> Callable[..., object]:
    async def both(*given: object) -> object:
        await first()
        return await then(*given)

    return both


@pytest.mark.parametrize("phase", _some(("prepare", "start", "switch"), 1))
async def test_r3_a_host_that_loses_its_power_in_a_deploy_ends_with_the_new_release(
    phase, target, beta, tmp_path, ledger
):
    one = await deployed(target, tiny_release(tmp_path, "r1"))
    release = tiny_release(tmp_path, "r2")
    unharmed = getattr(target, phase)
    setattr(target, phase, _after(beta.poweroff, unharmed))
    with pytest.raises(Transient):
        await deployed(target, release, Log(), one)
    setattr(target, phase, unharmed)
    await beta.boot()
    two = await deployed_in_the_end(target, release, Log(), one)
    await ends_well(target, beta, two)
    ledger.tried("hosts without power in a deploy over SSH")


@pytest.mark.parametrize("phase", _some(("prepare", "start", "switch"), 1))
async def test_r3_an_engine_killed_in_a_deploy_ends_with_the_new_release(
    phase, target, beta, tmp_path, ledger
):
    one = await deployed(target, tiny_release(tmp_path, "r1"))
    release = tiny_release(tmp_path, "r2", main=program(before="x = 1"))
    unharmed = getattr(target, phase)
    setattr(target, phase, _after(beta.docker_stop, unharmed))
    with pytest.raises(Transient):
        await deployed(target, release, Log(), one)
    setattr(target, phase, unharmed)
    await beta.docker_start()
    two = await deployed_in_the_end(target, release, Log(), one)
    await ends_well(target, beta, two)
    ledger.tried("engines killed in a deploy over SSH")


async def test_after_a_power_cut_the_live_release_and_its_proxy_come_back_by_themselves(
    target, beta, tmp_path
):
    one = await deployed(target, tiny_release(tmp_path, "r1"))
    await beta.poweroff()
    await beta.boot()
    async with asyncio.timeout(60):
        while not await _answers(target, one):
            await asyncio.sleep(0.5)


async def _answers(target: DockerTarget, running: Running) -> bool:
    try:
        async with target._edge.reached("tiny") as url:
            return (await target._probed(url, running)).proven
    except Transient:
        return False


@pytest.mark.parametrize("what", ["missing", "changed"])
async def test_a_host_that_is_not_the_pinned_one_is_sent_nothing_and_the_fix_is_named(what, beta, tmp_path):
    pinned = tmp_path / "known_hosts"
    other = subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True
    )
    assert other.returncode == 0
    key = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    pinned.write_text("" if what == "missing" else f"{beta.address} {key}\n")
    machine = beta.machine(known_hosts=str(pinned))
    with pytest.raises(Permanent) as refused:
        await deployed(docker_target(machine, tmp_path / "state"), tiny_release(tmp_path, "r1"))
    assert "ssh-keyscan" in refused.value.hint
    assert ("ssh-keygen -R" in refused.value.hint) == (what == "changed")
    await machine.aclose()
