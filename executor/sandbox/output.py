"""Keeping the head and the tail of what a process prints, in bounded memory, however much it prints."""

from __future__ import annotations

import asyncio
import os

_READ = 64 << 10


class HeadTail:
    """A buffer that keeps the first and the last half of `limit` bytes and counts the rest."""

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        self.total += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._half:  # trimmed by halves, so that each byte is moved at most once
            del self._tail[: -self._half]

    def text(self) -> str:
        """Return the head, a line that counts what was left out, and the tail."""
        tail = bytes(self._tail[-self._half :])
        missing = self.total - len(self._head) - len(tail)
        if missing == 0:
            return (bytes(self._head) + tail).decode("utf-8", "replace")
        head, end = self._head.decode("utf-8", "replace"), tail.decode("utf-8", "replace")
        return f"{head}\n[... {missing} bytes left out ...]\n{end}"


class OutputReader:
    """Drains one pipe into a HeadTail from the event loop; the writer never waits for us."""

    def __init__(self, limit: int) -> None:
        self.kept = HeadTail(limit)
        self._scratch = bytearray(_READ)
        self._ended = asyncio.Event()
        self._reading, self.write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reading, False)

    def begin(self) -> None:
        """Start to drain; the write end now belongs to the child alone."""
        os.close(self.write_end)
        self.write_end = -1
        asyncio.get_running_loop().add_reader(self._reading, self._on_readable)

    async def end(self, patience: float) -> None:
        """Wait up to `patience` seconds for the last writer to go, then let go of the pipe."""
        if self._reading < 0:
            return
        try:
            async with asyncio.timeout(patience):
                await self._ended.wait()
        except TimeoutError:
            pass  # someone outside our reach holds it open; what was printed so far is kept
        finally:
            self.close()

    def close(self) -> None:
        """Let go of both ends, at once."""
        if self._reading >= 0:
            asyncio.get_running_loop().remove_reader(self._reading)
            os.close(self._reading)
            self._reading = -1
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1
        self._ended.set()

    def _on_readable(self) -> None:
        try:
            count = os.readv(self._reading, [self._scratch])
        except BlockingIOError:
            return
        if count == 0:
            asyncio.get_running_loop().remove_reader(self._reading)
            self._ended.set()
            return
        self.kept.add(memoryview(self._scratch)[:count])
