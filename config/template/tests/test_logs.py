"""Logs: one JSON object a line, with the request it belongs to."""

import io
import json
import logging
import sys
from typing import Any

import pytest

from app.context import REQUEST_ID
from app.logs import JsonFormatter, configure_logging


def written(record: logging.LogRecord) -> dict[str, Any]:
    entry = json.loads(JsonFormatter("me").format(record))
    assert isinstance(entry, dict)
    return entry


def record(message: str, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("app.x", logging.INFO, "x.py", 1, message, (), None)
    made.__dict__.update(more)
    return made


def test_a_line_has_an_event_and_its_fields() -> None:
    entry = written(record("thing_done", fields={"count": 2, "odd": object}))
    assert (entry["event"], entry["count"], entry["service"]) == ("thing_done", 2, "me")
    assert entry["level"] == "INFO"


def test_a_line_break_in_a_message_stays_on_one_line() -> None:
    assert "\n" not in JsonFormatter("me").format(record("one\ntwo\ud800"))


def test_a_line_names_the_request_it_belongs_to() -> None:
    token = REQUEST_ID.set("r-1")
    try:
        assert written(record("x"))["request_id"] == "r-1"
    finally:
        REQUEST_ID.reset(token)


def test_an_exception_is_part_of_the_object() -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        entry = written(record("failed", exc_info=sys.exc_info()))
    assert "ValueError: odd" in entry["traceback"]


def test_every_logger_writes_json_once(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    try:
        configure_logging("me", "INFO")
        configure_logging("me", "INFO")
        logging.getLogger("uvicorn.error").info("listening")
        lines = [json.loads(line) for line in output.getvalue().splitlines()]
        assert [line["event"] for line in lines] == ["listening"]
    finally:
        root.handlers[:] = before
        root.setLevel(level)
