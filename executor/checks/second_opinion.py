"""Another's opinion of a droplet, heard beside the verdict and never in its place."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Protocol

from executor.checks.sources import Checkout
from executor.domain.findings import Finding
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places
from executor.unbroken import unbroken


class SecondOpinion(Protocol):
    """Whoever has an opinion of a droplet on this machine's disk."""

    async def opinion(self, droplet: Path, name: str) -> Finding:
        """Look at a directory with the droplet and its venv at `.venv`; answer a note."""
        ...


async def heard(other: SecondOpinion, checkout: Checkout, name: str, places: Places) -> Finding:
    """Ask about a copy, with a venv of its own: who is asked may run it without walls and write there.

    The copy is readable by everyone on this machine, for the one who is asked may be another user.
    """
    scratch = places.scratch("opinion")
    try:
        await unbroken(asyncio.to_thread(_lay_out, checkout, scratch))
        return await other.opinion(scratch, name)
    finally:
        await unbroken(remove_tree(scratch))


def _lay_out(checkout: Checkout, scratch: Path) -> None:
    shutil.copytree(checkout.source, scratch, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
    shutil.copytree(checkout.venv, scratch / ".venv", symlinks=True)
    scratch.chmod(0o755)  # copytree gave it the mode of what it copied
