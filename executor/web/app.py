"""The web application: the table of routes inside the middlewares that every request passes."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Lifespan
from starlette.websockets import WebSocket

from executor.adapters.transcription import MEDIA
from executor.errors import ExecutorError, NotFound
from executor.web.access import Access, AccessMiddleware
from executor.web.api import Api
from executor.web.approvals import Approvals
from executor.web.contract import Contract
from executor.web.correlation import Correlation
from executor.web.envelope import on_executor_error, on_http_exception
from executor.web.login import Login
from executor.web.messages import Messages
from executor.web.openapi import openapi
from executor.web.operations import Operation, as_routes
from executor.web.pages import STATIC, Pages
from executor.web.probes import Probes
from executor.web.replies import Json
from executor.web.session import Sessions
from executor.web.slack_hook import SlackHook
from executor.web.status import StatusDocuments
from executor.web.stream import Stream
from executor.web.table import (
    BUILD,
    artifact_operations,
    build_operations,
    contract_operations,
    daemon_operations,
    decision_operations,
    hook_operations,
    voice_operations,
)
from executor.web.table_pages import (
    approval_operations,
    login_operations,
    more_page_operations,
    page_operations,
)
from executor.web.voice import Voice


def create_app(api: Api, lifespan: Lifespan[Any] | None = None) -> Starlette:
    """Build the application around `api`. Serve it with the protocols of listener.py."""
    documents = StatusDocuments(api.live, api.base_url)
    server = api.settings.server
    sessions = Sessions(api.state_key, server.token, secure=server.public_url.startswith("https://"))
    operations = _operations(api, documents, sessions)
    routes = [
        *as_routes(operations),
        WebSocketRoute(f"{BUILD}/stream", Stream(api, documents).watch),
        Mount("/static", StaticFiles(directory=STATIC), name="static"),
        WebSocketRoute("/{path:path}", _no_such_stream),
    ]
    handlers: dict[Any, Any] = {ExecutorError: on_executor_error, HTTPException: on_http_exception}
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(Correlation, traffic=api.traffic),
            Middleware(AccessMiddleware, access=Access(server, sessions)),
        ],
        exception_handlers=handlers,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.operations = operations
    return app


def _operations(api: Api, documents: StatusDocuments, sessions: Sessions) -> list[Operation]:
    operations: list[Operation] = []
    contract = Contract(api, lambda: operations)
    pages = Pages(api, sessions)
    login = Login(sessions, api.settings.server.token, pages.render)
    described: dict[str, Any] = {}

    def description() -> dict[str, Any]:
        if not described:
            described.update(openapi(operations, api.version, api.base_url))
        return described

    async def describe(_: Request) -> Response:
        return Json(description())

    async def docs(request: Request) -> Response:
        return pages.render(request, "docs.html", document=description())

    operations += build_operations(api, documents)
    operations += daemon_operations(Probes(api), describe, docs)
    operations += page_operations(api, documents, pages, sessions)
    operations += login_operations(login, sessions)
    operations += more_page_operations(api, pages, sessions)
    operations += voice_operations(Voice(api, api.transcriber, MEDIA), MEDIA)
    operations += approval_operations(Approvals(api, pages, documents))
    operations += hook_operations(SlackHook(api))
    operations += decision_operations(api, documents)
    operations += artifact_operations(api)
    operations += contract_operations(contract, Messages(api, documents))
    return operations


async def _no_such_stream(websocket: WebSocket) -> None:
    raise NotFound("No WebSocket is served at this address.", hint="Streams are at …/builds/BUILD/stream.")
