"""OpenAPI 3.1 out of the table of operations and the models' own schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from executor.web.documents import ErrorEnvelope
from executor.web.operations import Operation, Parameter

_REF = "#/components/schemas/{model}"
_PATH_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
_ALWAYS = (401, 403, 429)
_REASONS = {
    400: "Not valid; details.fields says what.",
    401: "The token is missing or wrong.",
    403: "The caller, host or origin is refused.",
    404: "There is no such build, version or artifact.",
    408: "The body took too long to come.",
    409: "The build or the droplet is not as the caller believed.",
    410: "What the link was about has been decided.",
    413: "The body is larger than 64 KiB.",
    415: "The body is not JSON.",
    426: "Only a WebSocket is served here.",
    502: "A service that this leans on is not set up rightly.",
    429: "The queue is full, or too much is asked; Retry-After says when to come again.",
    503: "The daemon is stopping or its disk refuses writes.",
}


def openapi(operations: Sequence[Operation], version: str, base_url: str) -> dict[str, Any]:
    """The document. Every operation appears, every reference resolves within it."""
    schemas = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(_plain(operation.path), {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Autonomous Executor",
            "version": version,
            "description": "One sentence of intent in, a live, tested, registered service out.",
        },
        "servers": [{"url": base_url}],
        "tags": [{"name": tag} for tag in dict.fromkeys(op.tag for op in operations)],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "[server] token; without one the daemon listens on loopback only.",
                }
            },
        },
        "security": [{}, {"token": []}],
    }


def _described(op: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(op),
        "summary": op.summary,
        "tags": [op.tag],
        "responses": _responses(op),
    }
    parameters = [*_path_parameters(op.path), *map(_parameter, op.parameters)]
    if parameters:
        described["parameters"] = parameters
    if op.body is not None:
        described["requestBody"] = {
            "required": op.body_required,
            "content": {"application/json": {"schema": _body(op)}},
        }
    if op.takes:
        binary = {"schema": {"type": "string", "format": "binary"}}
        described["requestBody"] = {"required": True, "content": dict.fromkeys(op.takes, binary)}
    return described


def _responses(op: Operation) -> dict[str, Any]:
    schema = _ref(op.reply) if isinstance(op.reply, type) else op.reply
    if op.many:
        schema = {"type": "array", "items": schema}
    shown: dict[str, Any] = {"description": HTTPStatus(op.status).phrase}
    if op.status != 101:
        shown["content"] = {media: _content(media, schema) for media in op.media}
    if op.status == 202:
        address = {"schema": {"type": "string"}, "description": "The status document's address."}
        shown["headers"] = {"Location": address}
    responses = {str(op.status): shown}
    for status in sorted({*_ALWAYS, *op.errors, *((408,) if 413 in op.errors else ())}):
        responses[str(status)] = {"description": _REASONS[status], "content": _error_content(op)}
    for status, words in op.also:
        good = {media: _content(media, {"type": "object"}) for media in op.media}
        responses[str(status)] = {"description": words, "content": good}
    return responses


def _body(op: Operation) -> dict[str, Any]:
    schema = _ref(op.body) if op.body is not None else {}
    return schema if op.body_required else {"anyOf": [schema, {"type": "null"}]}


def _error_content(op: Operation) -> dict[str, Any]:
    """A page's refusal is a page, for those who can read one."""
    content: dict[str, Any] = {"application/json": {"schema": _ref(ErrorEnvelope)}}
    if "text/html" in op.media:
        content["text/html"] = {"schema": {"type": "string"}}
    return content


def _content(media: str, schema: dict[str, Any] | None) -> dict[str, Any]:
    if media == "application/json" and schema is not None:
        return {"schema": schema}
    return {"schema": {"type": "string"}} if media != "application/json" else {"schema": {}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PATH_PARAMETER.findall(path)
    ]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": False,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    bodies = {op.body for op in operations if op.body is not None}
    replies = {op.reply for op in operations if isinstance(op.reply, type)} | {ErrorEnvelope}
    wanted: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in bodies]
    wanted += [(model, "serialization") for model in replies]
    wanted.sort(key=lambda pair: pair[0].__name__)
    _, definitions = models_json_schema(wanted, ref_template=_REF)
    found: dict[str, Any] = definitions.get("$defs", {})
    return found


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _REF.format(model=model.__name__)}


def _operation_id(op: Operation) -> str:
    words = re.findall(r"[a-z0-9]+", f"{op.method} {op.path}".lower())
    return "_".join(words)


def _plain(path: str) -> str:
    return _PATH_PARAMETER.sub(r"{\1}", path)
