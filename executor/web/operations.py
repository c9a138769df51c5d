"""An operation is a route with its documentation; the served OpenAPI is made of the same table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

ROUTE = "fpai.route"
"""Where a request's scope has the path of the route that took it, with its parameters as they are written."""
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or header; `schema` is JSON Schema."""

    name: str
    description: str
    schema: dict[str, Any]
    place: str = "query"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path. `reply` is a model or a JSON Schema of the 2xx body, None without a JSON body.

    `many` makes the body an array of `reply`; `media` are the media types of the 2xx answer; `errors` are
    the statuses that only some operations have; `takes` are the media types of a body that is not JSON;
    `also` are further good answers, as status and words.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    status: int = 200
    body: type[BaseModel] | None = None
    body_required: bool = False
    reply: type[BaseModel] | dict[str, Any] | None = None
    many: bool = False
    media: tuple[str, ...] = ("application/json",)
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = ()
    takes: tuple[str, ...] = ()
    also: tuple[tuple[int, str], ...] = ()


class NamedRoute(Route):
    """A route that leaves its path in the scope, for the metrics, and knows its neighbours on that path."""

    def __init__(self, operation: Operation, allowed: Iterable[str]) -> None:
        name = f"{operation.method} {operation.path}"
        super().__init__(operation.path, operation.handler, methods=[operation.method], name=name)
        self._allow = ", ".join(sorted(allowed))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette's, but for `Allow`: it names every method of the address (RFC 9110, 15.5.6)."""
        if self.methods and scope["method"] not in self.methods:
            raise HTTPException(405, headers={"Allow": self._allow})
        await super().handle(scope, receive, send)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Starlette's, and the path."""
        match, found = super().matches(scope)
        if match is not Match.NONE:
            found[ROUTE] = self.path
        return match, found


def as_routes(operations: Iterable[Operation]) -> list[Route]:
    """The table as Starlette reads it, in the same order."""
    table = list(operations)
    methods: dict[str, set[str]] = {}
    for op in table:
        methods.setdefault(op.path, set()).update({op.method, "HEAD"} if op.method == "GET" else {op.method})
    return [NamedRoute(op, methods[op.path]) for op in table]
