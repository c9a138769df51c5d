"""The process that is killed: a daemon without its web layer, driven through one scenario.

Its words are `<world_url> <registry_url> <model_url> <scenario>`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from importlib import import_module
from pathlib import Path
from typing import Any

import aiohttp

from executor.assembly import Daemon, assembled
from executor.domain.build import FINISHED, Build, State
from executor.engine.requests import SubmitRequest
from executor.errors import Conflict
from executor.outside import Outside
from executor.settings import Configuration, Secrets
from executor.settings_tables import Settings
from tests.crash.awaits import Awaits
from tests.crash.outside import outside_of
from tests.crash.zygote import serve

LATER = 120.0
"""Seconds that go by before the next life: what a kill cut off has come due again."""
Connect = Callable[[aiohttp.ClientSession], Coroutine[Any, Any, Outside]]
INTENT = "Build a Library Droplet that stores books with title, author and year"


async def drive(daemon: Daemon, scenario: str) -> None:
    """Do what a person would do in this scenario, however often the daemon has died before."""
    request = SubmitRequest(
        INTENT,
        approval_mode="final" if scenario in {"gate", "notification"} else "auto",
        notify_channels=("hook",) if scenario == "notification" else (),
        idempotency_key="sweep",
        body_digest="sweep",
    )
    build = (await daemon.commands.submit(request)).build
    build = await _until_still(daemon, build)
    if build.state is State.WAITING_APPROVAL:
        await _decide(daemon, build, None)
        build = await _until_still(daemon, build)
    if scenario == "rollback" and build.state is State.COMPLETE:
        await _decide(daemon, build, "deployed", "reject")
        await _until_still(daemon, build, leaving=State.COMPLETE)
    await _until_told(daemon)


async def _until_told(daemon: Daemon) -> None:
    while await _is_untold(daemon):
        await asyncio.sleep(0.02)


async def _is_untold(daemon: Daemon) -> bool:
    return bool(await daemon.store.database.fetch("SELECT 1 FROM outbox WHERE sent_at IS NULL LIMIT 1"))


async def _count_while_untold(daemon: Daemon, awaits: Awaits) -> None:
    """All other awaits of such a build have scenarios of their own."""
    with daemon.bus.subscribe(None) as heard:
        while True:
            awaits.counting = await _is_untold(daemon)
            await (asyncio.sleep(0.02) if awaits.counting else heard.take())


async def _decide(daemon: Daemon, build: Build, checkpoint: str | None, decision: str = "approve") -> None:
    try:
        await daemon.commands.approve(
            build.id, checkpoint=checkpoint, decision=decision, feedback="", gate_id=None
        )
    except Conflict:
        return


async def _until_still(daemon: Daemon, build: Build, leaving: State | None = None) -> Build:
    still = FINISHED | {State.WAITING_APPROVAL, State.WAITING_INPUT}
    with daemon.bus.subscribe(build.id) as heard:
        while (now := await daemon.store.builds.get(build.id)).state not in still or now.state is leaving:
            await heard.take()
    return now


async def run(awaits: Awaits, state_dir: Path, words: list[str]) -> None:
    """One life of the daemon."""
    awaits.install(asyncio.get_running_loop())
    world_url, registry_url, model_url, scenario = words
    hook = {"kind": "webhook", "url": f"{world_url}/notices"}
    settings = Settings.model_validate({"registry": {"url": registry_url}, "notify": {"hook": hook}})
    configuration = Configuration(settings, Secrets({"WEBHOOK_SECRET_HOOK": "a secret"}), None, state_dir)
    outside = outside_of(world_url, registry_url, model_url, state_dir, scenario)
    # This task was made before the factory was installed: put the work into one that counts.
    if scenario == "notification":
        awaits.counting = False
        whole = _notifying(configuration, outside, awaits, _later(state_dir))
    else:
        whole = _whole(configuration, outside, scenario)
    await asyncio.create_task(whole)


def _later(state_dir: Path) -> Callable[[], float]:
    """A clock by which each life begins a while after the one before."""
    lives = state_dir / "lives"
    before = lives.stat().st_size if lives.exists() else 0
    with lives.open("a") as file:
        file.write(".")
    return lambda: time.time() + before * LATER


async def _whole(configuration: Configuration, outside: Connect, scenario: str) -> None:
    async with assembled(configuration, str, outside) as daemon:
        await drive(daemon, scenario)


async def _notifying(
    configuration: Configuration, outside: Connect, awaits: Awaits, clock: Callable[[], float]
) -> None:
    async with assembled(configuration, str, outside, clock) as daemon:
        counting = asyncio.create_task(_count_while_untold(daemon, awaits))
        await drive(daemon, "notification")
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)


if __name__ == "__main__":
    for part in ("anthropic", "anthropic.types.shared.error_details", "anthropic.lib.streaming"):
        import_module(part)  # once, not in every child
    serve(run)
