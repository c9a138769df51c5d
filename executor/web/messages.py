"""POST /message: the contract's inbox, in variants A and B and in an envelope (ecosystem.md, 1.1 and 1.3)."""

from __future__ import annotations

import secrets
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

from executor.adapters.safe_address import AddressRules
from executor.domain.build import Build, State
from executor.domain.events import iso
from executor.domain.orders import FoundOrder, find_order
from executor.errors import Invalid, NotFound
from executor.web.api import Api
from executor.web.bodies import invalid, parse, read_json
from executor.web.contract import SERVICE, UDC_VERSION
from executor.web.envelope import request_id_of
from executor.web.lookup import find_build
from executor.web.message_orders import order_key, reply_order
from executor.web.operations import Handler
from executor.web.orders import at_its_place, submit_fields
from executor.web.replies import Json
from executor.web.schemas import MessageBody
from executor.web.status import StatusDocuments

log = structlog.get_logger(__name__)

_ORDERS = {"task_assignment", "command"}
# A build's state in variant A's word for `status` and in variant B's for `result`.
_ENDED = {State.COMPLETE: ("completed", "success")}
_FAILED = dict.fromkeys(
    (State.FAILED, State.CANCELLED, State.REJECTED, State.ROLLED_BACK), ("failed", "error")
)
_DONE = ("completed", "success")
_GOING_ON = ("processing", "queued")


class Messages:
    """Answers queries, takes note of events, and turns orders for a build into builds."""

    def __init__(self, api: Api, documents: StatusDocuments) -> None:
        self._api = api
        self._documents = documents
        self._rules = AddressRules.of(api.settings)

    def message(self, variant: str) -> Handler:
        """The handler whose `result` has the form of variant `a` (an object) or `b` (a word)."""

        async def message(request: Request) -> Response:
            body = parse(MessageBody, await read_json(request))
            if body.message_type in _ORDERS:
                result, words = await self._ordered(body, request_id_of(request))
            else:
                result, words = await self._result(body), _DONE
            log.info(
                "message_received",
                message_type=body.message_type,
                source=body.from_service or body.source,
                build_id=result.get("build_id"),
            )
            if body.udc_version is not None:
                return Json(self._envelope(body, result))
            return Json(self._answer(body, result, words, variant))

        return message

    async def _ordered(self, body: MessageBody, request_id: str) -> tuple[dict[str, Any], tuple[str, str]]:
        """Start the build that is asked for, once however often the message comes.

        Raises Invalid for another order and for one that cannot be taken, and what a submit raises.
        """
        found = find_order(body.payload)
        if found is None:
            raise _not_taken(body)
        fields = submit_fields(found)
        order = reply_order(body, found, self._rules)
        key, digest, seconds = order_key(body, found)
        asked = self._api.submit_request(
            **fields,
            idempotency_key=key,
            key_seconds=seconds,
            body_digest=digest,
            request_id=request_id,
            order=order,
        )
        try:
            reply = await self._api.commands.submit(asked)
        except Invalid as error:
            raise (at_its_place(error, found) if "fields" in error.details else error) from error
        warnings = [*reply.warnings, *_not_understood(found)]
        if order is not None and "://" not in order.address and not self._api.settings.registry.url:
            warnings.append(
                f"{order.address} cannot be told of the end: no [registry] url is set to find it."
            )
        words = (_ENDED | _FAILED).get(reply.build.state, _GOING_ON)
        return self._started(reply.build, reply.estimated_completion, warnings), words

    def _started(self, build: Build, estimated: float, warnings: list[str]) -> dict[str, Any]:
        document = self._documents.document(build)
        return {
            "build_id": build.id,
            "build_status": document["status"],
            "droplet_id": build.droplet_id,
            "droplet_name": build.droplet_name,
            "status_url": document["status_url"],
            "stream_url": document["stream_url"],
            "web_url": document["web_url"],
            "estimated_completion": iso(estimated),
            "warnings": warnings,
        }

    async def _result(self, body: MessageBody) -> dict[str, Any]:
        if body.message_type != "query":
            return {}
        build_id = body.payload.get("build_id")
        if build_id is None:
            return {"builds": dict(self._api.live.counts()), "version": self._api.version}
        if not isinstance(build_id, str):
            raise invalid(["payload", "build_id"], "the id of a build is expected")
        try:
            return {"build": self._documents.document(await find_build(self._api, build_id))}
        except NotFound:
            return {"build": None}

    def _answer(
        self, body: MessageBody, result: dict[str, Any], words: tuple[str, str], variant: str
    ) -> dict[str, Any]:
        named: dict[str, Any] = {name: result[name] for name in ("build_id", "status_url") if name in result}
        return {
            "received": True,
            "message_id": f"msg-{secrets.token_hex(8)}",
            "trace_id": body.trace_id or secrets.token_hex(16),
            "status": words[0],
            "processed_at": iso(self._api.live.now()),
            "result": result if variant == "a" else words[1],
            "data": result,
            **named,
        }

    def _envelope(self, body: MessageBody, result: dict[str, Any]) -> dict[str, Any]:
        now = iso(self._api.live.now())
        own_id = self._api.settings.server.droplet_id
        return {
            "udc_version": UDC_VERSION,
            "trace_id": body.trace_id or secrets.token_hex(16),
            "source": own_id if isinstance(body.source, int) else f"droplet-{own_id}",
            "target": body.source,
            "message_type": "response",
            "timestamp": now,
            "payload": {"received": True, "processed_at": now, "result": result, "error": None},
            "received": True,
        }


def _not_understood(found: FoundOrder) -> list[str]:
    return [f"payload.{name} means nothing here and was left out." for name in found.unknown]


def _not_taken(body: MessageBody) -> Invalid:
    return Invalid(
        f"The {SERVICE} received this message, but it orders no build; nothing was started.",
        hint="Send an intent in the payload, or order with POST /executor/build-droplet.",
        code="MESSAGE_NOT_SUPPORTED",
        details={"received": True, "trace_id": body.trace_id, "message_type": body.message_type},
    )
