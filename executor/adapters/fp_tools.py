"""fp-tools, the ecosystem's own SPEC generator, as a program of this machine (ecosystem.md section 8).

Its exit code is 0 also for errors, so success is read from what it prints and from the file it wrote.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path

from executor.adapters.programs import Finished, run_program
from executor.errors import Permanent

MOST_BYTES = 1 << 20
_WRITTEN = re.compile(r"SPEC generated:\s*(.+?)\s*$", re.MULTILINE)
_SETTING = "Correct [spec] fp_tools in executor.toml, or leave it empty: the SPEC is then written without it."


class FpTools:
    """`path` is the program; `timeout` the seconds that one SPEC may take."""

    def __init__(self, path: str | Path, timeout: float = 60.0) -> None:
        self._path = Path(path)
        self._timeout = timeout

    async def spec(self, droplet_id: int, intent: str, output_dir: Path) -> str:
        """Return the draft that fp-tools writes for this intent.

        Every call writes into a new directory below `output_dir`: the program overwrites an earlier file of
        the same day. Raises Transient when it takes too long; Permanent when it is not there, says an error,
        lacks its libraries, or wrote no file where it says it did.
        """
        if droplet_id <= 0 or not intent.strip():
            raise Permanent(
                "fp-tools takes a droplet id of 0 or an empty intent for a missing one.",
                hint="Give the droplet an id above 0 and an intent.",
            )
        directory = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="spec-", dir=output_dir))
        argv = [
            *self._program(),
            "spec",
            f"--droplet-id={droplet_id}",
            f"--intent={intent}",
            f"--output-dir={directory}",
        ]
        done = await run_program(
            argv, env=_env(directory), cwd=directory, timeout=self._timeout, limit=1 << 16
        )
        return await asyncio.to_thread(_draft, done, directory)

    def _program(self) -> list[str]:
        """By its own first line if it is executable, else with this interpreter."""
        path = str(self._path)
        return [path] if os.access(path, os.X_OK) or not self._path.is_file() else [sys.executable, path]


def _env(directory: Path) -> dict[str, str]:
    """Nothing of the daemon's environment but PATH: no key, no token."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _draft(done: Finished, directory: Path) -> str:
    said = done.stdout.decode("utf-8", "replace")
    written = _WRITTEN.search(said)
    if written is None:
        raise _failure(done, said)
    path = directory / written[1]
    if path.is_symlink() or not path.resolve().is_relative_to(directory.resolve()) or not path.is_file():
        raise Permanent("fp-tools names a SPEC file that is not in its directory.", hint=_SETTING)
    with path.open("rb") as file:
        text = file.read(MOST_BYTES + 1).decode("utf-8", "replace")
    if not text.strip() or len(text) > MOST_BYTES:
        raise Permanent(f"fp-tools wrote a SPEC of {len(text)} characters.", hint=_SETTING)
    return text


def _failure(done: Finished, said: str) -> Permanent:
    missing = re.search(r"No module named '([\w.]+)'", done.error_text)
    if missing:
        return Permanent(
            f"fp-tools cannot start: the Python that runs it lacks {missing[1]}.",
            hint="Install requests and aiohttp for that Python, or leave [spec] fp_tools empty.",
        )
    lines = [line.strip() for line in (said + "\n" + done.error_text).splitlines() if line.strip()]
    error = next(
        (line for line in lines if "❌" in line or "rror" in line), lines[-1] if lines else "nothing"
    )
    return Permanent(f"fp-tools wrote no SPEC (exit code {done.code}); it said: {error[:300]}", hint=_SETTING)
