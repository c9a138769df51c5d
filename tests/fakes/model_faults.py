"""What can go wrong between a daemon and the Messages API, said for one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """One request's misfortune. The defaults are no misfortune at all.

    `status` answers with an error (`message`, `retry_after` as the header's text, `error_type` in place of
    the status's own), `body` with these words under `status` (else 200) as `content_type`. `stall` waits
    seconds before the first byte, or after `stall_after` events. A stream ends after `drop_after` events or
    `drop_after_bytes` bytes: the connection breaks, or ends in good order if `cleanly`. After
    `overload_after` events an error event of `error_type` follows, under status 200. `cut_tool_json` halves
    every tool input; `stop_reason` replaces the reply's own.
    """

    status: int = 0
    message: str = "injected"
    error_type: str = ""
    retry_after: object = None
    body: str | None = None
    content_type: str = "text/html"
    stall: float = 0.0
    stall_after: int | None = None
    drop_after: int | None = None
    drop_after_bytes: int | None = None
    cleanly: bool = False
    overload_after: int | None = None
    cut_tool_json: bool = False
    stop_reason: str = ""

    @property
    def is_drop(self) -> bool:
        """True when the stream ends too early."""
        return self.drop_after is not None or self.drop_after_bytes is not None


FaultRule = Callable[[dict[str, Any], int], Fault | None]
Faults = Mapping[int, Fault] | FaultRule
"""By the request's number, from 1, or a callable of its body and number."""


def fault_for(faults: Faults, body: dict[str, Any], number: int) -> Fault:
    """What happens to this request."""
    found = faults(body, number) if callable(faults) else faults.get(number)
    return found or Fault()
