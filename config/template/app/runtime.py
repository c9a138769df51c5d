"""The parts of one running droplet, made together and passed to whoever needs them."""

from dataclasses import dataclass
from typing import Annotated

import httpx
from fastapi import Depends, Request

from app.auth import KeySource
from app.config import Settings
from app.identity import Identity
from app.peers import Peers
from app.registration import Registration
from app.storage import Database
from app.traffic import Traffic


@dataclass(frozen=True)
class Runtime:
    """What handlers work with; `app.state.runtime` holds it."""

    settings: Settings
    identity: Identity
    traffic: Traffic
    database: Database
    client: httpx.AsyncClient
    keys: KeySource
    peers: Peers
    registration: Registration


def build_runtime(
    settings: Settings, identity: Identity, transport: httpx.AsyncBaseTransport | None = None
) -> Runtime:
    """Make the parts; nothing is opened, sent or started.

    Args:
        settings: The droplet's settings.
        identity: The droplet's identity.
        transport: How outgoing calls travel; the network if left out.

    Returns:
        The parts, to be closed by the application when it ends.
    """
    client = httpx.AsyncClient(transport=transport, follow_redirects=False, timeout=5.0)
    peers = Peers(settings, client)
    return Runtime(
        settings=settings,
        identity=identity,
        traffic=Traffic(),
        database=Database(settings.data_dir),
        client=client,
        keys=KeySource(settings, client),
        peers=peers,
        registration=Registration(settings, identity, peers, client),
    )


def get_runtime(request: Request) -> Runtime:
    """Return the parts of the application that serves `request`."""
    runtime = request.app.state.runtime
    if not isinstance(runtime, Runtime):
        raise TypeError("the application was built without its runtime")
    return runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]
