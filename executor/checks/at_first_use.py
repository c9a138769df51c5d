"""The Verifier, loaded when the first build needs it: cryptography alone costs a start 0.1 s and 5 MB."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Depth, VerifierReport
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache

if TYPE_CHECKING:
    from executor.checks.second_opinion import SecondOpinion
    from executor.checks.verifier import Notify, Verifier


class VerifierAtFirstUse:
    """Stands for a Verifier; takes what one takes, and verifies as one does."""

    def __init__(
        self,
        *,
        sandbox: Sandbox,
        venvs: VenvCache,
        places: Places,
        limits: Limits,
        packages: frozenset[str] = frozenset(),
        second_opinion: SecondOpinion | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._venvs = venvs
        self._places = places
        self._limits = limits
        self._packages = packages
        self._second_opinion = second_opinion
        self._verifier: Verifier | None = None

    async def verify(
        self,
        *,
        source: Path,
        commit: str,
        identity: DropletIdentity,
        notify: Notify,
        depth: Depth = Depth.FULL,
        approved: frozenset[str] = frozenset(),
    ) -> VerifierReport:
        """See Verifier.verify."""
        # In a thread, for other builds and watchers go on meanwhile.
        if self._verifier is None:
            self._verifier = await asyncio.to_thread(self._loaded)
        return await self._verifier.verify(
            source=source, commit=commit, identity=identity, notify=notify, depth=depth, approved=approved
        )

    def _loaded(self) -> Verifier:
        from executor.checks.verifier import Verifier  # noqa: PLC0415 - what this class puts off

        return Verifier(
            sandbox=self._sandbox,
            venvs=self._venvs,
            places=self._places,
            limits=self._limits,
            packages=self._packages,
            second_opinion=self._second_opinion,
        )
