"""The services this droplet talks to, and whether they answered last time."""

import logging
from typing import Final

import httpx

from app.clock import utc_text
from app.config import Settings
from app.models import Dependencies, Peer

PROBE_TIMEOUT_SECONDS: Final = 2.0
IMPACT: Final = {
    "registry": "Other droplets do not find this one by name; it serves all the same.",
    "orchestrator": "No heartbeats are delivered; it serves all the same.",
}

logger = logging.getLogger(__name__)


class Peers:
    """The Registry and the Orchestrator. Both are optional: the droplet serves without them."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        self._client = client
        urls = {"registry": settings.registry_url, "orchestrator": settings.orchestrator_url}
        self._peers = {
            name: Peer(name=name, status="unavailable", host=url, impact=IMPACT[name])
            for name, url in urls.items()
        }

    @property
    def configured(self) -> bool:
        """Whether any of them has an address."""
        return any(peer.host for peer in self._peers.values())

    async def probe(self) -> None:
        """Ask each one that has an address for its health and keep what came of it."""
        for peer in [peer for peer in self._peers.values() if peer.host]:
            up = await self._answers(peer.host)
            word = "connected" if up else "unavailable"
            if word != peer.status:
                fields = {"peer": peer.name, "status": word}
                logger.info("peer_status_changed", extra={"fields": fields})
            update = {"status": word, "last_check": utc_text()}
            self._peers[peer.name] = peer.model_copy(update=update)

    def report(self) -> Dependencies:
        """Return the last known statuses; asks nobody."""
        optional = list(self._peers.values())
        missing = [peer.name for peer in optional if peer.host and peer.status == "unavailable"]
        return Dependencies(
            required=[],
            optional=optional,
            missing=missing,
            required_services=[],
            optional_services=optional,
            external_apis=[],
        )

    async def _answers(self, url: str) -> bool:
        for path in ("/health", "/orchestrator/health"):
            try:
                answer = await self._client.get(f"{url}{path}", timeout=PROBE_TIMEOUT_SECONDS)
            except (httpx.HTTPError, httpx.InvalidURL):
                return False
            if answer.status_code == 200:
                return True
        return False
