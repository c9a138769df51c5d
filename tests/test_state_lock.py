"""R7: one daemon for each state directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from executor.sd_notify import Notifier
from executor.state_lock import StateHeld, StateLock, StateNotWritable


def test_r7_a_second_daemon_on_the_same_directory_is_refused_and_told_who_holds_it(tmp_path, ledger):
    with (
        StateLock(tmp_path, "http://localhost:8400"),
        pytest.raises(StateHeld, match=rf"pid {os.getpid()} at http://localhost:8400"),
        StateLock(tmp_path, "http://localhost:8401"),
    ):
        raise AssertionError("both hold it")
    ledger.tried("second daemons on a directory")


def test_r7_the_kernel_frees_the_lock_of_a_killed_daemon(tmp_path, ledger):
    held = (
        "import os, signal; from pathlib import Path; from executor.state_lock import StateLock;"
        f"StateLock(Path({str(tmp_path)!r}), 'x').__enter__(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", held], check=False)
    with StateLock(tmp_path, "y"):
        assert "at y" in (tmp_path / "executor.lock").read_text()
    ledger.tried("locks of killed daemons")


def test_a_state_directory_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StateNotWritable, match="state directory"),
        StateLock(tmp_path / "file" / "state", "x"),
    ):
        raise AssertionError("made a directory below a file")


def test_systemd_is_told_through_its_socket(tmp_path):
    import socket

    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(path)
        notifier = Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000000"})
        notifier.send(READY="1", STATUS="ready")
        assert heard.recv(100) == b"READY=1\nSTATUS=ready"
    assert notifier.ping_seconds == 30.0
    assert Notifier({}).ping_seconds is None


def test_without_systemd_nothing_is_sent():
    Notifier({}).send(READY="1")
    assert not Path("notify").exists()
