"""T6, the mutation spot check: tests that do not notice a broken function prove nothing about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from executor.checks.mutants import Mutant, mutants, own_functions
from executor.checks.rules import judged, noted
from executor.checks.seal import SealedRun, new_key, read_sealed
from executor.checks.sources import Checkout, SourceFile, read_sources
from executor.checks.suite import SuiteVerdict
from executor.checks.suite_command import lay_out, plugins_of, suite_command
from executor.domain.findings import Finding
from executor.resources import config_dir
from executor.sandbox.base import Limits, Sandbox, SandboxResult
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places
from executor.unbroken import unbroken

_TITLE = "The tests notice when the droplet's own code is broken"
_TEST_FILES = ("test_*.py", "*_test.py")  # what pytest collects
_MOST_FILES = 500  # more are named as a directory: a command line has an end
_MOST = 3
_AT_ONCE = 2
# A fault may make a loop endless; the sound tests' own time tells when to stop waiting for that.
_TIMES_AS_LONG, _AT_LEAST_SECONDS = 4.0, 30.0


class _Fate(StrEnum):
    NOTICED = "noticed"
    SURVIVED = "survived"
    UNUSABLE = "unusable"  # it could not even be imported, so no test had a chance


async def check_mutation(
    checkout: Checkout, suite: SuiteVerdict, *, sandbox: Sandbox, places: Places, limits: Limits
) -> Finding:
    """Break one function after another, two at a time and three at most, until the tests go red for one.

    `suite` is how the unbroken commit's tests went, which have to be green. Which functions is decided by
    the commit's digest. The droplet's own tests run before the template's: they notice first. Fails when no
    fault at all is noticed.
    """
    chosen, tests = await asyncio.to_thread(_chosen, checkout, suite)
    if not chosen:
        return noted("T6", _TITLE, "no function of the droplet's own, beside the template's, was run")
    patience = max(_AT_LEAST_SECONDS, suite.seconds * _TIMES_AS_LONG)
    bounds = replace(limits, wall_seconds=min(limits.wall_seconds, patience))

    async def fate(mutant: Mutant) -> _Fate:
        scratch, key = places.scratch("mutant"), new_key()
        try:
            await unbroken(asyncio.to_thread(_lay_out, checkout.source, scratch, key, mutant))
            plugins = await asyncio.to_thread(plugins_of, checkout.venv) - {"pytest_cov"}
            command = suite_command(scratch, checkout.venv, plugins, bounds, "-x", tests=tests)
            result = await sandbox.run(command)
            return _fate_of(result, await asyncio.to_thread(read_sealed, scratch / "out/sealed", key))
        finally:
            await unbroken(remove_tree(scratch))

    fates: list[tuple[Mutant, _Fate]] = []
    while len(fates) < len(chosen) and _Fate.NOTICED not in dict(fates).values():
        turn = chosen[len(fates) : len(fates) + _AT_ONCE]
        fates += zip(turn, await _together(fate, turn), strict=True)
    return _verdict(fates)


async def _together(fate: Callable[[Mutant], Coroutine[Any, Any, _Fate]], turn: list[Mutant]) -> list[_Fate]:
    """What comes of each; if one cannot be tried, the others are given up and its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(fate(mutant)) for mutant in turn]
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    return [task.result() for task in tasks]


def _chosen(checkout: Checkout, suite: SuiteVerdict) -> tuple[list[Mutant], tuple[str, ...]]:
    template = read_sources(config_dir() / "template")
    own = own_functions(checkout.files, template)
    return mutants(own, checkout.commit, suite.executed, _MOST), _own_first(checkout.files, template)


def _own_first(files: Sequence[SourceFile], template: Sequence[SourceFile]) -> tuple[str, ...]:
    """Every test file, those that are not word for word the template's at the front."""
    known = {file.name: file.text for file in template}
    tests = [file for file in files if _is_test(file.name)]
    names = [file.name for file in sorted(tests, key=lambda file: known.get(file.name) == file.text)]
    return tuple(names) if 0 < len(names) <= _MOST_FILES else ("tests",)


def _is_test(name: str) -> bool:
    return name.startswith("tests/") and any(PurePosixPath(name).match(each) for each in _TEST_FILES)


def _lay_out(source: Path, scratch: Path, key: bytes, mutant: Mutant) -> None:
    lay_out(source, scratch, key)
    (scratch / "ws" / mutant.file).write_text(mutant.text, "utf-8")


def _fate_of(result: SandboxResult, run: SealedRun) -> _Fate:
    if result.timed_out or run.count("failed"):
        return _Fate.NOTICED
    return _Fate.SURVIVED if run.exit_code == 0 else _Fate.UNUSABLE


def _verdict(fates: Sequence[tuple[Mutant, _Fate]]) -> Finding:
    survived = [mutant for mutant, fate in fates if fate is _Fate.SURVIVED]
    noticed = [mutant for mutant, fate in fates if fate is _Fate.NOTICED]
    told = "; ".join(f"{mutant.what}: {fate}" for mutant, fate in fates)
    if survived and not noticed and any(mutant.is_emptied for mutant in survived):
        return judged("T6", _TITLE, [f"the tests prove nothing: they stay green with {told}"])
    if survived or not noticed:
        return noted("T6", _TITLE, told)
    return judged("T6", _TITLE, [], told)
