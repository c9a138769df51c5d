"""Errors sorted by what the caller does next, not by where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executor.redaction import hidden, known


class ExecutorError(Exception):
    """Base of every error that is shown to a person.

    `message` says what happened and what it means; `hint` says what to do next;
    `code` is the UPPER_SNAKE word of the HTTP error body. Other services are quoted in errors, and may say
    back what they were sent: the secrets of this process are hidden in all of it.
    """

    code = "INTERNAL_ERROR"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.message = hidden(message)
        super().__init__(self.message)
        self.hint = hidden(hint)
        self.code = code or type(self).code
        self.details: dict[str, Any] = dict(known().value(details or {}))

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class Transient(ExecutorError):
    """The same call may succeed later; the runner waits and tries the step again.

    `retry_after` is the wait in seconds that the other side asked for, None if it named none.
    """

    code = "DEPENDENCY_UNAVAILABLE"

    def __init__(self, message: str, *, retry_after: float | None = None, **more: Any) -> None:
        super().__init__(message, **more)
        self.retry_after = retry_after


class Permanent(ExecutorError):
    """Trying again changes nothing: the build fails and a person is told why."""

    code = "STEP_FAILED"


class ContextExceeded(Permanent):
    """A conversation no longer fits the model's window; it goes on in a fresh one with a summary."""

    code = "CONTEXT_EXCEEDED"


class BudgetSpent(ExecutorError):
    """A limit that a person set is reached: dollars, tokens or turns. A person may raise it."""

    code = "BUDGET_SPENT"


class Conflict(ExecutorError):
    """The world is not as the caller believed: stale gate, foreign droplet, wrong state (HTTP 409)."""

    code = "CONFLICT"


class Invalid(ExecutorError):
    """Input that can never be accepted (HTTP 400); `details["fields"]` lists loc and msg."""

    code = "INVALID_INPUT"


class NotFound(ExecutorError):
    """No such build, droplet or artifact (HTTP 404)."""

    code = "NOT_FOUND"


class Unavailable(ExecutorError):
    """The daemon cannot take this now: draining, or its disk refuses writes (HTTP 503)."""

    code = "UNAVAILABLE"


class ReleaseAtFault(ExecutorError):
    """The release itself is broken; `log` is the end of what it printed. Repair, do not retry."""

    code = "RELEASE_AT_FAULT"

    def __init__(self, message: str, *, log: str = "", **more: Any) -> None:
        super().__init__(message, **more)
        self.log = hidden(log)


class Overloaded(ExecutorError):
    """The queue is full (HTTP 429); `retry_after` is in seconds."""

    code = "QUEUE_FULL"

    def __init__(self, message: str, *, retry_after: int = 30, **more: Any) -> None:
        super().__init__(message, **more)
        self.retry_after = retry_after


class StaleView(Conflict):
    """A checkpoint was made from an older version of its build; read the build again and decide anew."""

    code = "STALE_VIEW"
