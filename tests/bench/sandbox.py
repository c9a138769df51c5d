"""The droplet's tests in their walls over the same tests bare, and what an empty pair of walls costs."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from statistics import median

from executor.checks.seal import new_key
from executor.checks.suite_command import lay_out, plugins_of, suite_command
from executor.sandbox.base import Bind, Limits, SandboxCommand
from executor.sandbox.ownership import remove_tree
from tests.bench.droplet import Droplet, droplet
from tests.bench.harness import place, run
from tests.bench.results import Figure

_EXTRA_MS = 100.0


def measure(quick: bool) -> list[Figure]:
    """Walled and bare in turn."""
    with place() as state_dir:
        return run(_measure(state_dir, rounds=1 if quick else 7))


async def _measure(state_dir: Path, rounds: int) -> list[Figure]:
    async with droplet(state_dir) as one:
        await _tests(one, walled=False)  # the first run compiles the droplet's dependencies
        walled, bare, empty = list[float](), list[float](), list[float]()
        for _ in range(rounds):
            walled.append(await _tests(one, walled=True))
            bare.append(await _tests(one, walled=False))
            empty.append(await _nothing(one))
    extra = 1e3 * median(w - b for w, b in zip(walled, bare, strict=True))
    in_walls, without = median(walled) * 1e3, median(bare) * 1e3
    target = f"<= +{_EXTRA_MS:g} ms"
    against = f"bare: {without:.0f} ms, so {extra:+.0f} ms"
    return [
        Figure("tests in walls", in_walls, "ms", against, in_walls / without, target, met=extra <= _EXTRA_MS),
        Figure(f"walls around nothing ({one.sandbox.kind})", median(empty) * 1e3, "ms"),
    ]


async def _tests(one: Droplet, *, walled: bool) -> float:
    """Run the tests on a copy of their own, which is not measured."""
    scratch = one.places.scratch("bench")
    try:
        lay_out(one.source, scratch, new_key())
        command = suite_command(scratch, one.venv, plugins_of(one.venv), Limits())
        started = time.perf_counter()
        code = (await one.sandbox.run(command)).exit_code if walled else await _bare(command, scratch)
        seconds = time.perf_counter() - started
        assert code == 0, code
    finally:
        await remove_tree(scratch)
    return seconds


async def _bare(command: SandboxCommand, scratch: Path) -> int:
    """The same command with the paths that it has outside."""
    argv = [_outside(word, command.binds) for word in command.argv]
    env = {name: _outside(value, command.binds) for name, value in command.env.items()}
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=scratch / "ws",
        env={"PATH": os.environ["PATH"], "HOME": str(scratch), "LANG": "C.UTF-8", **env},
        stdout=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


def _outside(word: str, binds: tuple[Bind, ...]) -> str:
    for bind in binds:
        for prefix in ("", "pythonpath=", "json:"):
            inside = prefix + bind.target
            if word == inside or word.startswith(f"{inside}/"):
                return prefix + str(bind.source) + word.removeprefix(inside)
    return word


async def _nothing(one: Droplet) -> float:
    scratch = one.places.scratch("bench")
    try:
        started = time.perf_counter()
        await one.sandbox.run(SandboxCommand(("/bin/true",), (Bind(scratch, "/ws", writable=True),)))
        return time.perf_counter() - started
    finally:
        await remove_tree(scratch)
