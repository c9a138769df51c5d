"""Whom a build has told of what, as callers read it."""

from __future__ import annotations

from dataclasses import replace

from executor.store.outbox import Outgoing, put
from executor.web.documents import NotificationDocument
from tests.web.conftest import Site


async def test_notices_are_told_waiting_or_given_up(site: Site) -> None:
    build = await site.finished()
    store = site.world.store
    notice = Outgoing("n-1", "notify", build.id, "slack", {"kind": "build.completed"}, 1_800_000_000.0)
    others = [
        replace(notice, id="n-2", address="email"),
        replace(notice, id="n-3", address="ops"),
        replace(notice, id="n-4", kind="reply", address="http://192.0.2.1/"),
    ]
    for message in (notice, *others):
        await store.database.write(lambda c, message=message: put(c, message) and None)
    await store.outbox.begin("n-1", 0.0)
    await store.outbox.sent("n-1", 1_800_000_002.0)
    await store.outbox.begin("n-2", 0.0)
    await store.outbox.postponed("n-2", 1_800_000_060.0, "the server is away")
    await store.outbox.given_up("n-3", 1_800_000_090.0, "The channel ops is not configured.")
    status, rows, _ = await site.get(f"/executor/builds/{build.id}/notifications")
    assert status == 200
    told, waits, gone = (NotificationDocument.model_validate(row) for row in rows)
    assert (told.channel, told.about, told.state) == ("slack", "build.completed", "told")
    assert told.told_at == "2027-01-15T08:00:02.000Z" and told.next_try_at is None
    assert (waits.state, waits.attempts, waits.reason) == ("waiting", 1, "the server is away")
    assert waits.next_try_at == "2027-01-15T08:01:00.000Z"
    assert (gone.state, gone.reason) == ("given_up", "The channel ops is not configured.")


async def test_a_build_without_channels_has_told_nobody_and_an_unknown_one_is_not_found(site: Site) -> None:
    build = await site.finished()
    assert (await site.get(f"/executor/builds/{build.id}/notifications"))[1] == []
    status, body, _ = await site.get("/executor/builds/build-1-x-20261114-001/notifications")
    assert status == 404 and body["error"]["code"] == "BUILD_NOT_FOUND"
