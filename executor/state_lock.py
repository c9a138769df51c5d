"""One daemon for each state directory: an flock beside the database, with the holder's name in it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from executor.durable import make_directory
from executor.errors import ExecutorError


class StateHeld(ExecutorError):
    """Another daemon works on this state directory (exit code 75)."""

    code = "STATE_HELD"


class StateNotWritable(ExecutorError):
    """The state directory cannot be made or written (exit code 73)."""

    code = "STATE_NOT_WRITABLE"


class StateLock:
    """Held while the context is open; the kernel frees it with the process, however that ends."""

    def __init__(self, state_dir: Path, address: str) -> None:
        self._path = state_dir / "executor.lock"
        self._address = address
        self._file: int | None = None

    def __enter__(self) -> StateLock:
        """Take the lock. Raises StateNotWritable, or StateHeld with the holder's pid and address."""
        try:
            make_directory(self._path.parent, 0o700)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateNotWritable(
                f"The state directory {self._path.parent} cannot be written: {error.strerror}.",
                hint="Choose another with [state] dir or FPAI_STATE__DIR, or mend its owner, mode or disk.",
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._file, 200, 0).decode(errors="replace").strip() or "an unknown process"
            os.close(self._file)
            raise StateHeld(
                f"Another daemon ({holder}) works on {self._path.parent}.",
                hint="Use that one, stop it first, or give this one a state directory of its own.",
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"pid {os.getpid()} at {self._address}\n".encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
