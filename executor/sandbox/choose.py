"""Choosing the walls at start: the first kind that proves itself, else a refusal, never silently nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from executor.errors import Permanent, Transient
from executor.sandbox.base import Bind, Limits, Sandbox, SandboxCommand
from executor.sandbox.bubblewrap import BubblewrapSandbox
from executor.sandbox.cgroups import Cgroups
from executor.sandbox.docker import DockerSandbox
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places
from executor.sandbox.unsafe import UnsafeSandbox

KINDS = ("auto", "bubblewrap", "docker", "unsafe")
_NEEDED = ("bwrap", "setpriv", "prlimit")
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# Each word is printed by one wall that stands: files can be made, canary and network cannot be reached.
_PROBE = """
echo made > /ws/made && echo workspace
[ -e "$1" ] || { cat "$1" || echo hidden; } 2>/dev/null
n=0; while read -r line; do n=$((n+1)); done < /proc/net/dev; [ $n -le 3 ] && echo alone
[ "$$" -lt 10 ] && echo namespace
"""
_PROVEN = ("workspace", "hidden", "alone", "namespace")
_UNSAFE_HINT = '`[sandbox] kind = "unsafe"` runs without walls, on a machine where nothing else is at stake.'
_WHY = {
    "bubblewrap": "bubblewrap needs user namespaces",
    "docker": "docker needs an engine on this machine whose containers see its files",
}


async def choose_sandbox(
    kind: str, places: Places, *, image: str = "python:3.11-slim", docker: str = "docker"
) -> Sandbox:
    """Return the sandbox named by `[sandbox] kind`; `auto` is bubblewrap, else docker, whichever stands.

    Raises Permanent when what was asked for is missing or its self-test fails, with what failed and what to
    do; only the word `unsafe` runs anything without walls. Ends sandboxes that a killed daemon left behind.
    `image` is the root of docker's containers, `docker` the command.
    """
    cgroups = await asyncio.to_thread(Cgroups.discover)
    await asyncio.to_thread(cgroups.sweep)
    chosen = await proven_sandbox(kind, places, image=image, docker=docker)
    if isinstance(chosen, DockerSandbox):
        with _asked_once():
            await chosen.sweep()
    return chosen


async def proven_sandbox(
    kind: str, places: Places, *, image: str = "python:3.11-slim", docker: str = "docker"
) -> Sandbox:
    """Choose as `choose_sandbox` does and end nothing, so that a running daemon is not disturbed."""
    cgroups = await asyncio.to_thread(Cgroups.discover)
    if kind == "unsafe":
        return UnsafeSandbox(cgroups)
    if kind not in KINDS:
        raise Permanent(f"There is no sandbox of kind {kind!r} here.", hint=f"Use {', '.join(KINDS)}.")
    if kind == "bubblewrap":
        return await _bubblewrap(places, cgroups)
    if kind == "docker":
        return await _docker(places, image, docker)
    return await _first(places, cgroups, image, docker)


async def prove_walls(sandbox: Sandbox, places: Places) -> None:
    """Bind a real workspace, look for a canary and the network; raise Permanent if a wall is missing."""
    workspace = places.scratch("selftest")
    canary = places.caches / f"canary-{os.getpid()}"
    canary.write_text("if a sandbox can read this, its walls do not stand")
    try:
        result = await sandbox.run(
            SandboxCommand(
                argv=("/bin/sh", "-c", _PROBE, "selftest", str(canary)),
                binds=(Bind(workspace, "/ws", writable=True),),
                limits=Limits(wall_seconds=10, memory_bytes=64 << 20),
            )
        )
    finally:
        canary.unlink(missing_ok=True)
        await remove_tree(workspace)
    failed = [word for word in _PROVEN if word not in result.output.splitlines()]
    if failed or result.exit_code != 0:
        why = _WHY.get(sandbox.kind, "these walls need more than this machine has")
        raise Permanent(
            f"The sandbox's self-test failed at {', '.join(failed) or 'its end'}: {result.output[-400:]}",
            hint=f"{why}; run `fpai doctor` for details. {_UNSAFE_HINT}",
        )


async def _first(places: Places, cgroups: Cgroups, image: str, docker: str) -> Sandbox:
    try:
        return await _bubblewrap(places, cgroups)
    except Permanent as refused:
        try:
            return await _docker(places, image, docker)
        except Permanent as second:
            raise Permanent(
                f"No walls can be built. bubblewrap: {refused.message} docker: {second.message}",
                hint=f"{refused.hint} Or: {second.hint}",
            ) from second


async def _bubblewrap(places: Places, cgroups: Cgroups) -> Sandbox:
    _require_programs()
    sandbox = BubblewrapSandbox(places, cgroups)
    await prove_walls(sandbox, places)
    return sandbox


async def _docker(places: Places, image: str, program: str) -> Sandbox:
    sandbox = DockerSandbox(places, image, program=program)
    with _asked_once():
        await prove_walls(sandbox, places)
    return sandbox


@contextmanager
def _asked_once() -> Iterator[None]:
    """The choice is made at start and is not made again, so an engine that is away now is a refusal."""
    try:
        yield
    except Transient as error:
        raise Permanent(
            error.message, hint="Start the docker engine, then the executor; see `systemctl status docker`."
        ) from error


def _require_programs() -> None:
    missing = [name for name in _NEEDED if shutil.which(name, path=_SYSTEM_PATH) is None]
    if missing or sys.platform != "linux":
        raise Permanent(
            f"{' and '.join(missing) or 'Linux'} is missing, so code that we did not write cannot be walled.",
            hint=f"Install it: apt-get install bubblewrap util-linux. {_UNSAFE_HINT}",
        )
