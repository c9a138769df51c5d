"""structlog, configured once: correlation ids bound, secrets redacted, the right form for where it goes."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any, TextIO

from executor.redaction import Redactor, know


@contextmanager
def _without(package: str) -> Iterator[None]:
    """Imports inside take an optional package for missing (None in sys.modules: Python reference, 5.3.1)."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


# structlog takes rich, and so pygments, for tracebacks that our logs do not draw: 0.3 s and 3 MB of a start.
# It holds for whoever imports this module before structlog: executor.app does.
with _without("rich"):
    import structlog

get_logger = structlog.get_logger
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


class _Plain(logging.Formatter):
    """The lines of libraries that log by the standard library: the same secrets are hidden in them."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__("%(levelname)s %(name)s %(message)s")
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the traceback below it."""
        return self._redactor.text(super().format(record))


def configure(secrets: Iterable[str] = (), *, stream: TextIO | None = None, level: str = "info") -> Redactor:
    """Set up logging for the process: JSON lines, `<N>` priorities under systemd, colour on a tty.

    `secrets` become the process's own: no line, no traceback and no ExecutorError holds one from now on.
    """
    out = stream or sys.stderr
    redactor = know(secrets)

    def redacted(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return redactor.value(event)  # type: ignore[no-any-return]

    sys.excepthook = partial(_died, redactor, out)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redacted,
    ]
    if out.isatty():
        shared.append(structlog.dev.ConsoleRenderer(colors=not os.environ.get("NO_COLOR")))
    else:
        shared.append(structlog.processors.JSONRenderer())
        if os.environ.get("JOURNAL_STREAM"):
            shared.append(_prefix_priority)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(_Plain(redactor))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for noisy in ("transitions", "asyncio", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL if noisy == "transitions" else logging.WARNING)
    return redactor


def _died(
    redactor: Redactor,
    out: TextIO,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    out.write(redactor.text("".join(traceback.format_exception(kind, error, trace))))


def _prefix_priority(_: Any, method: str, line: str) -> str:
    return f"<{_PRIORITY.get(method, 6)}>{line}"
