"""Logs: one JSON object a line, ids bound, secrets gone in every usual encoding."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys

import pytest
import structlog

from executor import redaction
from executor.errors import Overloaded, Permanent, ReleaseAtFault, Transient
from executor.logs import configure
from executor.redaction import HIDDEN

SECRET = 'canary-"7/+key=='


@pytest.fixture(autouse=True)
def restored():
    before, root = structlog.get_config(), logging.getLogger()
    handlers, root.handlers = root.handlers, []
    yield
    root.handlers = handlers
    structlog.configure(**before)
    redaction.know(())


def test_a_secret_is_hidden_inside_nested_values_and_exceptions():
    out = io.StringIO()
    configure([SECRET], stream=out)
    try:
        raise ValueError(f"could not use {SECRET}")
    except ValueError:
        structlog.get_logger().exception("call_failed", headers={"x": [f"Bearer {SECRET}"]})
    line = json.loads(out.getvalue())
    assert SECRET not in out.getvalue()
    assert line["event"] == "call_failed"
    assert "Traceback" in line["exception"]


def test_bound_ids_are_in_every_line():
    out = io.StringIO()
    configure(stream=out)
    with structlog.contextvars.bound_contextvars(build_id="b", request_id="r"):
        structlog.get_logger().info("step_started", step=1)
    line = json.loads(out.getvalue())
    assert (line["build_id"], line["request_id"], line["step"], line["level"]) == ("b", "r", 1, "info")


def test_under_the_journal_each_line_has_its_priority(monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    out = io.StringIO()
    configure(stream=out)
    structlog.get_logger().warning("disk_full")
    assert out.getvalue().startswith("<4>{")


def test_the_daemon_logs_without_rich() -> None:
    script = "import sys, executor.app, structlog; print('rich' in sys.modules); import rich.console"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]


def test_neither_libraries_of_the_standard_log_nor_a_last_traceback_show_a_secret():
    script = (
        "import logging, sys; from executor.logs import configure\n"
        "secret = sys.argv[1]; configure([secret])\n"
        "try: raise ValueError('could not use ' + secret)\n"
        "except ValueError: logging.getLogger('aiohttp.client').exception('sent %s', {'key': secret})\n"
        "raise RuntimeError('lost: ' + secret)"
    )
    argv = [sys.executable, "-c", script, SECRET]
    run = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.count("Traceback") == 2
    assert f"RuntimeError: lost: {HIDDEN}" in run.stderr
    assert f"sent {{'key': '{HIDDEN}'}}" in run.stderr
    assert "canary" not in run.stderr


@pytest.mark.parametrize("kind", [Permanent, Transient, ReleaseAtFault, Overloaded])
def test_no_error_says_a_secret_of_this_process(kind):
    configure([SECRET], stream=io.StringIO())
    error = kind(f"It answers: {SECRET}", hint=f"Not {SECRET}.", details={"said": [SECRET]})
    told = f"{error} {error!r} {error.args} {error.message} {error.hint} {error.details}"
    assert "canary" not in told
    assert told.count(HIDDEN) >= 6
    assert ReleaseAtFault("", log=SECRET).log == HIDDEN
