"""Logs: one JSON object a line, ids bound, secrets gone in every usual encoding."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from urllib.parse import quote

import pytest
import structlog

from executor.logs import HIDDEN, Redactor, configure

SECRET = 'canary-"7/+key=='


@pytest.fixture(autouse=True)
def restored():
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        json.dumps(SECRET)[1:-1],
    ],
)
def test_a_secret_is_hidden_in_each_encoding(form):
    shown = Redactor([SECRET]).text(f"before {form} after")
    assert HIDDEN in shown
    assert form not in shown


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
