"""Builds the application out of its parts."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import httpx
from fastapi import FastAPI

from app.auth import AuthMiddleware
from app.config import Settings
from app.contract import METRICS_ROUTER, NAMED_ROUTER, ROOT_ROUTER, open_paths
from app.errors import install_error_handlers
from app.identity import Identity, load_identity
from app.middleware import LimitsMiddleware, RequestContextMiddleware
from app.models import ErrorReply
from app.resources import find_routers
from app.runtime import Runtime, build_runtime

logger = logging.getLogger(__name__)


def create_app(
    settings: Settings | None = None, transport: httpx.AsyncBaseTransport | None = None
) -> FastAPI:
    """Build the application.

    Args:
        settings: Its settings; read from the environment if left out.
        transport: How outgoing calls travel; the network if left out.

    Returns:
        The application; its background work starts and ends with its lifespan.
    """
    identity = load_identity()
    runtime = build_runtime(settings or Settings(), identity, transport)
    app = FastAPI(
        title=identity.title,
        version=identity.version,
        description=identity.purpose,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        responses={"default": {"model": ErrorReply, "description": "Any error"}},
    )
    app.state.runtime = runtime
    install_error_handlers(app)
    _include_routers(app, identity)
    _add_middleware(app, runtime)
    return app


def _include_routers(app: FastAPI, identity: Identity) -> None:
    app.include_router(ROOT_ROUTER)
    app.include_router(NAMED_ROUTER, prefix=f"/{identity.name}")
    app.include_router(METRICS_ROUTER)
    for router in find_routers():
        app.include_router(router)


def _add_middleware(app: FastAPI, runtime: Runtime) -> None:
    # The last one added is the outermost: every refusal gets its headers and its log line.
    settings, free = runtime.settings, open_paths(runtime.identity)
    app.add_middleware(AuthMiddleware, settings=settings, keys=runtime.keys, open_paths=free)
    app.add_middleware(
        LimitsMiddleware,
        per_minute=settings.rate_limit_per_minute,
        max_body=settings.max_body_bytes,
        unlimited=free,
    )
    app.add_middleware(RequestContextMiddleware, traffic=runtime.traffic)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    runtime: Runtime = app.state.runtime
    background = None
    if runtime.peers.configured:
        background = asyncio.create_task(runtime.registration.keep())
    logger.info("started", extra={"fields": {"release": runtime.settings.release_id}})
    try:
        yield
    finally:
        if background is not None:
            background.cancel()
            await asyncio.gather(background, return_exceptions=True)
        await runtime.client.aclose()
        await runtime.database.close()
        logger.info("stopped")
