"""The ecosystem's Verifier: what it thinks of a droplet (ecosystem.md section 5). An opinion, no gate.

Where its sh is dash it answers FIXES_REQUIRED whatever the droplet is, and it starts the droplet itself,
without our walls: so nothing hangs on what it says, and it is asked only where its address is configured.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from executor.adapters.http import JsonService
from executor.domain.findings import Finding, Result, shown_text
from executor.errors import ExecutorError

_TITLE = "What the ecosystem's Verifier thinks of the droplet"
_JOB = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ENDED = frozenset({"completed", "failed"})


class VerifierService:
    """One Verifier. Seconds: `limit` bounds the wait for its opinion, `pause` lies between two looks."""

    def __init__(
        self, session: aiohttp.ClientSession, base_url: str, *, limit: float = 90.0, pause: float = 1.0
    ) -> None:
        # It tests inside its event loop and answers slowly meanwhile, so one look may take as long as all.
        self._service = JsonService(
            session, base_url, name="Verifier", setting="[verifier] url", timeout=limit
        )
        self._limit = limit
        self._pause = pause

    async def opinion(self, droplet: Path, name: str) -> Finding:
        """V2, always a note: its decision and the phases it found wanting; or why nothing was heard.

        `droplet` is a directory on its disk that holds the droplet and its venv at `.venv`. Raises no
        ExecutorError.
        """
        try:
            async with asyncio.timeout(self._limit):
                return _note(await self._heard(droplet, name))
        except TimeoutError:
            return _note(f"not heard: the Verifier has not decided within {self._limit:.0f} s")
        except ExecutorError as error:
            return _note(f"not heard: {error.message}")

    async def _heard(self, droplet: Path, name: str) -> str:
        wanted = {"droplet_path": str(droplet), "droplet_name": name}
        asked = await self._service.call("POST", "/verify", wanted, accept=(202,))
        job = str(asked.body.get("job_id"))
        if not _JOB.fullmatch(job):
            return "not heard: the Verifier names no job"
        if await self._end_of(job) == "failed":
            return "not heard: the Verifier could not finish its job"
        return _told((await self._service.call("GET", f"/verify/{job}/report")).body)

    async def _end_of(self, job: str) -> str:
        while True:
            status = (await self._service.call("GET", f"/verify/{job}")).body.get("status")
            if status in _ENDED:
                return str(status)
            await asyncio.sleep(self._pause)


def _note(text: str) -> Finding:
    return Finding("V2", _TITLE, Result.NOTE, shown_text(text))


def _told(report: Mapping[str, Any]) -> str:
    phases = report.get("phases")
    listed = [phase for phase in phases if isinstance(phase, Mapping)] if isinstance(phases, list) else []
    wanting = [
        f"{phase.get('phase')}: {phase.get('status')}" for phase in listed if phase.get("status") != "PASS"
    ]
    return "; ".join([str(report.get("decision", "no decision")), *wanting])
