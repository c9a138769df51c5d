"""POST /message: the contract's inbox, in variants A and B and in an envelope (ecosystem.md, 1.1 and 1.3)."""

from __future__ import annotations

import secrets
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

from executor.domain.events import iso
from executor.errors import Invalid, NotFound
from executor.web.api import Api
from executor.web.bodies import invalid, parse, read_json
from executor.web.contract import SERVICE, UDC_VERSION
from executor.web.lookup import find_build
from executor.web.operations import Handler
from executor.web.replies import Json
from executor.web.schemas import MessageBody
from executor.web.status import StatusDocuments

log = structlog.get_logger(__name__)

_ORDERS = {"task_assignment", "command"}


class Messages:
    """Answers queries, takes note of events, says no to orders: builds are ordered at their own address."""

    def __init__(self, api: Api, documents: StatusDocuments) -> None:
        self._api = api
        self._documents = documents

    def message(self, variant: str) -> Handler:
        """The handler whose `result` has the form of variant `a` (an object) or `b` (a word)."""

        async def message(request: Request) -> Response:
            value = await read_json(request)
            body = parse(MessageBody, value)
            if body.message_type in _ORDERS:
                raise _not_taken(body)
            result = await self._result(body)
            log.info(
                "message_received", message_type=body.message_type, source=body.from_service or body.source
            )
            if body.udc_version is not None:
                return Json(self._envelope(body, result))
            return Json(self._answer(body, result, variant))

        return message

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

    def _answer(self, body: MessageBody, result: dict[str, Any], variant: str) -> dict[str, Any]:
        return {
            "received": True,
            "message_id": f"msg-{secrets.token_hex(8)}",
            "trace_id": body.trace_id or secrets.token_hex(16),
            "status": "completed",
            "processed_at": iso(self._api.live.now()),
            "result": result if variant == "a" else "success",
            "data": result,
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


def _not_taken(body: MessageBody) -> Invalid:
    return Invalid(
        f"The {SERVICE} received this message, but takes no orders by message; nothing was started.",
        hint="Order a build with POST /executor/build-droplet.",
        code="MESSAGE_NOT_SUPPORTED",
        details={"received": True, "trace_id": body.trace_id, "message_type": body.message_type},
    )
