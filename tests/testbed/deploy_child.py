"""Deploys one tiny droplet and is killed at one of its effects: `HOST STATE SOURCE RELEASE EARLIER DIE_AT`.

HOST is a JSON object with what a connection needs; EARLIER is the running release as JSON, or `null`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from executor.targets.base import Running
from tests.testbed.bed import BedHost
from tests.testbed.shipyard import Log, deployed, docker_target
from tests.testbed.tiny import tiny_release


async def main(host: str, state: str, source: str, name: str, earlier: str, die_at: str) -> None:
    machine = BedHost(**json.loads(host)).machine()
    given = json.loads(earlier)
    log = Log(Path(state) / f"effects-{name}.json", die_at)
    release = tiny_release(Path(source), name)
    await deployed(docker_target(machine, Path(state)), release, log, Running(**given) if given else None)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
