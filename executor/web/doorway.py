"""What may come through the daemon's door: how many connections, and heads of what size in what time.

uvicorn bounds none of them. A connection that has not sent a whole head yet is worth least: when there are
too many, the one that has been waited for longest goes, so that a probe is answered in the middle of a flood.
"""

from __future__ import annotations

import json
import resource
from http import HTTPStatus
from typing import Protocol

from executor.web.envelope import error_body

MOST_CONNECTIONS = 2048
HEAD_SECONDS = 10.0
STALL_SECONDS = 30.0
FRAMING_BYTES = 64 << 10
_SPARE_FILES = 512


class Visitor(Protocol):
    """A connection whose next request has not come yet."""

    def go(self) -> None:
        """End at once."""
        ...


class Doorway:
    """The bounds of one server, and those who are still expected to ask for something."""

    def __init__(
        self,
        most: int = MOST_CONNECTIONS,
        head_seconds: float = HEAD_SECONDS,
        stall_seconds: float = STALL_SECONDS,
        framing_bytes: int = FRAMING_BYTES,
    ) -> None:
        self.most = most
        self.head_seconds = head_seconds
        self.stall_seconds = stall_seconds
        self.framing_bytes = framing_bytes
        self._expected: dict[Visitor, None] = {}

    def expect(self, visitor: Visitor) -> None:
        """Its request is waited for from now on."""
        self._expected.pop(visitor, None)
        self._expected[visitor] = None

    def came(self, visitor: Visitor) -> None:
        """Its request is there, or it has left."""
        self._expected.pop(visitor, None)

    def make_room(self, newest: Visitor) -> bool:
        """Send away who has been waited for longest; False when all but the newest are being served."""
        oldest = next(iter(self._expected))
        if oldest is newest:
            return False
        self.came(oldest)
        oldest.go()
        return True


def refusal(status: int, code: str, message: str, hint: str = "") -> bytes:
    """A whole answer in the one envelope, for what never becomes a request; the connection ends after it."""
    body = json.dumps(error_body(code, message, "", hint)).encode()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        *(["retry-after: 1"] if status == 503 else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def open_files_for(connections: int) -> int:
    """Raise the limit of open files as far as it may be; returns how many of the connections it bears."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - _SPARE_FILES))
