"""The process that is killed while it deploys: a daemon whose target is a host reached over SSH.

Its words are `<settings as JSON> <PATH> <scenario>`. Awaits are counted from the moment that a step asks for
its target: what was before has a sweep of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import aiohttp

from executor.adapters.registry import CoreRegistry
from executor.assembly import Daemon, Outside, assembled
from executor.domain.build import FINISHED, Build, State
from executor.engine.requests import SubmitRequest
from executor.errors import Conflict, Permanent
from executor.sandbox.places import Places
from executor.sandbox.refusing import RefusingSandbox
from executor.settings import Configuration, Secrets
from executor.settings_tables import Settings
from executor.targets.base import Target
from executor.targets.choice import TargetChoice
from executor.targets.factory import targets_of
from tests.crash.awaits import Awaits
from tests.crash.outside import ScriptedVerifier
from tests.crash.zygote import serve
from tests.fakes.target import PlainTarget

FIRST = "Build a droplet that stores books with title and year"
SECOND = "Also store authors with name"


@dataclass
class Armed:
    """Counts awaits from the first time that a target is asked for."""

    inner: TargetChoice
    awaits: Awaits

    def named(self, word: str) -> Target:
        self.awaits.counting = True
        return self.inner.named(word)

    async def aclose(self) -> None:
        await self.inner.aclose()


async def drive(daemon: Daemon, scenario: str) -> None:
    """Do what a person would do, however often the daemon has died before."""
    await _ended(daemon, await _submitted(daemon, "first", FIRST))
    if scenario == "first":
        return
    second = await _ended(daemon, await _submitted(daemon, "second", SECOND))
    if scenario == "rollback":
        if second.state is State.COMPLETE:
            with suppress(Conflict):  # asked for in an earlier life
                await daemon.commands.rollback(second.id)
        await _ended(daemon, second, leaving=State.COMPLETE)


async def _submitted(daemon: Daemon, key: str, intent: str) -> Build:
    request = SubmitRequest(
        intent, droplet_name="shelf", approval_mode="auto", idempotency_key=key, body_digest=key
    )
    return (await daemon.commands.submit(request)).build


async def _ended(daemon: Daemon, build: Build, leaving: State | None = None) -> Build:
    still = (FINISHED | {State.WAITING_APPROVAL, State.WAITING_INPUT}) - {leaving}
    with daemon.bus.subscribe(build.id) as heard:
        while (now := await daemon.store.builds.get(build.id)).state not in still:
            await heard.take()
    return now


async def run(awaits: Awaits, state_dir: Path, words: list[str]) -> None:
    """One life of the daemon."""
    document, path, scenario = words
    os.environ["PATH"] = path  # where this machine's `docker` is
    awaits.counting = False
    awaits.install(asyncio.get_running_loop())
    settings = Settings.model_validate(json.loads(document))
    configuration = Configuration(settings, Secrets({}), None, state_dir)
    await asyncio.create_task(_whole(configuration, awaits, scenario))


async def _whole(configuration: Configuration, awaits: Awaits, scenario: str) -> None:
    settings, state_dir = configuration.settings, configuration.state_dir
    places = Places.of(state_dir, base=state_dir / "places")

    async def connect(session: aiohttp.ClientSession) -> Outside:
        return Outside(
            places=places,
            sandbox=RefusingSandbox(Permanent("No sandbox is needed here.")),
            verifier=ScriptedVerifier(state_dir, scenario),
            targets=Armed(targets_of(settings, state_dir, places, PlainTarget), awaits),
            registry=CoreRegistry(session, settings.registry.url, None),
        )

    async with assembled(configuration, str, connect) as daemon:
        await drive(daemon, scenario)


if __name__ == "__main__":
    import_module("executor.adapters.ssh_link")  # once, not in every child: it takes half a second
    serve(run)
