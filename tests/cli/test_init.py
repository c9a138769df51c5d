"""fpai init: files that are complete, correct, and never overwritten unasked."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from executor.cli.init import with_key
from executor.sandbox.places import Places

Run = Callable[..., subprocess.CompletedProcess[str]]
UNITS = Path("etc/systemd/system")


@pytest.fixture
def installed(run: Run, tmp_path: Path) -> Path:
    root = tmp_path / "image"
    done = run("init", "--systemd", "--root", str(root))
    assert done.returncode == 0, done.stderr
    assert "systemctl enable --now fpai" in done.stdout
    return root


def test_init_writes_a_configuration_that_is_in_order(run: Run, tmp_path: Path) -> None:
    done = run("init")
    assert done.returncode == 0 and "fpai serve" in done.stdout
    assert run("config", "check").returncode == 0
    assert tomllib.loads((tmp_path / "executor.toml").read_text())


def test_init_never_overwrites_unasked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "executor.toml").write_text("# mine\n")
    assert run("init").returncode == 5
    assert (tmp_path / "executor.toml").read_text() == "# mine\n"
    assert run("init", "--force").returncode == 0
    assert (tmp_path / "executor.toml").read_text() != "# mine\n"


def test_systemd_units_name_this_installation_and_leave_no_placeholder(installed: Path) -> None:
    daemon = (installed / UNITS / "fpai.service").read_text()
    release = (installed / UNITS / "fpai-release@.service").read_text()
    for text in (daemon, release):
        assert f"ExecStart={sys.executable} -I -m executor" in text
        assert not [word for word in text.split() if word.startswith("@") and word.endswith("@")]
    assert (installed / "etc/polkit-1/rules.d/50-fpai-release.rules").exists()


def test_the_release_unit_reads_the_launch_notes_that_the_daemon_writes(
    installed: Path, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    notes = Places(tmp_path / "state" / "places", uid=1).launches.relative_to(tmp_path / "state")
    assert f"/var/lib/fpai/{notes} %i" in (installed / UNITS / "fpai-release@.service").read_text()


def test_the_installed_configuration_holds_a_token_of_its_own_and_is_not_for_everyone(
    installed: Path, run: Run
) -> None:
    config = installed / "etc/fpai/executor.toml"
    token = tomllib.loads(config.read_text())["server"]["token"]
    assert len(token) >= 32
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert run("config", "check", "--config", str(config)).returncode == 0
    run("init", "--systemd", "--root", str(installed))
    assert token in config.read_text()


def test_commands_outside_the_unit_look_where_the_daemon_keeps_its_state(installed: Path, run: Run) -> None:
    config = installed / "etc/fpai/executor.toml"
    assert tomllib.loads(config.read_text())["state"]["dir"] == "/var/lib/fpai"
    shown = run("doctor", "--config", str(config), "--json").stdout
    assert "/var/lib/fpai" in shown and "/etc/fpai/.executor" not in shown


def test_a_key_is_set_in_its_own_table_whether_the_example_names_it_or_not() -> None:
    for text in ('[server]\nport = 1\n# token = ""\n', "[server]\ntoken = ''\n", "[server]\nport = 1\n"):
        assert tomllib.loads(with_key(text, "server", "token", "abc"))["server"]["token"] == "abc"
    elsewhere = tomllib.loads(with_key("[a]\n# dir = 1\n\n[state]\n# dir = 1\n", "state", "dir", "abc"))
    assert elsewhere == {"a": {}, "state": {"dir": "abc"}}


def test_the_daemons_unit_does_what_the_design_says(installed: Path) -> None:
    lines = (installed / UNITS / "fpai.service").read_text().splitlines()
    for wanted in (
        "Type=notify",
        "WatchdogSec=60",
        "Restart=on-failure",
        "RestartPreventExitStatus=78",
        "KillMode=mixed",
        "OOMPolicy=continue",
        "User=fpai",
        "StateDirectory=fpai",
        "Delegate=yes",
    ):
        assert wanted in lines
    # Each of these covers a part of /proc, after which bubblewrap may not mount a fresh one.
    forbidden = ("ProtectKernelTunables", "ProtectKernelLogs", "ProtectProc", "ProcSubset", "DynamicUser")
    assert [line for line in lines if line.startswith(forbidden)] == []


@pytest.mark.parametrize("unit", ["fpai.service", "fpai-release@.service"])
def test_systemd_itself_accepts_the_units(installed: Path, unit: str) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return  # nothing to ask on a machine without systemd
    done = subprocess.run(
        [analyze, "verify", str(installed / UNITS / unit)], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if unit in line] == []


def test_the_daemons_exposure_stays_low(installed: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    argv = [analyze, "security", "--offline=true", "--threshold=32", str(installed / UNITS / "fpai.service")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


@pytest.mark.parametrize("unit", ["fpai.service", "fpai-release@.service"])
def test_no_unit_forbids_what_bubblewrap_needs(installed: Path, unit: str) -> None:
    lines = (installed / UNITS / unit).read_text().splitlines()
    # Seen on a machine: with it, "bwrap: Can't set hostname to sandbox", and no release starts.
    assert [line for line in lines if line.startswith("ProtectHostname=")] == []
