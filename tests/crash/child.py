"""The process that is killed: a daemon without its web layer, driven through one scenario.

Its words are `<world_url> <registry_url> <model_url> <scenario>`.
"""

from __future__ import annotations

import asyncio
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

INTENT = "Build a Library Droplet that stores books with title, author and year"


async def drive(daemon: Daemon, scenario: str) -> None:
    """Do what a person would do in this scenario, however often the daemon has died before."""
    mode = "final" if scenario == "gate" else "auto"
    request = SubmitRequest(INTENT, approval_mode=mode, idempotency_key="sweep", body_digest="sweep")
    build = (await daemon.commands.submit(request)).build
    build = await _until_still(daemon, build)
    if build.state is State.WAITING_APPROVAL:
        await _decide(daemon, build, None)
        build = await _until_still(daemon, build)
    if scenario == "rollback" and build.state is State.COMPLETE:
        await _decide(daemon, build, "deployed", "reject")
        await _until_still(daemon, build, leaving=State.COMPLETE)


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
    settings = Settings.model_validate({"registry": {"url": registry_url}})
    configuration = Configuration(settings, Secrets({}), None, state_dir)
    outside = outside_of(world_url, registry_url, model_url, state_dir, scenario)
    # This task was made before the factory was installed: put the work into one that counts.
    await asyncio.create_task(_whole(configuration, outside, scenario))


async def _whole(configuration: Configuration, outside: object, scenario: str) -> None:
    async with assembled(configuration, str, outside) as daemon:
        await drive(daemon, scenario)


if __name__ == "__main__":
    for part in ("anthropic", "anthropic.types.shared.error_details", "anthropic.lib.streaming"):
        import_module(part)  # once, not in every child
    serve(run)
