"""Errors as every caller sees them (interfaces.md, Errors): one envelope, one code a cause, no traceback."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from executor.errors import (
    Conflict,
    ExecutorError,
    Invalid,
    NotFound,
    Overloaded,
    Permanent,
    ReleaseAtFault,
    Transient,
    Unavailable,
)
from executor.web.replies import Json

log = structlog.get_logger(__name__)

_STATUS: tuple[tuple[type[ExecutorError], int], ...] = (
    (Invalid, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Overloaded, 429),
    (Unavailable, 503),
    (Transient, 503),
    (Permanent, 502),
    (ReleaseAtFault, 502),
)
_POLICY_VIOLATION, _INTERNAL = 1008, 1011
_SENTENCES = {
    404: ("NOT_FOUND", "There is nothing at this address.", "See /docs for every route."),
    405: (
        "METHOD_NOT_ALLOWED",
        "This address does not take this method.",
        "The Allow header names those it takes.",
    ),
    413: (
        "BODY_TOO_LARGE",
        "The body is larger than 64 KiB; nothing was read from it.",
        "Send a shorter one.",
    ),
}


class Refusal(ExecutorError):
    """An answer that belongs to HTTP alone: 401, 403, 405, 408, 413, 415, 426, 429."""

    def __init__(
        self, status: int, code: str, message: str, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.status = status
        self.headers = dict(headers or {})


def too_large() -> Refusal:
    """The refusal of a body above the cap. The connection ends, since the rest of the body is not wanted."""
    return Refusal(413, *_SENTENCES[413], headers={"connection": "close"})


def too_slow() -> Refusal:
    """The refusal of a body that does not come. The connection ends with it."""
    message = "The body took too long to come; nothing was done with what came of it."
    return Refusal(408, "REQUEST_TIMEOUT", message, "Send it again.", headers={"connection": "close"})


def status_of(error: ExecutorError) -> int:
    """The HTTP status of an error; what no caller can be blamed for is 500."""
    if isinstance(error, Refusal):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def error_body(
    code: str, message: str, request_id: str, hint: str = "", details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The envelope."""
    shown = {**(details or {}), **({"hint": hint} if hint else {})}
    return {"error": {"code": code, "message": message, "details": shown, "request_id": request_id}}


def error_response(error: ExecutorError, request_id: str) -> Response:
    """Any of our errors as a reply."""
    status = status_of(error)
    headers = dict(error.headers) if isinstance(error, Refusal) else {}
    wait = getattr(error, "retry_after", None)
    if wait is not None or status == 503:
        headers["retry-after"] = str(max(1, round(wait or 1)))
    body = error_body(error.code, error.message, request_id, error.hint, error.details)
    return Json(body, status, headers)


def unexpected_response(request_id: str) -> Response:
    """The reply to a fault of ours; the log has the rest under the same request id."""
    message = "The daemon met a fault of its own; builds go on and nothing of them is lost."
    hint = f"Report it with the log lines of request {request_id}."
    return Json(error_body("INTERNAL_ERROR", message, request_id, hint), 500)


async def on_executor_error(connection: Request | WebSocket, error: Exception) -> Response | None:
    """Starlette's handler for ExecutorError, for requests and for WebSockets that are not accepted yet."""
    assert isinstance(error, ExecutorError)  # noqa: S101 - registered for this class only
    if status_of(error) >= 500:
        log.warning("request_refused", code=error.code, reason=str(error))
    return await _answer(connection, error)


async def on_http_exception(connection: Request | WebSocket, error: Exception) -> Response | None:
    """Starlette's handler for its own 404, 405 and 413."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    status = error.status_code
    words = HTTPStatus(status)
    fallback = (words.name, f"{words.phrase}.", "")
    code, message, hint = _SENTENCES.get(status, fallback)
    refusal = Refusal(status, code, message, hint, headers=_sorted_allow(error.headers))
    return await _answer(connection, refusal)


def request_id_of(connection: Request | WebSocket) -> str:
    """The id that the correlation middleware gave this request."""
    return str(connection.scope.get("fpai.request_id", ""))


async def _answer(connection: Request | WebSocket, error: ExecutorError) -> Response | None:
    response = error_response(error, request_id_of(connection))
    if isinstance(connection, WebSocket):
        await _deny(connection, response)
        return None
    return response


async def _deny(websocket: WebSocket, response: Response) -> None:
    if websocket.application_state is not WebSocketState.CONNECTING:
        await websocket.close(_INTERNAL)
    elif "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(response)
    else:
        await websocket.close(_POLICY_VIOLATION)


def _sorted_allow(headers: Mapping[str, str] | None) -> dict[str, str]:
    shown = dict(headers or {})
    if "Allow" in shown:
        shown["Allow"] = ", ".join(sorted(shown["Allow"].split(", ")))
    return shown
