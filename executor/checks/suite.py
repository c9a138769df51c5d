"""The droplet's own tests, run by the executor's settings inside the sandbox, judged by the executor."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from executor.checks.forgery import check_forgery
from executor.checks.junit import TestCounts, read_junit
from executor.checks.rules import judged
from executor.checks.sources import SourceFile, counted_tests
from executor.domain.findings import Finding, Result
from executor.sandbox.base import Bind, Limits, Sandbox, SandboxCommand, SandboxResult
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places

LOWEST_COVERAGE = 80.0
_INI = "[pytest]\njunit_family = xunit2\n"
_LARGEST_JSON = 4 << 20


@dataclass(frozen=True, slots=True)
class SuiteVerdict:
    """How the tests came out."""

    findings: tuple[Finding, ...]
    passing: int
    failing: int
    output: str


async def check_suite(
    source: Path,
    files: tuple[SourceFile, ...],
    *,
    venv: Path,
    sandbox: Sandbox,
    places: Places,
    limits: Limits,
) -> SuiteVerdict:
    """Run the tests on a throw-away copy and judge T1 to T4 and C11.

    Green is exit code 0 and a report and at least as many executed tests as the source holds and no failure
    and no skip. A repository that could forge a report is refused before anything of it runs.
    """
    honest = check_forgery(files)
    if honest.result is Result.FAIL:
        return SuiteVerdict(
            (honest,), 0, 0, "The tests were not run: the repository could forge their verdict."
        )
    scratch = places.scratch("suite")
    try:
        work, out, settings = scratch / "ws", scratch / "out", scratch / "settings"
        await asyncio.to_thread(_lay_out, source, work, out, settings)
        coverage = await asyncio.to_thread(_has_coverage, venv)
        command = _command(venv, work=work, out=out, settings=settings, limits=limits, coverage=coverage)
        result = await sandbox.run(command)
        counts = await asyncio.to_thread(read_junit, out / "junit.xml")
        findings = [honest, *_judge(result, counts, counted_tests(files))]
        if coverage:
            findings.append(await asyncio.to_thread(_coverage, out / "coverage.json"))
        return SuiteVerdict(tuple(findings), counts.passed, counts.failed, result.output)
    finally:
        await remove_tree(scratch)


def _has_coverage(venv: Path) -> bool:
    return any(venv.glob("lib/python3*/site-packages/pytest_cov"))


def _lay_out(source: Path, work: Path, out: Path, settings: Path) -> None:
    shutil.copytree(source, work, symlinks=True)
    out.mkdir()
    settings.mkdir()
    (settings / "pytest.ini").write_text(_INI)
    for folder in (settings, settings / "pytest.ini"):
        folder.chmod(0o755)


def _command(
    venv: Path, *, work: Path, out: Path, settings: Path, limits: Limits, coverage: bool
) -> SandboxCommand:
    argv = [
        "/venv/bin/python", "-m", "pytest", "tests",
        "-c", "/settings/pytest.ini", "--rootdir", "/ws", "-q", "-p", "no:cacheprovider",
        "--junitxml", "/out/junit.xml",
    ]  # fmt: skip
    if coverage:
        argv += ["-p", "pytest_cov", "--cov", "app", "--cov-report", "json:/out/coverage.json"]
    return SandboxCommand(
        argv=tuple(argv),
        binds=(
            Bind(work, "/ws", writable=True),
            Bind(out, "/out", writable=True),
            Bind(settings, "/settings"),
            Bind(venv, "/venv"),
        ),
        env={
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
            "COVERAGE_FILE": "/out/.coverage",
        },
        limits=limits,
    )


def _judge(result: SandboxResult, counts: TestCounts, counted: int) -> list[Finding]:
    ended = []
    if result.timed_out:
        ended.append(f"the run was stopped after {result.seconds:.0f} s")
    elif result.exit_code != 0:
        ended.append(f"the test runner ended with {result.exit_code}")
    ended += [f"{name} failed" for name in counts.failures]
    if ended and not counts.failures:
        ended.append(result.output[-600:])
    reported = [counts.problem] if counts.problem else []
    if counts.executed < max(counted, 1):
        reported.append(f"{counts.executed} tests ran and the source holds {counted}")
    skipped = [f"{counts.skipped} tests were skipped"] if counts.skipped else []
    return [
        judged("T1", "The tests pass", ended, f"{counts.passed} passed in {result.seconds:.1f} s"),
        judged("T2", "Every test in the source was run", reported, f"{counts.executed} of {counted} or more"),
        judged("T3", "No test is skipped", skipped),
    ]


def _coverage(path: Path) -> Finding:
    title = f"The tests cover at least {LOWEST_COVERAGE:.0f} % of app/"
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST_JSON:
        return judged("C11", title, ["the run left no coverage report"])
    try:
        percent = float(json.loads(path.read_text())["totals"]["percent_covered"])
    except (ValueError, KeyError, TypeError) as error:
        return judged("C11", title, [f"the coverage report cannot be read: {error}"])
    low = [f"{percent:.1f} % is covered"] if percent < LOWEST_COVERAGE else []
    return judged("C11", title, low, f"{percent:.1f} %")
