"""The Verifier: everything that decides, outside the model's reach, whether a commit is done."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from executor.checks.both import both
from executor.checks.contract import ContractVerdict, Subject, check_contract
from executor.checks.dependencies import check_packages
from executor.checks.links import check_links
from executor.checks.mutation import check_mutation
from executor.checks.rules import judged
from executor.checks.second_opinion import SecondOpinion, heard
from executor.checks.secrets import check_secrets
from executor.checks.sources import Checkout, SourceFile, read_sources
from executor.checks.standards import check_code, check_ruff
from executor.checks.structure import check_structure
from executor.checks.suite import SuiteVerdict, check_suite
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Depth, Finding, Result, VerifierReport
from executor.errors import Permanent, ReleaseAtFault
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache

Notify = Callable[[str, Mapping[str, Any]], None]
_KEPT_BYTES = 64 << 10


class Verifier:
    """Checks one clean checkout. The same commit in the same environment gets the same verdict.

    `packages` are the names that every droplet may require beside the template's; a `second_opinion` is heard
    of green commits and decides nothing.
    """

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
        """Read it, give it a fresh venv, run its tests and itself in the walls, judge every rule.

        `depth` ROUND leaves out the mutation spot check and second opinions. `approved` are packages that a
        person allowed this droplet; where others are required, nothing is installed and nothing runs. What
        the droplet did wrong is a failed rule. Raises Transient or Permanent for this machine's trouble.
        """
        begun = time.monotonic()
        notify("reading the code and preparing its environment", {})
        plain = await asyncio.to_thread(check_links, source)
        if plain.result is Result.FAIL:  # nothing else is read: a link could lead to any file of the daemon's
            return VerifierReport(commit, (plain,), 0, 0, time.monotonic() - begun)
        files = await asyncio.to_thread(read_sources, source)
        text, (required, venv) = await both(
            self._text(source, files, identity), self._venv(source, self._packages | approved)
        )
        text = (*text, *required)
        if venv is None:
            return VerifierReport(commit, text, 0, 0, time.monotonic() - begun)
        notify("running the droplet's tests and probing its service behind the walls", {})
        (suite, more), contract = await both(
            self._tests(Checkout(source, files, commit, venv), identity, depth, notify),
            self._contract(source, venv, identity),
        )
        return VerifierReport(
            commit,
            (*suite.findings, *more, *contract.findings, *text),
            suite.passing,
            suite.failing,
            time.monotonic() - begun,
            {"tests": _kept(suite.output), "service": _kept(contract.output)},
            suite.failing_tests,
        )

    async def _text(
        self, source: Path, files: tuple[SourceFile, ...], identity: DropletIdentity
    ) -> tuple[Finding, ...]:
        ruff, rest = await both(
            check_ruff(source, find_ruff()), asyncio.to_thread(_read_rules, source, files, identity)
        )
        return (*rest, ruff)

    async def _venv(self, source: Path, packages: frozenset[str]) -> tuple[tuple[Finding, ...], Path | None]:
        title = "The requirements can be installed"
        requirements = source / "requirements.txt"
        if not requirements.is_file():
            return (judged("S12v", title, ["there is no requirements.txt"]),), None
        text = await asyncio.to_thread(requirements.read_text, "utf-8", "replace")
        allowed = await asyncio.to_thread(check_packages, text, packages)
        if allowed.result is Result.FAIL:
            return (allowed,), None
        try:
            return (allowed,), await self._venvs.get(requirements)
        except ReleaseAtFault as error:
            return (allowed, judged("S12v", title, [f"{error.message} {error.log[-800:]}"])), None

    async def _tests(
        self, checkout: Checkout, identity: DropletIdentity, depth: Depth, notify: Notify
    ) -> tuple[SuiteVerdict, tuple[Finding, ...]]:
        suite = await check_suite(
            checkout.source,
            checkout.files,
            venv=checkout.venv,
            sandbox=self._sandbox,
            places=self._places,
            limits=self._limits,
        )
        notify("judging the tests", {"tests_passing": suite.passing, "tests_failing": suite.failing})
        if depth is Depth.ROUND or not suite.is_green:
            return suite, ()
        notify("breaking the code to see whether the tests notice", {})
        return suite, await self._beyond(checkout, identity, suite)

    async def _beyond(
        self, checkout: Checkout, identity: DropletIdentity, suite: SuiteVerdict
    ) -> tuple[Finding, ...]:
        """What only a green commit is worth."""
        mutation = check_mutation(
            checkout, suite, sandbox=self._sandbox, places=self._places, limits=self._limits
        )
        if self._second_opinion is None:
            return (await mutation,)
        return await both(mutation, heard(self._second_opinion, checkout, identity.name, self._places))

    async def _contract(self, source: Path, venv: Path, identity: DropletIdentity) -> ContractVerdict:
        return await check_contract(
            Subject(source, venv, identity, self._sandbox, self._places, self._limits)
        )


def _read_rules(
    source: Path, files: tuple[SourceFile, ...], identity: DropletIdentity
) -> tuple[Finding, ...]:
    return (*check_structure(source, files, identity), *check_code(files), check_secrets(files))


def _kept(output: str) -> str:
    """The end of what was printed, where a test runner and a crash say what matters."""
    return output.encode("utf-8", "replace")[-_KEPT_BYTES:].decode("utf-8", "ignore")


def find_ruff() -> str:
    """The ruff beside this interpreter, else the one on PATH. Raises Permanent when there is none."""
    beside = Path(sys.executable).with_name("ruff")
    found = str(beside) if beside.is_file() else shutil.which("ruff")
    if found is None:
        raise Permanent("ruff is missing.", hint="Install the executor's requirements anew.")
    return found
