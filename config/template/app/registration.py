"""Makes the droplet known: an entry in the Registry and a heartbeat to the Orchestrator."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx

from app.clock import utc_text
from app.config import Settings
from app.identity import UDC_VERSION, Identity
from app.peers import Peers

TIMEOUT_SECONDS: Final = 5.0
TRIES: Final = 3
FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 10.0

logger = logging.getLogger(__name__)


class Registration:
    """One round probes the peers, registers and sends a heartbeat; rounds follow until the end.

    The Registry forgets its entries when it restarts, so each round looks whether the entry is
    still there. Nothing here may stop the droplet from serving: failures are logged, then
    tried again in the next round.
    """

    def __init__(
        self,
        settings: Settings,
        identity: Identity,
        peers: Peers,
        client: httpx.AsyncClient,
        first_wait: float = FIRST_WAIT_SECONDS,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._peers = peers
        self._client = client
        self._first_wait = first_wait

    async def keep(self) -> None:
        """Run rounds for ever, one at every heartbeat interval; ends by cancellation."""
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await self.round()
            except Exception:
                logger.exception("registration_round_failed")
            spent = asyncio.get_running_loop().time() - started
            await asyncio.sleep(max(0.0, self._settings.heartbeat_seconds - spent))

    async def round(self) -> None:
        """Probe, register and send a heartbeat, each tried up to three times."""
        await self._peers.probe()
        if self._settings.registry_url and self._settings.register_self:
            await self._try("registration", self.register)
        if self._settings.orchestrator_url and self._settings.register_self:
            await self._try("heartbeat", self.heartbeat)

    async def register(self) -> None:
        """Create the entry, or bring the one of this name up to date.

        Raises:
            httpx.HTTPError: The Registry does not answer, or answers with an error.
            ValueError: It answers with something that is not JSON.
        """
        found = await self._get(f"/droplets/name/{self._settings.service_name}")
        if found is None:
            await self._create()
        else:
            await self._bring_up_to_date(found)

    async def heartbeat(self) -> None:
        """Send a status message to the Orchestrator, at whichever of its two paths is there.

        Raises:
            httpx.HTTPError: It does not answer, or answers with an error.
        """
        body = {
            "trace_id": str(uuid.uuid4()),
            "source": self._settings.service_name,
            "target": "orchestrator",
            "message_type": "status",
            "payload": {
                "status": "active",
                "droplet_id": self._settings.droplet_id,
                "endpoint": self._settings.endpoint,
                "release": self._settings.release_id,
            },
            "timestamp": utc_text(),
        }
        answer = await self._send("POST", f"{self._orchestrator}/orchestrator/message", body)
        if answer.status_code == 404:
            answer = await self._send("POST", f"{self._orchestrator}/message", body)
        answer.raise_for_status()

    @property
    def _orchestrator(self) -> str:
        return self._settings.orchestrator_url.removesuffix("/orchestrator")

    @property
    def _facts(self) -> dict[str, Any]:
        return {
            "version": self._identity.version,
            "purpose": self._identity.purpose,
            "udc_version": UDC_VERSION,
            "environment": self._settings.environment,
            "release": self._settings.release_id,
            "build": self._settings.build_id,
            "commit": self._settings.commit,
        }

    async def _create(self) -> None:
        body: dict[str, Any] = {
            "name": self._settings.service_name,
            "endpoint": self._settings.endpoint,
            "metadata": self._facts,
        }
        if await self._get(f"/droplets/{self._settings.droplet_id}") is None:
            body["id"] = self._settings.droplet_id
        else:
            fields = {"droplet_id": self._settings.droplet_id}
            logger.warning("droplet_id_belongs_to_another", extra={"fields": fields})
        answer = await self._send("POST", f"{self._settings.registry_url}/droplets", body)
        if answer.status_code == 409:
            found = await self._get(f"/droplets/name/{self._settings.service_name}")
            await self._bring_up_to_date(found or {})
            return
        answer.raise_for_status()
        logger.info("registered", extra={"fields": {"endpoint": self._settings.endpoint}})

    async def _bring_up_to_date(self, found: dict[str, Any]) -> None:
        metadata = {**(found.get("metadata") or {}), **self._facts}
        wanted = {"status": "active", "endpoint": self._settings.endpoint, "metadata": metadata}
        if all(found.get(name) == value for name, value in wanted.items()):
            return
        url = f"{self._settings.registry_url}/droplets/{found.get('id', self._settings.droplet_id)}"
        (await self._send("PATCH", url, wanted)).raise_for_status()
        logger.info("registration_updated", extra={"fields": {"endpoint": wanted["endpoint"]}})

    async def _get(self, path: str) -> dict[str, Any] | None:
        answer = await self._send("GET", f"{self._settings.registry_url}{path}", None)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        body = answer.json()
        entry = body.get("droplet") if isinstance(body, dict) else None
        if not isinstance(entry, dict):
            raise ValueError("the Registry's answer holds no droplet")
        return entry

    async def _send(self, method: str, url: str, body: dict[str, Any] | None) -> httpx.Response:
        return await self._client.request(method, url, json=body, timeout=TIMEOUT_SECONDS)

    async def _try(self, what: str, action: Callable[[], Awaitable[None]]) -> None:
        wait = self._first_wait
        for attempt in range(1, TRIES + 1):
            try:
                await action()
                return
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                fields = {"what": what, "attempt": attempt, "reason": repr(error)}
                logger.warning("ecosystem_call_failed", extra={"fields": fields})
            if attempt < TRIES:
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
