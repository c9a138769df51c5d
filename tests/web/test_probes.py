"""Liveness and readiness."""

from __future__ import annotations

import sqlite3

from executor.web.probes import Probes
from tests.web.conftest import Site


async def test_it_is_alive_and_ready_and_while_draining_only_alive(site: Site) -> None:
    assert (await site.get("/livez"))[:2] == (200, {"status": "alive"})
    assert (await site.get("/readyz"))[1]["status"] == "ready"
    site.world.live.draining = True
    status, reply, headers = await site.get("/readyz")
    assert (status, reply["error"]["code"]) == (503, "DRAINING")
    assert headers["retry-after"]
    assert (await site.get("/livez"))[0] == 200


async def test_it_is_not_ready_while_the_disk_refuses_writes(site: Site) -> None:
    def refuse(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA query_only = ON")

    await site.world.store.database.write(refuse)
    status, reply, _ = await site.get("/readyz")
    assert (status, reply["error"]["code"]) == (503, "UNAVAILABLE")
    assert (await site.get("/livez"))[0] == 200


async def test_the_proof_of_a_write_changes_nothing(site: Site) -> None:
    probes = Probes(site.api)
    before = await site.world.store.database.fetch("PRAGMA user_version")
    await probes.readyz(None)  # type: ignore[arg-type]
    after = await site.world.store.database.fetch("PRAGMA user_version")
    assert before[0][0] == after[0][0]
