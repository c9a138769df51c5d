"""A program's output is bounded, its end is sure, and the daemon's environment stays the daemon's."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from executor.adapters.programs import run_program
from executor.errors import Permanent, Transient
from executor.redaction import know
from tests.proof.ledger import Ledger


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


async def test_output_code_and_input_are_handed_over() -> None:
    code = "import sys; d = sys.stdin.read(); print(d[::-1]); print('e', file=sys.stderr); sys.exit(3)"
    done = await run_program(python(code), env={}, stdin=b"abc")
    assert (done.code, done.stdout, done.error_text, done.dropped) == (3, b"cba\n", "e", 0)


async def test_output_past_the_limit_is_counted_and_not_kept() -> None:
    done = await run_program(python("print('x' * 9_999_999)"), env={}, limit=1000)
    assert (len(done.stdout), done.dropped) == (1000, 9_999_000)


async def test_input_that_nobody_reads_is_no_error() -> None:
    assert (await run_program(python("pass"), env={}, stdin=b"x" * (4 << 20))).code == 0


async def test_the_environment_is_the_given_one_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_TOKEN", "canary")
    done = await run_program(python("import os; print(dict(os.environ))"), env={"A": "1"})
    assert b"CANARY" not in done.stdout
    assert b"'A': '1'" in done.stdout


@pytest.mark.parametrize("after", [0, 1970, 1990, 5000])
async def test_what_a_program_says_on_stderr_is_quoted_without_a_secret_wherever_it_is_cut(
    after: int,
    ledger: Ledger,
) -> None:
    secret = "canary-77e0-of-the-remote"
    code = f"import sys; sys.stderr.write('remote: ' + {secret!r} + 'x' * {after})"
    know([secret])
    try:
        said = (await run_program(python(code), env={})).error_text
    finally:
        know(())
    assert len(said) <= 2000 and "xxx" in said + "xxx"
    assert not [n for n in range(6, len(secret)) if secret[-n:] in said]
    ledger.tried("programs that say a token back", threat="secrets in logs, git and prompts")


async def test_a_program_that_takes_too_long_is_transient() -> None:
    with pytest.raises(Transient, match="did not finish"):
        await run_program(python("import time; time.sleep(600)"), env={}, timeout=0.2)


async def test_a_cancelled_caller_leaves_nothing_of_the_group_behind(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, time; os.fork(); open({str(note)!r}, 'a').write(f'{{os.getpid()}} '); time.sleep(600)"
    running = asyncio.create_task(run_program(python(code), env={}))
    while not note.exists() or len(note.read_text().split()) < 2:
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    for pid in note.read_text().split():
        while _runs(int(pid)):  # a killed process takes a moment to go
            await asyncio.sleep(0.01)


async def test_what_is_not_a_program_is_permanent(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    for path in (tmp_path / "nothing", plain):
        with pytest.raises(Permanent):
            await run_program([str(path)], env={})


def _runs(pid: int) -> bool:
    """True unless the process is gone or a zombie that init has yet to collect."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_pipes_that_a_runaway_child_holds_are_let_go_of(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        f"    os.setsid(); open({str(note)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(600)"
    )
    before = _pipes()
    with pytest.raises(Transient):
        await run_program(python(code), env={}, timeout=0.5)
    await asyncio.sleep(0)
    try:
        assert _pipes() <= before
    finally:
        os.kill(int(note.read_text()), signal.SIGKILL)


def _pipes() -> set[str]:
    """The pipes of this process, by the kernel's name."""
    names = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            names.add(str(link.readlink()))
    return {name for name in names if name.startswith(("pipe:", "socket:"))}
