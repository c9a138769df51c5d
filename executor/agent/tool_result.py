"""What a tool answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ToolResult:
    """`text` goes to the model; `full_output` is the whole of it where the text holds head and tail only."""

    text: str
    is_error: bool = False
    full_output: str = ""
