"""droplet-1 keeps little and checks nothing: what is foreign is left alone, what cannot be told is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from executor.adapters.registry_entry import Load, RegistryEntry
from executor.adapters.registry_numbered import NumberedRegistry
from executor.errors import Conflict, Permanent, Transient
from tests.fakes.numbered_registry import FakeNumberedRegistry

ENTRY = RegistryEntry(13, "analytics", "http://192.0.2.7:18513/", "build-13", "r1", {"version": "0.1.0"})
OURS = {
    "name": "analytics",
    "fqdn": "192.0.2.7:18513",
    "ip": "192.0.2.7",
    "role": "fpai:executor-12",
    "env": "production",
    "version": "0.1.0",
}


@pytest.fixture
async def fake() -> AsyncIterator[FakeNumberedRegistry]:
    async with FakeNumberedRegistry("secret") as registry:
        yield registry


@pytest.fixture
async def registry(fake: FakeNumberedRegistry) -> AsyncIterator[NumberedRegistry]:
    async with aiohttp.ClientSession() as session:
        yield NumberedRegistry(session, fake.url + "/", "secret", executor="executor-12", timeout=2)


def told(fake: FakeNumberedRegistry, droplet_id: str = "droplet-13") -> dict[str, Any]:
    return {name: value for name, value in fake.droplets[droplet_id].items() if name in OURS}


async def test_a_free_number_is_taken_with_our_mark_and_everything_that_has_a_place(fake, registry):
    done = await registry.register(ENTRY)
    assert (done.id, done.created) == (13, True)
    assert told(fake) == OURS
    assert "metadata" in registry.ways.left_out


async def test_a_second_release_updates_the_entry_and_keeps_its_price(fake, registry):
    await registry.register(ENTRY)
    fake.droplets["droplet-13"]["cost_hour"] = 0.25
    moved = replace(ENTRY, endpoint="https://analytics.example", release="r2", metadata={"version": "0.2.0"})
    assert not (await registry.register(moved)).created
    assert told(fake) | {"ip": ""} == OURS | {"fqdn": "analytics.example", "version": "0.2.0", "ip": ""}
    assert fake.requests[-1][2]["cost_hour"] == 0.25


async def test_an_entry_under_the_plain_number_is_the_same_droplet(fake, registry):
    fake.add("13", **OURS)
    assert not (await registry.register(ENTRY)).created
    assert list(fake.droplets) == ["13"]


@pytest.mark.parametrize("held_under", ["13", "droplet-13"])
@pytest.mark.parametrize(
    "theirs",
    [
        {"name": "payments", "fqdn": "pay.example"},
        {"name": "analytics", "fqdn": "elsewhere.example"},
        {"name": "analytics", "fqdn": "192.0.2.7:18513", "role": "fpai:executor-99"},
        {"name": "payments", "fqdn": "192.0.2.7:18513", "role": "fpai:executor-12"},
        {"fqdn": "192.0.2.7:18513"},
    ],
)
async def test_r3_a_foreign_droplet_is_never_replaced_though_the_registry_would(
    fake, registry, held_under, theirs, ledger
):
    fake.add(held_under, **theirs)
    with pytest.raises(Conflict) as error:
        await registry.register(ENTRY)
    assert error.value.code == "DROPLET_TAKEN"
    assert fake.writes == []
    ledger.tried("names and numbers that are somebody else's")


async def test_a_droplet_that_registered_itself_is_adopted(fake, registry):
    fake.add("droplet-13", name="analytics", fqdn="192.0.2.7:18513", role="worker")
    assert not (await registry.register(ENTRY)).created
    assert told(fake) == OURS


@pytest.mark.parametrize("writes_before", [0, 1])
async def test_r3_a_registration_whose_reply_was_lost_ends_in_one_entry(
    fake, registry, writes_before, ledger
):
    for _ in range(writes_before):
        await registry.register(ENTRY)
    fake.drop()
    with pytest.raises(Transient):
        await registry.register(ENTRY)
    assert not (await registry.register(ENTRY)).created, "what the lost write made is found and is ours"
    assert list(fake.droplets) == ["droplet-13"]
    ledger.tried("lost replies of a Registry")


async def test_r3_a_withdrawal_whose_reply_was_lost_is_over(fake, registry, ledger):
    await registry.register(ENTRY)
    fake.drop()
    with pytest.raises(Transient):
        await registry.deregister(13, "analytics")
    assert not await registry.deregister(13, "analytics")
    ledger.tried("lost replies of a Registry")


async def test_what_is_withdrawn_stays_and_points_nowhere(fake, registry):
    await registry.register(ENTRY)
    assert await registry.deregister(13, "analytics")
    assert told(fake)["env"] == "withdrawn"
    assert told(fake)["fqdn"].endswith(".invalid"), "its old address may be another droplet's"
    (found,) = await registry.known()
    assert (found.ours, found.status, found.endpoint) == (True, "inactive", "")
    assert "cannot delete" in registry.ways.stays


async def test_what_was_withdrawn_is_registered_again_in_the_same_entry(fake, registry):
    await registry.register(ENTRY)
    await registry.deregister(13, "analytics")
    (found,) = await registry.known()
    assert not registry.stands(found, ENTRY)
    await registry.register(ENTRY)
    assert told(fake) == OURS


async def test_nothing_is_withdrawn_that_is_not_there_or_not_ours(fake, registry):
    assert not await registry.deregister(13, "analytics")
    fake.add("13", name="analytics", fqdn="192.0.2.7:18513")
    with pytest.raises(Conflict):
        await registry.deregister(13, "analytics")
    assert fake.writes == []


async def test_known_reads_numbers_from_text_and_says_who_is_ours(fake, registry):
    fake.in_object = True
    await registry.register(ENTRY)
    fake.add("1", name="registry", ip="192.0.2.1")
    fake.add("web.example", fqdn="web.example")
    fake.now += 200
    await registry.heartbeat((await registry.known())[0], Load())
    assert [(d.id, d.name, d.endpoint, d.ours, d.status) for d in await registry.known()] == [
        (13, "analytics", "http://192.0.2.7:18513", True, "active"),
        (1, "registry", "http://192.0.2.1", False, "error"),
        (0, "web.example", "http://web.example", False, "error"),
    ]


@pytest.mark.parametrize(
    "change",
    [{"endpoint": "http://192.0.2.7:9"}, {"name": "other"}, {"metadata": {"version": "0.2.0"}}],
)
async def test_an_entry_that_tells_something_else_does_not_stand(registry, change):
    await registry.register(ENTRY)
    (found,) = await registry.known()
    assert registry.stands(found, ENTRY)
    assert registry.stands(found, replace(ENTRY, release="r2")), "releases have no place there"
    assert not registry.stands(found, replace(ENTRY, **change))


async def test_a_heartbeat_tells_shares_within_their_bounds_and_only_those_that_are_known(fake, registry):
    await registry.register(ENTRY)
    (found,) = await registry.known()
    assert await registry.heartbeat(found, Load(cpu=163.04, disk=-1.0))
    assert fake.beats == [{"id": "droplet-13", "cpu": 100.0, "disk": 0.0}]


async def test_a_heartbeat_for_an_entry_that_is_gone_says_so(fake, registry):
    await registry.register(ENTRY)
    (found,) = await registry.known()
    fake.droplets.clear()
    assert not await registry.heartbeat(found, Load())


async def test_its_key_goes_in_its_own_header_and_is_named_when_it_is_wrong(fake, registry):
    await registry.register(ENTRY)
    assert all("Authorization" not in headers for headers in fake.headers)
    fake.key = "another"
    with pytest.raises(Permanent, match="REGISTRY_TOKEN"):
        await registry.register(ENTRY)


@pytest.mark.parametrize("text", ["{}", "[7]", '{"droplets": 7}', '"x"'])
async def test_a_list_that_cannot_be_read_is_permanent(fake, registry, text):
    fake.answer = aiohttp.web.Response(text=text)
    with pytest.raises(Permanent):
        await registry.known()


async def test_a_registry_that_is_away_is_transient(fake, registry):
    fake.away = True
    with pytest.raises(Transient):
        await registry.register(ENTRY)
