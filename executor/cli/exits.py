"""The exit codes of fpai: one table for the code, the help text and the README."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OK = 0
FAILED = 1
USAGE = 2
STOPPED = 3
AUTH = 4
CONFLICT = 5
UNREACHABLE = 6
WAITING = 8
PORT_TAKEN = 69
STATE_NOT_WRITABLE = 73
DAMAGED = 74
HELD = 75
CONFIGURATION = 78
TIMED_OUT = 124
DETACHED = 130

MEANINGS = {
    OK: "ok",
    FAILED: "the build failed (doctor: a check failed)",
    USAGE: "wrong usage or invalid input",
    STOPPED: "the build was cancelled, rejected or rolled back; restore: you said no",
    AUTH: "token missing or refused",
    CONFLICT: "not found, or in conflict with the state of things",
    UNREACHABLE: "the daemon cannot be reached, or cannot take this now",
    WAITING: "the build waits for a person",
    PORT_TAKEN: "serve: the port is taken",
    STATE_NOT_WRITABLE: "serve, backup, restore: cannot write there",
    DAMAGED: "serve, backup: the database is damaged",
    HELD: "serve, restore: a daemon holds the state directory",
    CONFIGURATION: "the configuration is wrong",
    TIMED_OUT: "watch --timeout ran out",
    DETACHED: "detached by Ctrl-C; the build goes on",
}

_BY_STATUS = {
    "complete": OK,
    "failed": FAILED,
    "cancelled": STOPPED,
    "rejected": STOPPED,
    "rolled_back": STOPPED,
    "waiting_approval": WAITING,
    "waiting_input": WAITING,
}
FINISHED = frozenset({"complete", "failed", "cancelled", "rejected", "rolled_back"})


def for_build(document: Mapping[str, Any]) -> int | None:
    """The code that a watched build ends with, None while it is still moving."""
    return _BY_STATUS.get(str(document.get("status")))


def for_reply(status: int) -> int:
    """The code for an HTTP error status (interfaces.md, CLI)."""
    if status in {401, 403}:
        return AUTH
    if status in {404, 405, 409, 410}:
        return CONFLICT
    return UNREACHABLE if status == 429 or status >= 500 else USAGE


class CliError(Exception):
    """Ends the command: `message` says what happened, `hint` what to do, `exit_code` what scripts see."""

    def __init__(self, message: str, *, hint: str = "", exit_code: int = USAGE, request_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
        self.request_id = request_id
