"""The deploy lock of one droplet on one machine: who may change its release there, and for how long.

It lies on the machine itself, so that two executors see the same one. Its holder renews it; what a dead
holder has left runs out by itself, and the build that held it comes back in at once. Each holder gets a
higher fencing number than the one before, and a command that changes something runs only while its own
number is the newest: a holder that was believed dead and was only slow can do no harm.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog

from executor.adapters.machine import Machine
from executor.errors import ExecutorError, Permanent, Transient

log = structlog.get_logger(__name__)
LEASE_SECONDS = 60
_LOST = "fpai: this deploy lock has a newer holder"

_OPENED = """
set -eu
mkdir -p "$1"
exec 9>"$1/guard"
flock -w 20 9 || { echo busy; exit 0; }
now=$(date +%s) fence=0 owner= build= until=0
[ ! -s "$1/fence" ] || read -r fence <"$1/fence"
[ ! -s "$1/lock" ] || read -r owner build until <"$1/lock"
put() { printf '%s\\n' "$2" >"$1.part"; sync "$1.part"; mv "$1.part" "$1"; }
"""
_TAKE = (
    _OPENED
    + """
if [ "$until" -gt "$now" ] && [ "$owner $build" != "$2 $3" ]; then
    echo "held $owner $build $((until - now))"; exit 0
fi
fence=$((fence + 1))
put "$1/fence" "$fence"
put "$1/lock" "$2 $3 $((now + $4))"
echo "taken $fence"
"""
)
_RENEW = (
    _OPENED
    + """
[ "$fence" = "$5" ] && [ "$owner $build" = "$2 $3" ] || { echo lost; exit 0; }
put "$1/lock" "$2 $3 $((now + $4))"
echo renewed
"""
)
_FREE = (
    _OPENED
    + """
[ "$fence" != "$5" ] || rm -f "$1/lock"
echo freed
"""
)
# The command inherits the shared lock: nobody becomes the holder while it runs.
_FENCED = f"""
exec 9>"$1/guard"
flock -s -w 20 9 || {{ echo 'fpai: the deploy lock is busy' >&2; exit 97; }}
read -r fence <"$1/fence"
[ "$fence" = "$2" ] || {{ echo {shlex.quote(_LOST)} >&2; exit 97; }}
shift 2
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """A lock that is held. `guard` goes before every command that changes something of the droplet."""

    fence: int
    guard: tuple[str, ...]


class DeployLock:
    """Locks on one machine. `owner` names this executor: one word, the same after a restart."""

    def __init__(self, machine: Machine, owner: str, *, lease: int = LEASE_SECONDS) -> None:
        self._machine = machine
        self._owner = owner
        self._lease = lease

    @asynccontextmanager
    async def held(self, droplet: str, build_id: str) -> AsyncIterator[Hold]:
        """Hold the droplet's lock while the context is open, and free it at its end.

        Raises Transient while another build or executor holds it, with `retry_after` until it runs out. A
        machine that cannot be reached at the end keeps the lock for the rest of its lease.
        """
        hold = await self._take(droplet, build_id)
        renewing = asyncio.create_task(self._keep(droplet, build_id, hold))
        try:
            yield hold
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
            with suppress(ExecutorError):
                await self._ask(_FREE, droplet, build_id, hold.fence)

    async def _take(self, droplet: str, build_id: str) -> Hold:
        said = await self._ask(_TAKE, droplet, build_id, 0)
        match said.split():
            case ["taken", fence]:
                where = await self._where(droplet)
                return Hold(int(fence), ("sh", "-c", _FENCED, "fpai", where, fence))
            case ["held", owner, build, seconds]:
                raise Transient(
                    f"{droplet} on {self._machine.name} is being deployed by build {build} of {owner}.",
                    hint=f"This build goes on by itself; what a dead holder left runs out in {seconds} s.",
                    retry_after=min(float(seconds), 15.0),
                )
            case ["busy"]:
                raise Transient(
                    f"A command for {droplet} still runs on {self._machine.name}.",
                    hint="This build goes on by itself when it has ended.",
                    retry_after=5.0,
                )
        raise Permanent(
            f"The deploy lock of {droplet} on {self._machine.name} cannot be taken: {said[:300]}",
            hint="The host needs sh, flock, date, sync and mv, and a home directory that can be written.",
        )

    async def _keep(self, droplet: str, build_id: str, hold: Hold) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                said = await self._ask(_RENEW, droplet, build_id, hold.fence)
            except ExecutorError as error:
                log.warning("deploy_lock_not_renewed", droplet=droplet, reason=error.message)
                continue
            if said != "renewed":  # the next guarded command says so to whoever works
                log.warning("deploy_lock_lost", droplet=droplet, build_id=build_id)
                return

    async def _ask(self, script: str, droplet: str, build_id: str, fence: int) -> str:
        words = [await self._where(droplet), self._owner, build_id, str(self._lease), str(fence)]
        done = await self._machine.run(["sh", "-c", script, "fpai", *words], timeout=40.0)
        if done.code != 0:
            return f"exit code {done.code}: {done.error_text}"
        return done.stdout.decode("utf-8", "replace").strip()

    async def _where(self, droplet: str) -> str:
        return f"{await self._machine.root()}/droplets/{droplet}"
