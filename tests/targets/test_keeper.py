"""The keeper: live releases stay up, and are remembered where they are."""

import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from executor.domain.build import ApprovalMode, Build
from executor.store.builds import insert
from executor.store.droplets import Droplets as DropletTable
from executor.store.droplets import ReleaseRow
from executor.store.store import Store
from executor.targets.base import Running
from executor.targets.choice import OneTarget
from executor.targets.keeper import ReleaseKeeper


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[DropletTable]:
    (tmp_path / "state").mkdir()
    store = await Store.open(tmp_path / "state", str)
    build = Build(
        "build-21", "notes", 21, "notes", ApprovalMode.AUTO, "process", created_at=1.0, updated_at=1.0
    )
    await store.database.write(lambda c: insert(c, build, ()))
    yield store.droplets
    await store.close()


@pytest.fixture
async def keeper(table, target, places) -> AsyncIterator[ReleaseKeeper]:
    async with aiohttp.ClientSession() as session:
        yield ReleaseKeeper(
            droplets=table, targets=OneTarget(target), places=places, env={}, session=session, clock=time.time
        )


async def live(table: DropletTable, running: Running) -> ReleaseRow:
    row = ReleaseRow(
        running.release_id, 21, "build-21", "0.1.0", "abc123", "process", running.url, running.handle,
        "live", 1.0, 1.0,
    )  # fmt: skip
    await table.switch("notes", row)
    return row


async def remembered(table: DropletTable) -> str:
    return (await table.live_releases())[0].url


async def test_a_release_that_is_gone_is_started_again_at_its_address(
    keeper, table, target, droplets, unused_tcp_port
):
    first = droplets.release("r1")
    with socket.create_server(("127.0.0.1", unused_tcp_port)):
        running = await target.start(first)
    await live(table, running)
    await target.stop(running.handle)
    await keeper.look()
    found = await target.find(first)
    assert found is not None and found.url == await remembered(table) == running.url
    assert keeper.health == {"r1": "active"}


async def test_a_release_that_is_up_elsewhere_than_remembered_is_remembered_there(
    keeper, table, target, droplets
):
    running = await target.start(droplets.release("r1"))
    await target.prove(running, droplets.made[0])
    await live(table, replace(running, url="http://127.0.0.1:9"))
    await keeper.look()
    assert await remembered(table) == running.url
    assert keeper.health == {"r1": "active"}


async def test_another_release_at_the_remembered_address_is_no_health(
    keeper, table, target, droplets, make_target
):
    running = await target.start(droplets.release("r1"))
    await target.prove(running, droplets.made[0])
    broken = await make_target().start(droplets.release("r2", "raise SystemExit(7)\n"))
    await live(table, replace(running, release_id="r2", handle=broken.handle))
    await keeper.look()
    assert keeper.health == {"r2": "error"}
