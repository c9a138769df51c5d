"""A Messages API on loopback, in JSON and SSE, as strict about a request's form as the real one.

async with ScriptedModel(script("hello", [call("bash", command="ls")])) as model:
    Claude(base_url=model.url, …)
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from aiohttp import web

from tests.fakes.model_cache import PrefixCache, tokens
from tests.fakes.model_faults import Fault, Faults, fault_for
from tests.fakes.model_form import Refused, blocks, check_form, refuse
from tests.fakes.model_words import (
    Answer,
    as_message,
    call,
    encoded,
    events_of,
    script,
    signature_of,
    text,
    thought,
)

__all__ = ["Asked", "Fault", "ScriptedModel", "call", "script", "signature_of", "text", "thought"]

Rule = Callable[[dict[str, Any], int], Answer | Awaitable[Answer]]
_ERRORS = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error",
}  # fmt: skip
_LARGEST_BODY = 32 << 20


@dataclass(slots=True)
class Asked:
    """One request for a message, from number 1: what it carried (header names in lower case), why it was
    refused, the usage and the bytes of the stream that it was sent.
    """

    number: int
    body: dict[str, Any]
    headers: Mapping[str, str]
    refused: str = ""
    usage: Mapping[str, int] | None = None
    sent: int = 0


class ScriptedModel:
    """`async with ScriptedModel(rule) as model:` serves at `model.url`; `model.requests` is what was asked.

    `rule(body, number)` answers (see Answer), plainly or as a coroutine; an error it raises is answered with
    400 and raised again when the context closes. `faults` befall requests by number or by a callable. `key`,
    if set, is the only one that is let in. `window` is how many tokens a prompt may have. `pace` is the
    seconds before every event. `catalogue` describes models (`describe`), or gives the status that asking for
    one is answered with.
    """

    def __init__(
        self,
        rule: Rule,
        *,
        faults: Faults | None = None,
        key: str = "",
        window: int = 1_000_000,
        pace: float = 0.0,
    ) -> None:
        self.rule = rule
        self.faults: Faults = faults or {}
        self.key = key
        self.window = window
        self.pace = pace
        self.requests: list[Asked] = []
        self.catalogue: dict[str, dict[str, Any] | int] = {}
        self.lookups: list[str] = []
        self.url = ""
        self._cache = PrefixCache()
        self._signed: dict[str, list[str]] = {}
        self._rule_error: BaseException | None = None
        self._runner: web.AppRunner | None = None

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The requests' bodies, in order."""
        return [asked.body for asked in self.requests]

    @property
    def refused(self) -> list[str]:
        """Why requests were refused, in the service's words."""
        return [asked.refused for asked in self.requests if asked.refused]

    def describe(self, name: str, **facts: Any) -> None:
        """Say of a model what the catalogue answers: lifecycle, retires_at, max_tokens, max_input_tokens."""
        self.catalogue[name] = _described(name) | facts

    async def __aenter__(self) -> ScriptedModel:
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/messages/count_tokens", self._count)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{id}", self._model)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._rule_error is not None and error is None:
            raise self._rule_error

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        asked, refusal = await self._heard(request)
        if asked is None or refusal is not None:
            return refusal or _error(400, "no request")
        fault = fault_for(self.faults, asked.body, asked.number)
        if fault.stall and fault.stall_after is None:
            await asyncio.sleep(fault.stall)
        if fault.body is not None:
            return web.Response(text=fault.body, status=fault.status or 200, content_type=fault.content_type)
        if fault.status:
            return _error(fault.status, fault.message, fault.error_type, fault.retry_after)
        try:
            message = await self._answered(asked)
        except Exception as error:
            self._rule_error = self._rule_error or error
            return _error(400, f"the scripted model's rule failed: {error!r}")
        message["stop_reason"] = fault.stop_reason or message["stop_reason"]
        if not asked.body.get("stream"):
            return web.json_response(message, headers=_request_id(asked.number))
        return await self._stream(request, asked, message, fault)

    async def _heard(self, request: web.Request) -> tuple[Asked | None, web.Response | None]:
        """The request as recorded, and the answer that refuses it, if it is refused."""
        try:
            body = await request.json()
        except web.HTTPRequestEntityTooLarge:
            return None, _error(413, "Request exceeds the maximum allowed number of bytes")
        except ValueError:
            return None, _error(400, "The request body is not valid JSON")
        asked = Asked(len(self.requests) + 1, body, {k.lower(): v for k, v in request.headers.items()})
        self.requests.append(asked)
        status, asked.refused = self._judged(request, body)
        return asked, _error(status, asked.refused) if asked.refused else None

    def _judged(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str]:
        key = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix(
            "Bearer "
        )
        if not key or (self.key and key != self.key):
            return 401, "invalid x-api-key" if key else "x-api-key header is required"
        if "anthropic-version" not in request.headers:
            return 400, "anthropic-version: header is required"
        try:
            check_form(body)
            self._check_signatures(body)
        except Refused as error:
            return 400, str(error)
        if self._is_gone(body["model"]):
            return 404, f"model: {body['model']}"
        size = _prompt(body)
        return 400, f"prompt is too long: {size} tokens > {self.window} maximum" if size > self.window else ""

    def _is_gone(self, model: str) -> bool:
        known = self.catalogue.get(model)
        return known == 404 or (isinstance(known, dict) and known["lifecycle"] == "retired")

    def _check_signatures(self, body: Mapping[str, Any]) -> None:
        """Thinking comes back as it was given: unaltered, and not dropped from a message whose calls stay."""
        for i, message in enumerate(body["messages"]):
            parts = blocks(message["content"])
            thoughts = [part for part in parts if part["type"] == "thinking"]
            for part in thoughts:
                altered = part["signature"] != signature_of(part["thinking"])
                refuse(altered, f"messages.{i}.content: Invalid `signature` in `thinking` block")
            had = [
                s for part in parts if part["type"] == "tool_use" for s in self._signed.get(part["id"], [])
            ]
            dropped = set(had) - {part["signature"] for part in thoughts}
            refuse(
                dropped, f"messages.{i}: `thinking` blocks of the reply that called a tool cannot be removed"
            )

    async def _answered(self, asked: Asked) -> dict[str, Any]:
        answer = self.rule(asked.body, asked.number)
        if inspect.isawaitable(answer):
            answer = await answer
        message = as_message(answer, asked.body, asked.number)
        message["usage"] = {**self._cache.usage(asked.body), **message["usage"]}
        asked.usage = message["usage"]
        signatures = [block["signature"] for block in message["content"] if block["type"] == "thinking"]
        for block in message["content"]:
            if block["type"] == "tool_use":
                self._signed[block["id"]] = signatures
        return message

    async def _stream(
        self, request: web.Request, asked: Asked, message: Mapping[str, Any], fault: Fault
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"content-type": "text/event-stream", **_request_id(asked.number)}
        )
        await response.prepare(request)
        for k, piece in enumerate(_pieces(message, fault)):
            if fault.stall_after == k:
                await asyncio.sleep(fault.stall)
            if self.pace:
                await asyncio.sleep(self.pace)
            await response.write(piece)
            asked.sent += len(piece)
        if fault.is_drop and not fault.cleanly and request.transport is not None:
            request.transport.close()
        else:
            await response.write_eof()
        return response

    async def _count(self, request: web.Request) -> web.Response:
        return web.json_response({"input_tokens": _prompt(await request.json())})

    async def _models(self, request: web.Request) -> web.Response:
        data = [known for known in self.catalogue.values() if isinstance(known, dict)]
        return web.json_response({"data": data, "has_more": False, "first_id": None, "last_id": None})

    async def _model(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        self.lookups.append(name)
        known = self.catalogue.get(name, _described(name))
        return _error(known, f"model: {name}") if isinstance(known, int) else web.json_response(known)


def _pieces(message: Mapping[str, Any], fault: Fault) -> list[bytes]:
    """The stream event by event, as far as the fault lets it come."""
    pieces = [encoded(event) for event in events_of(message, cut_tool_json=fault.cut_tool_json)]
    if fault.overload_after is not None:
        overload = encoded(("error", _error_body(fault.error_type or _ERRORS[529], "Overloaded")))
        return [*pieces[: fault.overload_after], overload]
    if fault.drop_after_bytes is not None:
        return [b"".join(pieces)[: fault.drop_after_bytes]]
    return pieces[: fault.drop_after]


def _prompt(body: Mapping[str, Any]) -> int:
    return tokens([body.get("tools"), body.get("system"), body.get("messages")])


def _described(name: str) -> dict[str, Any]:
    return {
        "type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active", "retires_at": None, "deprecated_at": None,
        "max_tokens": 128_000, "max_input_tokens": 1_000_000,
    }  # fmt: skip


def _request_id(number: int) -> dict[str, str]:
    return {"request-id": f"req_{number:06d}"}


def _error_body(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": None}


def _error(status: int, message: str, kind: str = "", retry_after: object = None) -> web.Response:
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return web.json_response(
        _error_body(kind or _ERRORS.get(status, "api_error"), message), status=status, headers=headers
    )
