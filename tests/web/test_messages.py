"""Orders by message: every sender's form becomes one build, however often the message comes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from executor.adapters.messenger import Messenger
from executor.adapters.safe_address import AddressRules
from executor.adapters.safe_session import safe_session
from executor.engine.deliveries import Deliveries, ReplySender
from executor.engine.reports import Reports
from executor.store.orders import Ended, Order
from tests.fakes.receiver import FakeReceiver
from tests.web.conftest import Serving, Site

INTENT = "Build Ledger Droplet to keep accounts"
A = {"from_service": "orchestrator", "message_type": "task_assignment", "payload": {"intent": INTENT}}
B = {
    "trace_id": "t-1", "source": "orchestrator", "target": "executor", "message_type": "command",
    "payload": {"command": "build", "intent": INTENT}, "timestamp": "2026-11-23T00:00:00Z",
}  # fmt: skip
TASK = json.dumps({"intent": INTENT})
C = {
    **B, "udc_version": "1.0", "trace_id": "7d9d3c57-1f4f-4a05-9f3c-2d4c1f6f1c11", "source": 10, "target": 12,
    "payload": {"task": {"id": 7, "task_type": "build", "title": "L", "payload": TASK}},
}  # fmt: skip


async def builds(site: Site) -> list[Any]:
    return (await site.get("/executor/builds"))[1]


@pytest.mark.parametrize("prefix", ["", "/executor"])
async def test_a_task_assignment_becomes_a_build(site: Site, prefix: str) -> None:
    status, reply, _ = await site.post(f"{prefix}/message", A)
    assert (status, reply["received"], reply["status"]) == (200, True, "processing")
    assert reply["result"] == ("queued" if not prefix else reply["data"])
    document = (await site.call("GET", reply["status_url"].removeprefix(site.url)))[1]
    assert (document["build_id"], document["intent"]) == (reply["build_id"], INTENT)
    assert (await site.world.until(reply["build_id"])).droplet_name == "ledger"


async def test_a_command_becomes_a_build_with_all_its_wishes(site: Site) -> None:
    wishes = {
        "droplet_id": 44, "droplet_name": "books", "approval_mode": "final", "auto_approve": True,
        "notify_channels": ["slack"], "target": "process", "color": "blue",
    }  # fmt: skip
    reply = (await site.post("/message", {**B, "payload": {**B["payload"], **wishes}}))[1]
    assert (reply["result"], reply["trace_id"]) == ("queued", "t-1")
    build = await site.world.store.builds.get(reply["build_id"])
    assert (build.droplet_id, build.droplet_name, build.approval_mode) == (44, "books", "final")
    assert (build.auto_approve, build.notify_channels) == (True, ("slack",))
    assert any("payload.color" in warning for warning in reply["data"]["warnings"])


async def test_an_envelope_with_a_task_of_droplet_10_becomes_a_build(site: Site) -> None:
    reply = (await site.post("/message", C))[1]
    assert (reply["message_type"], reply["trace_id"], reply["source"], reply["target"]) == (
        "response", C["trace_id"], 12, 10,
    )  # fmt: skip
    build = await site.world.store.builds.get(reply["payload"]["result"]["build_id"])
    assert build.intent == INTENT


@pytest.mark.parametrize("body", [A, B, C, {**A, "message_id": "m-1"}, {**B, "trace_id": None}])
async def test_an_order_that_comes_three_times_at_once_is_one_build(site: Site, body: dict[str, Any]) -> None:
    replies = await asyncio.gather(*(site.post("/message", body) for _ in range(3)))
    assert {status for status, _, _ in replies} == {200}
    assert (
        len(
            {
                json.dumps(reply.get("build_id") or reply["payload"]["result"]["build_id"])
                for _, reply, _ in replies
            }
        )
        == 1
    )
    assert len(await builds(site)) == 1


async def test_a_repeat_after_the_end_says_how_it_ended(site: Site) -> None:
    first = (await site.post("/message", B))[1]
    await site.world.until(first["build_id"])
    again = (await site.post("/message", {**B, "timestamp": "2026-11-23T00:00:19Z"}))[1]
    assert (again["build_id"], again["status"], again["result"]) == (
        first["build_id"],
        "completed",
        "success",
    )


async def test_an_identical_order_an_hour_later_is_a_new_one(site: Site) -> None:
    first = (await site.post("/message", A))[1]
    await site.world.store.database.write(
        lambda c: c.execute("UPDATE idempotency_keys SET at = at - 3600") and None
    )
    later = (await site.post("/message", A))[1]
    assert later["build_id"] != first["build_id"]
    assert (await site.post("/message", A))[1]["build_id"] == later["build_id"]
    assert len(await builds(site)) == 2


async def test_a_trace_may_hold_two_orders_and_senders_are_kept_apart(site: Site) -> None:
    other = {**B, "payload": {"intent": "Build Stock Droplet to count things"}}
    stranger = {**A, "from_service": "coordinator", "payload": {**A["payload"], "droplet_name": "ledger-two"}}
    for body in (B, other, A, stranger):
        status, reply, _ = await site.post("/message", body)
        assert status == 200, reply
    assert len(await builds(site)) == 4


async def test_a_task_with_another_content_is_refused_and_names_the_first_build(site: Site) -> None:
    task = {**A, "payload": {"task_id": 5, "intent": INTENT}}
    first = (await site.post("/message", task))[1]
    status, reply, _ = await site.post(
        "/message", {**A, "payload": {"task_id": 5, "intent": "Build Other Droplet"}}
    )
    assert (status, reply["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert reply["error"]["details"]["build_id"] == first["build_id"]


@pytest.mark.parametrize(
    ("payload", "loc"),
    [
        ({"command": "build"}, ["payload", "intent"]),
        ({"intent": ""}, ["payload", "intent"]),
        ({"intent": 5}, ["payload", "intent"]),
        ({"intent": INTENT, "droplet_id": "x"}, ["payload", "droplet_id"]),
        (
            {"task": {"payload": {"intent": INTENT, "budget_usd": -1}}},
            ["payload", "task", "payload", "budget_usd"],
        ),
        ({"intent": INTENT, "notify_channels": ["pager"]}, ["payload", "notify_channels"]),
        ({"intent": INTENT, "reply_to": "http://127.0.0.1:9000/x"}, ["payload", "reply_to"]),
        ({"intent": INTENT, "reply_to": ["x"]}, ["payload", "reply_to"]),
    ],
)
async def test_an_order_that_cannot_be_taken_is_400_and_says_where(
    site: Site, payload: Any, loc: list[str]
) -> None:
    status, reply, _ = await site.post("/message", {**A, "payload": payload})
    assert (status, reply["error"]["code"]) == (400, "INVALID_INPUT")
    assert reply["error"]["details"]["fields"][0]["loc"] == loc
    assert await builds(site) == []


@pytest.mark.parametrize(
    "reply_to",
    ["http://localhost.:22/", "http://127.0.0.1:9000/", "http://0x7f.1/", "file:///etc/passwd", "http://a@b.example/",
     "http://169.254.169.254/latest", "../message"],
)  # fmt: skip
async def test_an_answer_is_never_promised_to_an_inner_address(site: Site, reply_to: str) -> None:
    status, reply, _ = await site.post("/message", {**A, "reply_to": reply_to})
    assert (status, reply["error"]["details"]["fields"][0]["loc"]) == (400, ["reply_to"])
    assert await builds(site) == []


async def test_whom_to_tell_is_stored_with_the_build(serve: Serving) -> None:
    async with serve(orchestrator={"reply_hosts": ["127.0.0.1"]}) as site:
        address = "http://127.0.0.1:9000/message"
        build = await site.world.until(
            (await site.post("/message", {**A, "reply_to": address}))[1]["build_id"]
        )
        named = (await site.post("/message", {**C, "payload": {**C["payload"], "reply_to": 10}}))[1][
            "payload"
        ]["result"]
        await site.world.until(named["build_id"])
        ended = await site.world.store.orders.ended()
    form = {"variant": "a", "sender": "orchestrator", "trace_id": None}
    assert ended[0] == Ended(build.id, Order("reply", "", address, form), build.finished_at)
    assert (ended[1].order.address, ended[1].order.form["variant"]) == ("10", "c")
    assert any("[registry] url" in warning for warning in named["warnings"])


async def test_an_order_to_a_daemon_that_stops_is_503_and_starts_nothing(site: Site) -> None:
    site.world.live.draining = True
    assert (await site.post("/message", A))[0] == 503
    assert await builds(site) == []


async def test_an_order_by_message_is_answered_at_once_and_its_end_told_to_reply_to(serve: Serving) -> None:
    async with (
        FakeReceiver() as orderer,
        serve(orchestrator={"reply_hosts": ["127.0.0.1"]}) as site,
        safe_session(AddressRules.of(site.api.settings)) as session,
    ):
        messenger = Messenger(session, AddressRules.of(site.api.settings))
        deliveries = Deliveries(
            store=site.world.store,
            senders={"reply": ReplySender(messenger)},
            reports=Reports(site.url, 12),
            clock=site.world.live.now,
        )
        site.world.listeners.append(deliveries.note)
        running = asyncio.create_task(deliveries.run())
        orders = [site.post("/message", {**A, "reply_to": f"{orderer.url}/done"}) for _ in range(3)]
        build_id = {reply["build_id"] for _, reply, _ in await asyncio.gather(*orders)}
        (heard,) = await orderer.until(1)
        await site.world.until(*build_id)
        await deliveries.look()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert (heard.path, heard.body["from_service"]) == ("/done", "executor")
    assert {heard.body["payload"]["build_id"]} == build_id
    assert heard.body["payload"]["status"] == "complete"
    assert len(orderer.heard) == 1
