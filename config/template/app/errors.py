"""Every answer that is not a success has the same body, and none tells how the inside works."""

import logging
import sqlite3
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.context import REQUEST_ID
from app.models import ErrorDetail, ErrorReply

CODES = {
    400: "INVALID_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    503: "DEPENDENCY_UNAVAILABLE",
}
MAX_FIELDS = 50
MAX_TEXT = 300

logger = logging.getLogger(__name__)


def _plain(text: object) -> str:
    """Return bounded text that can be written as UTF-8."""
    return str(text)[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")


def error_response(
    status: int,
    message: str,
    *,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Build the answer for an error.

    Args:
        status: The HTTP status, 400 or above.
        message: One sentence for the caller.
        details: More facts for the caller, such as the fields at fault.
        headers: Headers to add.

    Returns:
        The response with the error body.
    """
    code = CODES.get(status, "INVALID_REQUEST" if status < 500 else "INTERNAL_ERROR")
    detail = ErrorDetail(
        code=code,
        message=_plain(message),
        details=dict(details or {}),
        request_id=REQUEST_ID.get(),
    )
    body = ErrorReply(error=detail).model_dump()
    return JSONResponse(body, status_code=status, headers=dict(headers or {}))


async def _on_http(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return error_response(error.status_code, str(error.detail), headers=error.headers)


async def _on_invalid(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    fields = [
        {"loc": [_plain(part) for part in item["loc"]], "msg": _plain(item["msg"])}
        for item in error.errors()[:MAX_FIELDS]
    ]
    return error_response(400, "The request is not valid.", details={"fields": fields})


async def _on_storage(_request: Request, error: Exception) -> JSONResponse:
    logger.error("storage_unavailable", exc_info=error)
    return error_response(503, "The storage does not answer; try again later.")


def install_error_handlers(app: FastAPI) -> None:
    """Answer HTTP errors, invalid input and storage failures with the error body."""
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(sqlite3.OperationalError, _on_storage)
