"""structlog, configured once: correlation ids bound, secrets redacted, the right form for where it goes."""

from __future__ import annotations

import base64
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO
from urllib.parse import quote


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
HIDDEN = "[redacted]"
_SHORTEST_SECRET = 6
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


class Redactor:
    """Replaces known secret values, in plain text and in their usual encodings, wherever they appear."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _forms(secret)}
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, value: str) -> str:
        """Return the text with every secret hidden."""
        return self._pattern.sub(HIDDEN, value) if self._pattern else value

    def value(self, value: Any) -> Any:
        """The same for nested mappings and sequences."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(k)): self.value(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The structlog processor."""
        return {key: self.value(item) for key, item in event.items()}


def _forms(secret: str) -> Iterable[str]:
    raw = secret.encode()
    yield from (secret, quote(secret, safe=""), raw.hex(), secret.replace('"', '\\"'))
    yield base64.b64encode(raw).decode().rstrip("=")
    yield base64.urlsafe_b64encode(raw).decode().rstrip("=")


def configure(secrets: Iterable[str] = (), *, stream: TextIO | None = None, level: str = "info") -> Redactor:
    """Set up logging for the process: JSON lines, `<N>` priorities under systemd, colour on a tty."""
    out = stream or sys.stderr
    redactor = Redactor(secrets)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redactor,
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
    logging.basicConfig(level=logging.WARNING, stream=out, format="%(levelname)s %(name)s %(message)s")
    for noisy in ("transitions", "asyncio", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL if noisy == "transitions" else logging.WARNING)
    return redactor


def _prefix_priority(_: Any, method: str, line: str) -> str:
    return f"<{_PRIORITY.get(method, 6)}>{line}"
