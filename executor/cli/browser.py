"""A page in the reader's browser; where there is none, what to do with its address instead."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def show(address: str) -> str:
    """Open a page; returns what to tell the reader when there is no browser, else nothing."""
    import webbrowser  # noqa: PLC0415 - it looks for browsers while it loads

    if _has_screen() and webbrowser.open(address):
        return ""
    parts = urlsplit(address)
    if os.environ.get("SSH_CONNECTION") and parts.hostname in _LOOPBACK:
        port = parts.port or 80
        return (
            "No browser here. From your own machine: "
            f"ssh -L {port}:localhost:{port} THIS-HOST, then open the address."
        )
    return "No browser here; open the address where there is one."


def _has_screen() -> bool:
    """A text browser would take this terminal over, which nobody has asked for, so it does not count."""
    named = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in {"darwin", "win32"} or any(os.environ.get(name) for name in named)
