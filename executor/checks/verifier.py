"""The Verifier: everything that decides, outside the model's reach, whether a commit is done."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from executor.checks.contract import ContractVerdict, Subject, check_contract
from executor.checks.rules import judged
from executor.checks.secrets import check_secrets
from executor.checks.sources import SourceFile, read_sources
from executor.checks.standards import check_code, check_ruff
from executor.checks.structure import check_structure
from executor.checks.suite import SuiteVerdict, check_suite
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Finding, VerifierReport
from executor.errors import Permanent, ReleaseAtFault
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache

Notify = Callable[[str, Mapping[str, Any]], None]
_KEPT_OUTPUT = 64 << 10


class Verifier:
    """Checks one clean checkout. The same commit in the same environment gets the same verdict."""

    def __init__(self, *, sandbox: Sandbox, venvs: VenvCache, places: Places, limits: Limits) -> None:
        self._sandbox = sandbox
        self._venvs = venvs
        self._places = places
        self._limits = limits

    async def verify(
        self, *, source: Path, commit: str, identity: DropletIdentity, notify: Notify
    ) -> VerifierReport:
        """Read it, give it a fresh venv, run its tests and itself in the walls, judge every rule.

        What the droplet did wrong is a failed rule. Raises Transient or Permanent for this machine's trouble.
        """
        begun = time.monotonic()
        notify("reading the code and preparing its environment", {})
        files = await asyncio.to_thread(read_sources, source)
        text, venv = await asyncio.gather(self._text(source, files, identity), self._venv(source))
        if isinstance(venv, Finding):
            return VerifierReport(commit, (*text, venv), 0, 0, time.monotonic() - begun)
        notify("running the tests and probing the service in their walls", {})
        suite, contract = await asyncio.gather(
            self._suite(source, files, venv, notify), self._contract(source, venv, identity)
        )
        return VerifierReport(
            commit,
            (*suite.findings, *contract.findings, *text),
            suite.passing,
            suite.failing,
            time.monotonic() - begun,
            {"tests": suite.output[-_KEPT_OUTPUT:], "service": contract.output[-_KEPT_OUTPUT:]},
        )

    async def _text(
        self, source: Path, files: tuple[SourceFile, ...], identity: DropletIdentity
    ) -> tuple[Finding, ...]:
        ruff, structure, code, secrets = await asyncio.gather(
            check_ruff(source, find_ruff()),
            asyncio.to_thread(check_structure, source, files, identity),
            asyncio.to_thread(check_code, files),
            asyncio.to_thread(check_secrets, files),
        )
        return (*structure, ruff, *code, secrets)

    async def _venv(self, source: Path) -> Path | Finding:
        title = "The requirements can be installed"
        try:
            return await self._venvs.get(source / "requirements.txt")
        except ReleaseAtFault as error:
            return judged("S12v", title, [f"{error.message} {error.log[-800:]}"])
        except FileNotFoundError:
            return judged("S12v", title, ["there is no requirements.txt"])

    async def _suite(
        self, source: Path, files: tuple[SourceFile, ...], venv: Path, notify: Notify
    ) -> SuiteVerdict:
        suite = await check_suite(
            source, files, venv=venv, sandbox=self._sandbox, places=self._places, limits=self._limits
        )
        notify("probing the service", {"tests_passing": suite.passing, "tests_failing": suite.failing})
        return suite

    async def _contract(self, source: Path, venv: Path, identity: DropletIdentity) -> ContractVerdict:
        return await check_contract(
            Subject(source, venv, identity, self._sandbox, self._places, self._limits)
        )


def find_ruff() -> str:
    """The ruff beside this interpreter, else the one on PATH. Raises Permanent when there is none."""
    beside = Path(sys.executable).with_name("ruff")
    found = str(beside) if beside.is_file() else shutil.which("ruff")
    if found is None:
        raise Permanent("ruff is missing.", hint="Install the executor's requirements anew.")
    return found
