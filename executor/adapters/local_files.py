"""Files put in place on this machine: whole or not at all, and continued where an earlier copy stopped."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from executor.adapters.programs import CHUNK, Finished
from executor.adapters.ssh_files import BUSY, CUT, DAMAGED, judge, unwritable
from executor.errors import Permanent

_BLOCK = 16 * CHUNK


def put(path: Path, content: bytes, mode: int) -> None:
    """Write, sync and rename. Raises Transient when the disk is full, else Permanent when it is refused."""
    with refused(path):
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(".part", f"{path.name}.", path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, mode)
                file.write(content)
                file.flush()
                os.fsync(handle)
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


@contextmanager
def refused(path: Path) -> Iterator[None]:
    """Turns what the file system refuses into our errors."""
    try:
        yield
    except OSError as error:
        raise unwritable(f"{path} on this machine", error.strerror or str(error)) from error


def sync_directory(path: Path) -> None:
    """Make a rename in it last: rename(2) alone does not survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One large file on its way to `path`, which it reaches only with the right SHA-256."""

    source: Path
    path: Path
    sha256: str

    async def take(self, told: Callable[[int], None] | None) -> int:
        """Copy what is missing and return how many bytes that was."""
        try:
            file = await asyncio.to_thread(self.source.open, "rb")
        except OSError as error:
            raise Permanent(f"{self.source} cannot be read: {error.strerror}.") from error
        with file, refused(self.path):
            await asyncio.to_thread(self.path.parent.mkdir, 0o700, parents=True, exist_ok=True)
            with self._alone():
                return await self._copy(file, told)

    async def _copy(self, file: BinaryIO, told: Callable[[int], None] | None) -> int:
        size = os.fstat(file.fileno()).st_size
        if await asyncio.to_thread(self._right, self.path, size):
            self._part.unlink(missing_ok=True)
            return 0
        with self._part.open("ab") as part:
            have = part.tell()
            if have > size:
                part.truncate(have := 0)
            await asyncio.to_thread(file.seek, have)
            done = have
            while block := await asyncio.to_thread(_copy_block, file, part):
                done += block
                if told is not None:
                    told(done)
            await asyncio.to_thread(_synced, part)
        await self._finish(size)
        return done - have

    async def _finish(self, size: int) -> None:
        if self._part.stat().st_size != size:
            self._judge(CUT)
        if not await asyncio.to_thread(self._right, self._part, size):
            self._part.unlink()
            self._judge(DAMAGED)
        self._part.replace(self.path)
        await asyncio.to_thread(sync_directory, self.path.parent)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold `.lock`; whoever finds that he holds a removed lock file is too late."""
        lock = self.path.with_name(f"{self.path.name}.lock")
        with lock.open("ab") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not lock.exists() or not os.path.samestat(lock.stat(), os.fstat(held.fileno())):
                    self._judge(BUSY)
            except BlockingIOError:
                self._judge(BUSY)
            try:
                yield
            finally:
                with suppress(OSError):
                    lock.unlink()

    @property
    def _part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    def _right(self, path: Path, size: int) -> bool:
        if not path.is_file() or path.stat().st_size != size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256

    def _judge(self, code: int) -> None:
        judge(Finished(code, b"", b"", 0), str(self.path), "this machine")


def _copy_block(file: BinaryIO, part: BinaryIO) -> int:
    block = file.read(_BLOCK)
    part.write(block)
    return len(block)


def _synced(part: BinaryIO) -> None:
    part.flush()
    os.fsync(part.fileno())
