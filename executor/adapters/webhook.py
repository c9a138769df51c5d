"""Signed webhooks (standardwebhooks.com, specification 1.0.0): id, timestamp and signature as headers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from executor.adapters.messenger import refuse
from executor.domain.notice import Notice
from executor.errors import Permanent, Transient


class WebhookChannel:
    """Posts notices to one address, signed with `key`; `clock` and `timeout` in seconds.

    The address is the architect's own, from executor.toml; redirects are not followed.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        key: bytes,
        clock: Callable[[], float],
        timeout: float = 15.0,
    ) -> None:
        self._session = session
        self._url = url
        self._key = key
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def tell(
        self, notice: Notice, *, key: str, may_be_repeat: bool, earlier: Mapping[str, Any] | None
    ) -> None:
        """Post one notice; any 2xx is taken as received.

        Raises Transient for no answer, 408, 425, 429 and 5xx, Permanent for every other answer.
        """
        moment = int(self._clock())
        data = {**notice, "repeat": True} if may_be_repeat else dict(notice)
        event = {"type": notice["kind"], "timestamp": notice["timestamp"], "data": data}
        body = json.dumps(event, ensure_ascii=False).encode()
        headers = {
            "content-type": "application/json",
            "webhook-id": key,
            "webhook-timestamp": str(moment),
            "webhook-signature": f"v1,{signature(self._key, key, moment, body)}",
        }
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as answer:
                status, wait = answer.status, answer.headers.get("Retry-After", "")
        except (aiohttp.InvalidURL, aiohttp.ClientSSLError) as error:
            raise Permanent(f"The webhook cannot be called ({type(error).__name__}).") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Transient(f"The webhook does not answer ({type(error).__name__}).") from error
        refuse("The webhook", status, wait)


def signature(secret: bytes, key: str, moment: int, body: bytes) -> str:
    """The base64 HMAC-SHA256 over `id.timestamp.body`."""
    signed = b".".join((key.encode(), str(moment).encode(), body))
    return base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
