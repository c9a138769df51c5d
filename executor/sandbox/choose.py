"""Choosing the walls at start: bubblewrap if it proves itself, else a refusal, never silently nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys

from executor.errors import Permanent
from executor.sandbox.base import Bind, Limits, Sandbox, SandboxCommand
from executor.sandbox.bubblewrap import BubblewrapSandbox
from executor.sandbox.cgroups import Cgroups
from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places
from executor.sandbox.unsafe import UnsafeSandbox

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


async def choose_sandbox(kind: str, places: Places) -> Sandbox:
    """Return the sandbox named by `[sandbox] kind`: auto, bubblewrap or unsafe.

    Raises Permanent when bubblewrap is missing or its self-test fails, with what failed and what to do;
    only the word `unsafe` runs anything without walls. Ends sandboxes that a killed daemon left behind.
    """
    cgroups = await asyncio.to_thread(Cgroups.discover)
    await asyncio.to_thread(cgroups.sweep)
    if kind == "unsafe":
        return UnsafeSandbox(cgroups)
    if kind not in {"auto", "bubblewrap"}:
        raise Permanent(f"There is no sandbox of kind {kind!r} here.", hint="Use auto, bubblewrap or unsafe.")
    _require_programs()
    sandbox = BubblewrapSandbox(places, cgroups)
    await prove_walls(sandbox, places)
    return sandbox


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
        raise Permanent(
            f"The sandbox's self-test failed at {', '.join(failed) or 'its end'}: {result.output[-400:]}",
            hint=f"bubblewrap needs user namespaces; run `fpai doctor` for details. {_UNSAFE_HINT}",
        )


def _require_programs() -> None:
    missing = [name for name in _NEEDED if shutil.which(name, path=_SYSTEM_PATH) is None]
    if missing or sys.platform != "linux":
        raise Permanent(
            f"{' and '.join(missing) or 'Linux'} is missing, so code that we did not write cannot be walled.",
            hint=f"Install it: apt-get install bubblewrap util-linux. {_UNSAFE_HINT}",
        )
