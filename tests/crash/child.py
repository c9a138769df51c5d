"""The process that is killed: a daemon without its web layer, driven through one scenario.

Its words are `<world_url> <registry_url> <model_url> <scenario>`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from executor.assembly import Daemon, assembled
from executor.domain.build import FINISHED, Build, State
from executor.engine.requests import SubmitRequest
from executor.errors import Conflict
from executor.settings import Configuration, Secrets
from executor.settings_tables import Settings
from tests.crash.awaits import Awaits
from tests.crash.outside import outside_of
from tests.crash.zygote import serve

LATER = 120.0
"""Seconds that go by before the next life: what a kill cut off has come due again."""
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
    await _until_told(daemon, build)


async def _until_told(daemon: Daemon, build: Build) -> None:
    while any(row["sent_at"] is None for row in await daemon.store.outbox.of_build(build.id)):
        await asyncio.sleep(0.02)


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
    clock = _later(state_dir) if scenario == "notification" else None
    await asyncio.create_task(_whole(configuration, outside, scenario, clock))


def _later(state_dir: Path) -> Callable[[], float]:
    """A clock by which each life begins a while after the one before."""
    lives = state_dir / "lives"
    before = lives.stat().st_size if lives.exists() else 0
    with lives.open("a") as file:
        file.write(".")
    return lambda: time.time() + before * LATER


async def _whole(
    configuration: Configuration, outside: object, scenario: str, clock: Callable[[], float] | None
) -> None:
    async with assembled(configuration, str, outside, clock) as daemon:
        await drive(daemon, scenario)


if __name__ == "__main__":
    for part in ("anthropic", "anthropic.types.shared.error_details", "anthropic.lib.streaming"):
        import_module(part)  # once, not in every child
    serve(run)
