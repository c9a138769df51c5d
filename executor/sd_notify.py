"""Tell systemd what the daemon's condition is (sd_notify(3)); does nothing where there is no systemd."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Sends datagrams to `$NOTIFY_SOCKET`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        usec = environ.get("WATCHDOG_USEC", "0")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog = int(usec) / 1_000_000 if usec.isdigit() and ours else 0.0

    @property
    def ping_seconds(self) -> float | None:
        """How often the watchdog wants to hear, halved for safety; None without a watchdog."""
        return self._watchdog / 2 if self._watchdog and self._address else None

    def send(self, **fields: str) -> None:
        """Send fields such as READY="1" or STATUS="2 builds running"."""
        if not self._address:
            return
        path = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        message = "\n".join(f"{key}={value}" for key, value in fields.items())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(message.encode(), path)
