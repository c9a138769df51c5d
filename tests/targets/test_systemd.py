"""The launcher of a machine with systemd; its systemctl here starts and stops the unit's own program."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

import executor
from executor.errors import Permanent, ReleaseAtFault
from executor.sandbox.cgroups import Cgroups
from executor.targets.launch import Bounds
from executor.targets.process import ProcessTarget
from executor.targets.record import exit_code, holder
from executor.targets.session import SessionLauncher
from executor.targets.systemd import SystemdLauncher, choose_launcher
from executor.targets.unit import main

_SYSTEMCTL = """#!/bin/sh
[ "$1" = --no-ask-password ] && shift
echo "$1 $2" >> {log}
id=${{2#fpai-release@}}; id=${{id%.service}}
case $1 in
start) STATE_DIRECTORY={state} PYTHONPATH={path} setsid {python} -m executor.targets.unit {launches} "$id" \
       > {log}.out 2>&1 < /dev/null & ;;
stop) pkill_pid=$(sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p' {state}/run/$id/run.json)
      kill -TERM $pkill_pid; while kill -0 $pkill_pid 2>/dev/null; do sleep 0.02; done ;;
esac
exit 0
"""
_CONFIG = Path(executor.__file__).parent.parent / "config" / "systemd"


@pytest.fixture
def state(places) -> Path:
    return places.root / "release-state"


@pytest.fixture
def launcher(tmp_path, places, state) -> SystemdLauncher:
    script = tmp_path / "systemctl"
    script.write_text(
        _SYSTEMCTL.format(
            log=tmp_path / "asked",
            state=state,
            path=Path(executor.__file__).parent.parent,
            python=sys.executable,
            launches=places.launches,
        )
    )
    script.chmod(0o755)
    return SystemdLauncher(places, systemctl=str(script), state=state)


@pytest.fixture
async def unit_target(places, venvs, launcher, unused_tcp_port, state):
    yield ProcessTarget(
        places, venvs, launcher, port_range=(unused_tcp_port, unused_tcp_port + 20), bounds=Bounds(grace=1.0)
    )
    for lock in state.glob("run/*/run.lock"):
        if pid := holder(lock.parent):
            os.kill(pid, signal.SIGKILL)


async def test_a_release_runs_as_an_instance_and_is_found_and_stopped(
    unit_target, droplets, tmp_path, places, state
):
    release = droplets.release("r1")
    if os.geteuid() != 0:
        return  # the unit's program is root's; the launcher's own rules are tested below
    running = await unit_target.start(release)
    await unit_target.prove(running, release)
    assert await unit_target.find(release) == running == await unit_target.start(release)
    assert (state / "data" / "21").stat().st_uid == 64021
    await unit_target.stop(running.handle)
    assert not await unit_target.alive(running.handle)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["start fpai-release@r1.service", "stop fpai-release@r1.service"]
    assert list(places.launches.iterdir()) == []


async def test_a_stopped_release_starts_again_although_its_last_ending_is_still_noted(
    unit_target, droplets, launcher
):
    release = droplets.release("r1")
    if os.geteuid() != 0:
        return  # the unit's program is root's
    first = await unit_target.start(release)
    await unit_target.prove(first, release)
    await unit_target.stop(first.handle)
    assert exit_code(launcher.record("notes", "r1")) is not None
    again = await unit_target.start(release)
    await unit_target.prove(again, release)
    assert await unit_target.find(release) == again


async def test_a_release_that_ends_at_once_is_told_from_its_last_ending(unit_target, droplets, launcher):
    release = droplets.release("r1", "raise SystemExit(7)\n")
    if os.geteuid() != 0:
        return  # the unit's program is root's
    endings = []
    for _ in range(2):
        with pytest.raises(ReleaseAtFault, match="exit code 7"):
            await unit_target.prove(await unit_target.start(release), release)
        endings.append((launcher.record("notes", "r1") / "exit.json").stat().st_mtime_ns)
    assert endings[0] < endings[1]


async def test_a_refused_systemctl_is_told_with_what_to_install(tmp_path, places, venvs, droplets, state):
    refusing = tmp_path / "refuse"
    refusing.write_text("#!/bin/sh\necho 'Interactive authentication required.' >&2\nexit 1\n")
    refusing.chmod(0o755)
    target = ProcessTarget(places, venvs, SystemdLauncher(places, systemctl=str(refusing), state=state))
    with pytest.raises(Permanent, match="authentication") as caught:
        await target.start(droplets.release("r1"))
    assert "fpai init --systemd" in caught.value.hint


def test_without_a_running_systemd_releases_get_sessions(places):
    launcher = choose_launcher(places, Cgroups(()))
    assert isinstance(launcher, SessionLauncher) or Path("/run/systemd/system").is_dir()


def test_the_unit_refuses_a_note_for_another_release_and_a_name_that_is_a_path(tmp_path, places, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "s"))
    for name in ("../x", "/etc/passwd", ""):
        with pytest.raises(Exception, match="file name"):
            main([str(tmp_path), name])
    assert not (tmp_path / "s").exists()


def test_the_unit_does_not_follow_a_link_in_place_of_a_note(tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "s"))
    (tmp_path / "r1.json").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic"):
        main([str(tmp_path), "r1"])


def test_the_template_leaves_bubblewrap_a_fresh_proc_and_names_what_init_fills_in():
    unit = (_CONFIG / "fpai-release@.service").read_text()
    settings = [line for line in unit.splitlines() if not line.startswith("#")]
    for word in ("ProtectKernelTunables", "ProtectKernelLogs", "ProtectProc", "ProcSubset"):
        assert not [line for line in settings if line.startswith(word)]
    assert set(re.findall(r"@[A-Z]+@", "\n".join(settings))) == {"@PYTHON@", "@LAUNCHES@"}
    assert "KillMode=mixed" in settings and "StateDirectory=fpai-release" in settings


@pytest.mark.parametrize(
    ("unit", "allowed"),
    [
        ("fpai-release@r1.service", True),
        ("fpai-release@build-21-notes-20260101-001.r2.service", True),
        ("fpai-executor.service", False),
        ("fpai-release@../x.service", False),
        ("fpai-release@.service", False),
        ("ssh.service", False),
        ("fpai-release@r1.service\nssh.service", False),
    ],
)
def test_the_polkit_rule_names_instances_of_the_one_template_only(unit, allowed):
    rule = (_CONFIG / "50-fpai-release.rules").read_text()
    pattern = re.search(r"/(\^fpai-release.*\$)/\.test", rule)
    assert pattern is not None
    assert bool(re.search(pattern[1].replace("$", r"\Z"), unit)) is allowed
