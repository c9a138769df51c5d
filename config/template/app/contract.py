"""The five endpoints of the Universal Droplet Contract, served under two prefixes.

At the root /health speaks variant B, as the running core services do; under the droplet's name
it speaks variant A. Every other body carries the fields of both.
"""

from typing import get_args

from fastapi import APIRouter, BackgroundTasks, Request, Response

from app import reports
from app.identity import Identity
from app.messages import Messages
from app.models import (
    Capabilities,
    Dependencies,
    Health,
    MessageIn,
    MessageInfo,
    MessageReply,
    MessageType,
    State,
)
from app.reports import Variant
from app.runtime import Runtime, RuntimeDep


def _contract_router(variant: Variant) -> APIRouter:
    """Build the five endpoints.

    Args:
        variant: Whose status words /health uses.

    Returns:
        The router, to be included with or without a prefix.
    """
    router = APIRouter(tags=["udc"])

    @router.get("/health", summary="Whether the droplet works")
    async def health(runtime: RuntimeDep) -> Health:
        return reports.health(runtime, variant)

    @router.get("/capabilities", summary="What the droplet can do")
    async def capabilities(request: Request, runtime: RuntimeDep) -> Capabilities:
        return reports.capabilities(runtime, request.app.openapi())

    @router.get("/state", summary="What the droplet is doing")
    async def state(runtime: RuntimeDep) -> State:
        return reports.state(runtime)

    @router.get("/dependencies", summary="Which services the droplet talks to")
    async def dependencies(runtime: RuntimeDep) -> Dependencies:
        return runtime.peers.report()

    @router.get("/message", summary="How to send a message")
    async def message_info() -> MessageInfo:
        text = "POST a message in variant A, variant B or an envelope."
        return MessageInfo(description=text, message_types=list(get_args(MessageType)))

    @router.post("/message", summary="Receive a message", response_model_exclude_none=True)
    async def message(
        body: MessageIn, request: Request, runtime: RuntimeDep, later: BackgroundTasks
    ) -> MessageReply:
        messages = _messages(request, runtime, variant)
        reply = messages.answer(body)
        if body.reply_to and messages.may_reply_to(body.reply_to):
            later.add_task(messages.send_reply, body.reply_to, reply)
        return reply

    return router


def _messages(request: Request, runtime: Runtime, variant: Variant) -> Messages:
    openapi = request.app.openapi
    queries = {
        "ping": lambda: {"pong": True},
        "health": lambda: reports.health(runtime, variant).model_dump(),
        "state": lambda: reports.state(runtime).model_dump(),
        "capabilities": lambda: reports.capabilities(runtime, openapi()).model_dump(),
        "dependencies": lambda: runtime.peers.report().model_dump(),
    }
    return Messages(runtime.settings, queries, runtime.client)


def _metrics_router() -> APIRouter:
    """Build the endpoint that Prometheus reads."""
    router = APIRouter(tags=["metrics"])

    @router.get("/metrics", summary="Counters in Prometheus' text form")
    async def metrics(runtime: RuntimeDep) -> Response:
        return Response(reports.metrics(runtime), media_type="text/plain; version=0.0.4")

    return router


ROOT_ROUTER = _contract_router("B")
NAMED_ROUTER = _contract_router("A")
METRICS_ROUTER = _metrics_router()


def open_paths(identity: Identity) -> frozenset[str]:
    """Return the paths that need no token and count towards no limit."""
    return frozenset({"/health", f"/{identity.name}/health"})
