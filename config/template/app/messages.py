"""What messages do, and the answer in the form the sender speaks."""

import logging
import uuid
from collections.abc import Callable
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx

from app.clock import utc_text
from app.config import Settings, names
from app.identity import UDC_VERSION
from app.models import MessageIn, MessageReply, Result

REPLY_TIMEOUT_SECONDS: Final = 5.0
Status = Literal["processing", "completed", "failed"]
Answers = dict[str, Callable[[], dict[str, Any]]]

logger = logging.getLogger(__name__)


class Messages:
    """Answers queries with what the droplet knows of itself, and takes note of the rest.

    Args:
        settings: The droplet's settings.
        queries: For each query and command word, what answers it; it must be quick.
        client: Sends answers to reply addresses.
    """

    def __init__(self, settings: Settings, queries: Answers, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._queries = queries
        self._client = client

    def answer(self, message: MessageIn) -> MessageReply:
        """Do what the message asks and build the answer.

        Args:
            message: A checked message of any variant.

        Returns:
            The answer in the sender's variant.
        """
        data, worked = self._handle(message)
        fields = {"type": message.message_type, "sender": message.sender, "worked": worked}
        logger.info("message_received", extra={"fields": fields})
        status: Status = "completed" if worked else "failed"
        word: Result = "success" if worked else "error"
        now = utc_text()
        reply = MessageReply(
            message_id=str(uuid.uuid4()),
            trace_id=message.trace_id or str(uuid.uuid4()),
            processed_at=now,
            status=status,
            result=data if message.source is None else word,
        )
        if message.udc_version is None:
            return reply
        payload = {
            "received": True,
            "processed_at": now,
            "result": word,
            "data": data,
            "error": None if worked else data["error"],
        }
        update: dict[str, Any] = {
            "udc_version": UDC_VERSION,
            "source": f"droplet-{self._settings.droplet_id}",
            "target": message.source if message.source is not None else message.from_service,
            "message_type": "response",
            "timestamp": now,
            "payload": payload,
        }
        return reply.model_copy(update=update)

    def may_reply_to(self, url: str) -> bool:
        """Tell whether answers may be sent to `url`: only to hosts that the settings name."""
        known = (self._settings.registry_url, self._settings.orchestrator_url)
        hosts = {urlsplit(address).hostname for address in known if address}
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            return False
        allowed = hosts | names(self._settings.reply_hosts)
        return parts.scheme in ("http", "https") and host in allowed

    async def send_reply(self, url: str, reply: MessageReply) -> None:
        """Send an answer to the sender's reply address; a failure is logged."""
        body = reply.model_dump(exclude_none=True)
        try:
            answer = await self._client.post(url, json=body, timeout=REPLY_TIMEOUT_SECONDS)
            answer.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            logger.warning("reply_not_delivered", extra={"fields": {"reason": repr(error)}})

    def _handle(self, message: MessageIn) -> tuple[dict[str, Any], bool]:
        if message.message_type not in ("query", "command", "task_assignment"):
            return {"noted": message.message_type}, True
        asked = message.payload.get(
            "query" if message.message_type == "query" else "command", "health"
        )
        answer = self._queries.get(asked) if isinstance(asked, str) else None
        if answer is None:
            known = sorted(self._queries)
            return {"error": "This droplet does not know what was asked.", "known": known}, False
        return answer(), True
