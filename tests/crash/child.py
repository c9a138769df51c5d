"""The process that is killed: a daemon without its web layer, driven through one scenario.

Run as a zygote it imports everything once, then forks a child for each line that it reads:
`<kill_at> <state_dir> <world_url> <registry_url> <model_url> <scenario>`; it answers with
`<exit status> <awaits seen>`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib import import_module
from pathlib import Path

from executor.assembly import Daemon, assembled
from executor.domain.build import FINISHED, Build, State
from executor.engine.requests import SubmitRequest
from executor.errors import Conflict
from executor.settings import Configuration, Secrets, Settings
from tests.crash.awaits import Awaits
from tests.crash.outside import outside_of

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


async def run(awaits: Awaits, state_dir: Path, urls: list[str], scenario: str) -> None:
    awaits.install(asyncio.get_running_loop())
    world_url, registry_url, model_url = urls
    settings = Settings.model_validate({"registry": {"url": registry_url}})
    configuration = Configuration(settings, Secrets({}), None, state_dir)
    outside = outside_of(world_url, registry_url, model_url, state_dir, scenario)
    # This task was made before the factory was installed: put the work into one that counts.
    await asyncio.create_task(_whole(configuration, outside, scenario))


async def _whole(configuration: Configuration, outside: object, scenario: str) -> None:
    async with assembled(configuration, str, outside) as daemon:
        await drive(daemon, scenario)


def _answer(document: dict[str, int]) -> None:
    os.write(_ANSWERS, (json.dumps(document) + "\n").encode())


def zygote() -> None:
    for part in ("anthropic", "anthropic.types.shared.error_details", "anthropic.lib.streaming"):
        import_module(part)  # once, not in every child
    for line in sys.stdin:
        kill_at, state_dir, *urls, scenario = line.split()
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            awaits = Awaits(int(kill_at))
            asyncio.run(run(awaits, Path(state_dir), urls, scenario))
            os.write(writer, json.dumps(awaits.seen).encode())
            os._exit(0)
        os.close(writer)
        _, status = os.waitpid(pid, 0)
        seen = os.read(reader, 100).decode() or "0"
        os.close(reader)
        _answer({"code": os.waitstatus_to_exitcode(status), "seen": int(seen)})


if __name__ == "__main__":
    # What a child logs goes to stderr; the pipe that was stdout is for answers alone.
    _ANSWERS = os.dup(1)
    os.dup2(2, 1)
    zygote()
