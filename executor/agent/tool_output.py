"""A command's output as a model is to read it: head and tail, and how much lies between."""

from __future__ import annotations

import re

SHOWN_BYTES = 16 << 10
"""Bytes of output that go to the model, half from the head and half from the tail."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE_PATIENCE = 400


def plain(text: str) -> str:
    """The text without colours and other orders to a terminal."""
    return _CONTROLS.sub("\ufffd", _ESCAPES.sub("", text))


def head_and_tail(text: str, printed: int) -> str:
    """Cut a text to about 16 kB; `printed` is what the command wrote in bytes, perhaps more than is left.

    The count of what is left out is exact, or says "about" where the output held bytes that are no text.
    """
    data = text.encode("utf-8", "replace")
    if len(data) <= SHOWN_BYTES:
        return text
    head = _to_line_end(data[: SHOWN_BYTES // 2])
    tail = _from_line_start(data[-SHOWN_BYTES // 2 :])
    about = "about " if "\ufffd" in text else ""
    missing = max(printed - len(head) - len(tail), 0)
    advice = "print less, or write to a file and look at parts of it"
    gap = f"[... {about}{missing} of {printed} bytes left out: {advice} ...]"
    return f"{head.decode('utf-8', 'ignore')}\n{gap}\n{tail.decode('utf-8', 'ignore')}"


def _to_line_end(data: bytes) -> bytes:
    end = data.rfind(b"\n")
    return data[:end] if end > len(data) - _LINE_PATIENCE else _whole(data)


def _from_line_start(data: bytes) -> bytes:
    start = data.find(b"\n", 0, _LINE_PATIENCE)
    return data[start + 1 :] if start >= 0 else _whole(data)


def _whole(data: bytes) -> bytes:
    """Without the parts of characters that were cut at either end."""
    return data.decode("utf-8", "ignore").encode()
