"""Builds one after another in one daemon, killed at random; prints what its last life holds on to.

`python -m tests.crash.soak DIR WORLD REGISTRY MODEL COUNT`: the parent kills it as often as it likes and
starts it again; the life that comes to the end prints its file descriptors, threads, children and memory when
a quarter of what it found to do is done, and at the end.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from pathlib import Path

from executor.assembly import Daemon, assembled
from executor.domain.build import FINISHED
from executor.engine.requests import SubmitRequest
from executor.settings import Configuration, Secrets
from executor.settings_tables import Settings
from tests.crash.outside import outside_of


def held() -> dict[str, int]:
    """What this process holds right now."""
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        "fds": len(os.listdir("/proc/self/fd")),
        "threads": int(status["Threads"]),
        "kib": int(status["VmRSS"].split()[0]),
        "children": len(children),
        "tasks": len(asyncio.all_tasks()),
    }


async def finished(daemon: Daemon) -> int:
    found = await daemon.store.database.fetch(
        f"SELECT count(*) AS n FROM builds WHERE state IN ({', '.join('?' * len(FINISHED))})",
        tuple(FINISHED),
    )
    return int(found[0]["n"])


async def drive(daemon: Daemon, count: int) -> list[dict[str, int]]:
    for number in range(count):
        intent = f"Build Shelf{number} Droplet that stores books with title"
        key = f"soak-{number}"
        await daemon.commands.submit(SubmitRequest(intent, idempotency_key=key, body_digest=key))
    begun, measured = await finished(daemon), []
    with daemon.bus.subscribe(None) as heard:
        while (done := await finished(daemon)) < count:
            if not measured and done >= begun + (count - begun) // 4:
                measured.append(held())
            await heard.take(1.0)
    await asyncio.sleep(0.5)
    return [*measured, held()]


async def main(words: list[str]) -> None:
    state_dir, world_url, registry_url, model_url = Path(words[0]), *words[1:4]
    settings = Settings.model_validate({"registry": {"url": registry_url}, "builds": {"max_queued": 10_000}})
    configuration = Configuration(settings, Secrets({}), None, state_dir)
    outside = outside_of(world_url, registry_url, model_url, state_dir, "happy")
    async with assembled(configuration, str, outside) as daemon:
        print(json.dumps(await drive(daemon, int(words[4]))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
