"""Request bodies: bounded, strict JSON, checked against a model; all that is wrong is told at once."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from executor.errors import Invalid
from executor.web.envelope import too_large, too_slow

Model = TypeVar("Model", bound=BaseModel)

BODY_CAP = 64 * 1024
BODY_SECONDS = 30.0
_SLOWEST = 64 * 1024  # bytes a second that a large body has to come with
_MOST_FIELDS = 20


async def read_json(request: Request) -> Any:
    """Return the body as JSON, None when there is none.

    Raises Refusal 413 above 64 KiB, Invalid for anything that is not strict JSON in UTF-8: doubled keys,
    NaN, nesting without end and halves of surrogate pairs included.
    """
    raw = await read_raw(request)
    if not raw.strip():
        return None
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError as error:
        raise _malformed("it is nested too deeply") from error
    except UnicodeError as error:
        raise _malformed("it is not valid UTF-8 text") from error
    except ValueError as error:
        raise _malformed(str(error)) from error
    return value


def parse(model: type[Model], value: Any) -> Model:
    """Check a body; an absent one counts as `{}`. Raises Invalid with every field that is wrong."""
    if value is not None and not isinstance(value, dict):
        raise invalid([], "the body has to be a JSON object")
    try:
        return model.model_validate(value or {})
    except ValidationError as error:
        fields = [
            _field(item) for item in error.errors(include_url=False, include_input=False)[:_MOST_FIELDS]
        ]
        named = ", ".join(sorted({".".join(map(str, f["loc"])) or "the body" for f in fields}))
        raise Invalid(
            f"The request was not taken, because this is not valid: {named}.",
            hint="details.fields says what is wrong; /docs shows every field.",
            details={"fields": fields},
        ) from error


def invalid(loc: list[str | int], message: str) -> Invalid:
    """An Invalid about one place of the request."""
    where = ".".join(map(str, loc)) or "The body"
    return Invalid(
        f"The request was not taken: {where}: {message}.", details={"fields": [{"loc": loc, "msg": message}]}
    )


def digest(value: Any) -> str:
    """The fingerprint of a body whatever its spacing and the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


async def read_raw(request: Request, cap: int = BODY_CAP, seconds: float = BODY_SECONDS) -> bytes:
    """The body as it came. Raises Refusal 413 above `cap` bytes, 408 when it takes too long to come.

    That is `seconds`, and for large ones what 64 KiB a second need.
    """
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > cap:
        raise too_large()
    chunks = bytearray()
    try:
        async with asyncio.timeout(seconds + (cap - BODY_CAP) / _SLOWEST):
            async for chunk in request.stream():
                chunks += chunk
                if len(chunks) > cap:
                    raise too_large()
    except TimeoutError as error:
        raise too_slow() from error
    return bytes(chunks)


def _field(item: Any) -> dict[str, Any]:
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        message = "there is no such field"
    return {"loc": list(item["loc"]), "msg": message}


def _malformed(why: str) -> Invalid:
    return Invalid(
        f"The body is not valid JSON: {why}.",
        hint="Check quotes, commas and braces.",
        details={"fields": [{"loc": ["body"], "msg": why}]},
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
