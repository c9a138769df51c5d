"""The droplet's own tests, run by the executor's settings inside the sandbox, judged by the executor."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from executor.checks.coverage import check_coverage, executed_lines
from executor.checks.forgery import check_forgery
from executor.checks.junit import TestCounts, read_junit
from executor.checks.mutants import Executed
from executor.checks.rules import judged
from executor.checks.seal import SealedRun, new_key, read_sealed
from executor.checks.sources import SourceFile
from executor.checks.suite_command import lay_out, plugins_of, suite_command
from executor.checks.written_tests import check_substance, written_tests
from executor.domain.findings import Finding, Result
from executor.sandbox.base import Limits, Sandbox, SandboxResult
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places
from executor.unbroken import unbroken


@dataclass(frozen=True, slots=True)
class SuiteVerdict:
    """How the tests came out. `executed` are the lines of app/ that ran, by file; empty where unknown."""

    findings: tuple[Finding, ...]
    passing: int
    failing: int
    output: str
    failing_tests: tuple[str, ...] = ()
    seconds: float = 0.0
    executed: Executed = field(default_factory=dict)

    @property
    def is_green(self) -> bool:
        """True when no rule of the tests failed."""
        return all(finding.result is not Result.FAIL for finding in self.findings)


async def check_suite(
    source: Path,
    files: tuple[SourceFile, ...],
    *,
    venv: Path,
    sandbox: Sandbox,
    places: Places,
    limits: Limits,
) -> SuiteVerdict:
    """Run the tests on a throw-away copy and judge T1 to T5 and C11.

    Green is exit code 0, a sealed account and a report that agree, every test of the source executed, no
    failure and no skip. A repository that could forge this is refused before anything of it runs.
    """
    honest = check_forgery(files)
    if honest.result is Result.FAIL:
        return SuiteVerdict(
            (honest,), 0, 0, "The tests were not run: the repository could forge their verdict."
        )
    scratch, key = places.scratch("suite"), new_key()
    try:
        # A thread cannot be cancelled: it would still be writing while its directory is removed.
        await unbroken(asyncio.to_thread(lay_out, source, scratch, key))
        plugins = await asyncio.to_thread(plugins_of, venv)
        result = await sandbox.run(suite_command(scratch, venv, plugins, limits))
        findings, run = await asyncio.to_thread(_judged, scratch / "out", key, result, files)
        covered = scratch / "out/coverage.json"
        if "pytest_cov" in plugins:
            findings.append(await asyncio.to_thread(check_coverage, covered, run))
        executed = await asyncio.to_thread(executed_lines, covered, run)
        failed = run.named("failed")
        return SuiteVerdict(
            (honest, *findings),
            run.count("passed"),
            len(failed),
            result.output,
            failed,
            result.seconds,
            executed,
        )
    finally:
        await unbroken(remove_tree(scratch))


def _judged(
    out: Path, key: bytes, result: SandboxResult, files: tuple[SourceFile, ...]
) -> tuple[list[Finding], SealedRun]:
    run, report = read_sealed(out / "sealed", key), read_junit(out / "junit.xml")
    evidence = f"{run.count('passed')} passed in {result.seconds:.1f} s"
    findings = [
        judged("T1", "The tests pass", _ended(result, run, report), evidence),
        _complete(run, report, run.wrote(out / "junit.xml"), written_tests(files)),
        judged("T3", "No test is skipped or expected to fail", run.named("skipped")),
        check_substance(files),
    ]
    return findings, run


def _ended(result: SandboxResult, run: SealedRun, report: TestCounts) -> list[str]:
    failed = run.named("failed")
    if result.timed_out:
        return [f"the run was stopped after {result.seconds:.0f} s"]
    problems = [f"{name} failed" for name in failed or report.failures]
    if result.exit_code != 0 or run.exit_code not in {0, -1}:
        problems.append(f"the test runner ended with {result.exit_code or run.exit_code}")
    if problems and not failed:
        problems.append(result.output[-600:])
    return problems


def _complete(run: SealedRun, report: TestCounts, untouched: bool, names: list[str]) -> Finding:
    problems = [problem for problem in (run.problem, report.problem) if problem]
    if not problems and not untouched:
        problems.append("the report was changed after the test runner had written it")
    problems += [f"{name} takes part in judging the tests" for name in run.intruders]
    twice = {name for name in names if names.count(name) > 1}
    problems += [f"{name} is written twice, so one of them never runs" for name in sorted(twice)]
    if not run.problem:
        problems += [f"{name} was not run" for name in sorted(set(names) - run.ran - twice)]
    if not names:
        problems.append("the source holds no test")
    return judged(
        "T2", "Every test in the source was run", problems, f"{len(run.outcomes)} ran of {len(names)} written"
    )
