"""Registering never replaces what is not ours, survives lost replies, and keeps what others wrote."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from executor.adapters.registry import CoreRegistry, RegistryEntry
from executor.errors import Conflict, ExecutorError, Permanent, Transient
from executor.redaction import know
from tests.fakes.registry import FakeRegistry
from tests.proof.ledger import Ledger

ENTRY = RegistryEntry(13, "analytics", "http://127.0.0.1:18513/", "build-13", "r1", {"version": "0.1.0"})


@pytest.fixture
async def fake() -> AsyncIterator[FakeRegistry]:
    async with FakeRegistry() as registry:
        yield registry


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def registry(fake: FakeRegistry, session: aiohttp.ClientSession) -> CoreRegistry:
    return CoreRegistry(session, fake.url + "/", "secret", executor="droplet-12", timeout=2)


async def test_a_free_id_and_name_are_taken_with_our_mark(fake: FakeRegistry, registry: CoreRegistry) -> None:
    done = await registry.register(ENTRY)
    assert (done.id, done.created) == (13, True)
    assert fake.droplets[13]["endpoint"] == "http://127.0.0.1:18513"
    assert fake.droplets[13]["metadata"] == {
        "version": "0.1.0",
        "fpai": {"executor": "droplet-12", "build_id": "build-13", "release": "r1", "keys": ["version"]},
    }
    assert fake.headers[0]["Authorization"] == "Bearer secret"


async def test_a_second_release_changes_the_entry_and_keeps_what_others_wrote(
    fake: FakeRegistry, registry: CoreRegistry
) -> None:
    await registry.register(ENTRY)
    fake.droplets[13]["metadata"]["owner"] = "somebody"
    done = await registry.register(
        RegistryEntry(13, "analytics", "http://127.0.0.1:2", "build-14", "r2", {"version": "0.2.0"})
    )
    assert not done.created
    assert fake.droplets[13]["endpoint"] == "http://127.0.0.1:2"
    assert fake.droplets[13]["metadata"]["owner"] == "somebody"
    assert fake.droplets[13]["metadata"]["version"] == "0.2.0"
    assert fake.droplets[13]["metadata"]["fpai"]["release"] == "r2"


async def test_a_foreign_droplet_under_the_id_is_never_replaced(
    fake: FakeRegistry, registry: CoreRegistry
) -> None:
    fake.add(13, "payments")
    with pytest.raises(Conflict, match="payments") as error:
        await registry.register(ENTRY)
    assert error.value.details["name"] == "payments"
    assert fake.writes == []


@pytest.mark.parametrize("droplet_id", [13, 99])
async def test_a_foreign_droplet_of_the_name_is_never_replaced(
    fake: FakeRegistry, registry: CoreRegistry, droplet_id: int
) -> None:
    fake.add(droplet_id, "analytics", fpai={"executor": "another"})
    with pytest.raises(Conflict):
        await registry.register(ENTRY)
    assert fake.writes == []


async def test_a_droplet_that_registered_itself_is_adopted(
    fake: FakeRegistry, registry: CoreRegistry
) -> None:
    fake.add(13, "analytics", "http://127.0.0.1:18513", steward="itself")
    assert not (await registry.register(ENTRY)).created
    assert fake.droplets[13]["metadata"]["steward"] == "itself"
    assert fake.droplets[13]["metadata"]["fpai"]["executor"] == "droplet-12"


@pytest.mark.parametrize("writes_before", [0, 1])
async def test_r3_a_registration_whose_reply_was_lost_is_found_again_and_not_repeated(
    fake: FakeRegistry, registry: CoreRegistry, writes_before: int, ledger: Ledger
) -> None:
    for _ in range(writes_before):
        await registry.register(ENTRY)
    fake.drop()
    with pytest.raises(Transient):
        await registry.register(ENTRY)
    await registry.register(ENTRY)
    assert list(fake.droplets) == [13]
    assert [method for method, _ in fake.writes].count("POST") == 1
    ledger.tried("lost replies of a Registry")


async def test_a_restarted_registry_is_filled_again(fake: FakeRegistry, registry: CoreRegistry) -> None:
    await registry.register(ENTRY)
    fake.restart()
    assert (await registry.register(ENTRY)).created


async def test_a_name_taken_between_look_and_write_is_a_conflict(fake: FakeRegistry) -> None:
    fake.add(77, "analytics")
    async with RacingRegistry(fake) as racing, aiohttp.ClientSession() as session:
        with pytest.raises(Conflict):
            await CoreRegistry(session, racing.url, executor="droplet-12").register(ENTRY)
    assert list(racing.droplets) == [77]


class RacingRegistry(FakeRegistry):
    """Somebody registers our name right after we looked for it."""

    def __init__(self, other: FakeRegistry) -> None:
        super().__init__()
        self._other = other

    async def _by_name(self, request: web.Request) -> web.Response:
        answer = await super()._by_name(request)
        self.droplets.update(self._other.droplets)
        return answer


async def test_known_lists_every_droplet_and_which_are_ours(
    fake: FakeRegistry, registry: CoreRegistry
) -> None:
    await registry.register(ENTRY)
    fake.add(1, "registry", "http://r:8000/")
    known = await registry.known()
    assert [(d.id, d.name, d.endpoint, d.ours) for d in known] == [
        (13, "analytics", "http://127.0.0.1:18513", True),
        (1, "registry", "http://r:8000", False),
    ]


async def test_ours_is_removed_once(fake: FakeRegistry, registry: CoreRegistry) -> None:
    await registry.register(ENTRY)
    assert await registry.deregister(13, "analytics")
    assert not await registry.deregister(13, "analytics")
    assert fake.droplets == {}


async def test_r3_a_removal_whose_reply_was_lost_is_over(
    fake: FakeRegistry, registry: CoreRegistry, ledger: Ledger
) -> None:
    await registry.register(ENTRY)
    fake.drop(2)  # the HTTP client itself tries a DELETE twice
    with pytest.raises(Transient):
        await registry.deregister(13, "analytics")
    assert not await registry.deregister(13, "analytics")
    ledger.tried("lost replies of a Registry")


async def test_what_the_release_before_told_of_itself_does_not_outlive_it(
    fake: FakeRegistry, registry: CoreRegistry
) -> None:
    await registry.register(replace(ENTRY, metadata={"version": "0.1.0", "spec_score": 90}))
    fake.droplets[13]["metadata"]["owner"] = "somebody"
    await registry.register(replace(ENTRY, release="r2", metadata={"version": "0.2.0"}))
    metadata = fake.droplets[13]["metadata"]
    assert (metadata["version"], metadata["owner"], "spec_score" in metadata) == ("0.2.0", "somebody", False)


@pytest.mark.parametrize(
    "change",
    [{"endpoint": "http://127.0.0.1:9"}, {"release": "r2"}, {"metadata": {"version": "0.2.0"}}],
)
async def test_an_entry_that_tells_something_else_does_not_stand(
    registry: CoreRegistry, change: dict[str, Any]
) -> None:
    await registry.register(ENTRY)
    (found,) = await registry.known()
    assert registry.stands(found, ENTRY)
    assert not registry.stands(found, replace(ENTRY, **change))


async def test_the_status_of_an_entry_of_ours_changes_and_nothing_else(
    fake: FakeRegistry, registry: CoreRegistry
) -> None:
    await registry.register(ENTRY)
    before = dict(fake.droplets[13])
    await registry.set_status(13, "analytics", "error")
    await registry.set_status(13, "analytics", "error")
    assert fake.droplets[13] | {"updated_at": 0} == before | {"status": "error", "updated_at": 0}
    assert fake.writes.count(("PATCH", "/droplets/13")) == 1


async def test_the_status_of_a_foreign_entry_is_left_alone(
    fake: FakeRegistry, registry: CoreRegistry
) -> None:
    fake.add(13, "analytics")
    with pytest.raises(Conflict):
        await registry.set_status(13, "analytics", "error")
    assert fake.writes == []


async def test_the_status_of_an_entry_that_is_gone_is_nobodys(
    fake: FakeRegistry, registry: CoreRegistry
) -> None:
    await registry.set_status(13, "analytics", "error")
    assert fake.writes == []


async def test_a_foreign_entry_is_never_removed(fake: FakeRegistry, registry: CoreRegistry) -> None:
    fake.add(13, "analytics")
    with pytest.raises(Conflict):
        await registry.deregister(13, "analytics")
    assert 13 in fake.droplets


async def test_a_server_error_is_transient(fake: FakeRegistry, registry: CoreRegistry) -> None:
    fake.fail()
    with pytest.raises(Transient, match="500"):
        await registry.register(ENTRY)
    assert (await registry.register(ENTRY)).created


async def test_a_registry_that_is_down_is_transient(session: aiohttp.ClientSession, unused_port: int) -> None:
    with pytest.raises(Transient):
        await CoreRegistry(session, f"http://127.0.0.1:{unused_port}").known()


@pytest.fixture
async def unused_port() -> int:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"text": "<html>", "status": 200}, Permanent),
        ({"text": "[1]", "status": 200}, Permanent),
        ({"text": "{}", "status": 200}, Permanent),
        ({"text": '{"droplets": [{"name": "x"}]}', "status": 200}, Permanent),
        ({"text": '{"droplets": [7]}', "status": 200}, Permanent),
        ({"text": "x" * (5 << 20), "status": 200}, Permanent),
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, Permanent),
        ({"status": 401, "text": "no"}, Permanent),
        ({"status": 409, "text": "no"}, Conflict),
        ({"status": 503, "text": "later"}, Transient),
    ],
)
async def test_a_strange_answer_is_sorted_by_what_to_do_next(
    fake: FakeRegistry, registry: CoreRegistry, answer: dict[str, object], kind: type[Exception]
) -> None:
    fake.answer = web.Response(**answer)  # type: ignore[arg-type]
    with pytest.raises(kind):
        await registry.known()
    assert len(fake.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_registry_that_asks_for_a_token_names_its_secret(
    fake: FakeRegistry, registry: CoreRegistry, status: int
) -> None:
    fake.answer = web.Response(status=status)
    with pytest.raises(Permanent, match="REGISTRY_TOKEN"):
        await registry.known()


async def test_the_wait_that_the_registry_asks_for_is_passed_on(
    fake: FakeRegistry, registry: CoreRegistry
) -> None:
    fake.answer = web.Response(status=429, headers={"Retry-After": "17"})
    with pytest.raises(Transient) as error:
        await registry.known()
    assert error.value.retry_after == 17


async def test_an_address_that_is_none_is_permanent(session: aiohttp.ClientSession) -> None:
    with pytest.raises(Permanent, match=r"\[registry\] url"):
        await CoreRegistry(session, "registry").known()


@pytest.mark.parametrize("before", [0, 270, 280, 299, 310])
@pytest.mark.parametrize("status", [401, 409, 418, 503])
async def test_a_service_that_says_a_token_back_is_quoted_without_it(
    fake: FakeRegistry, session: aiohttp.ClientSession, status: int, before: int, ledger: Ledger
) -> None:
    token = "canary-03d1-of-the-registry"
    said = f"{'x' * before}{token} in Bearer {base64.b64encode(token.encode()).decode()}"
    fake.answer = web.Response(status=status, text=said)
    know([token])
    try:
        with pytest.raises(ExecutorError) as refused:
            await CoreRegistry(session, fake.url, token, executor="droplet-12").register(ENTRY)
    finally:
        know(())
    told = f"{refused.value} {refused.value.details}"
    assert "xxx" in told or not before
    assert "canar" not in told and "Y2FuYX" not in told
    ledger.tried("services that say a token back", threat="secrets in logs, git and prompts")
