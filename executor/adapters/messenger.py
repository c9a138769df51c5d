"""Posts messages of the contract to addresses that others have chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from executor.adapters.safe_address import AddressRules, unsafe
from executor.errors import Permanent, Transient

_AGAIN = frozenset({408, 425, 429})


def refuse(who: str, status: int, retry_after: str) -> None:
    """Raise what a receiver's answer calls for; any 2xx is taken as received.

    Transient for 408, 425, 429 and 5xx, with the seconds of `retry_after` if it names some; else Permanent.
    """
    if status in _AGAIN or status >= 500:
        seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
        raise Transient(f"{who} answers {status}.", retry_after=seconds)
    if not 200 <= status < 300:
        raise Permanent(f"{who} refuses the message with {status}.")


class Messenger:
    """`session` has to be a `safe_session` of the same rules; `endpoint_of` finds a service by its name.

    A name stands for the service's registered endpoint, whose POST /message takes the message.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        rules: AddressRules,
        endpoint_of: Callable[[str], str | None] = lambda _: None,
        timeout: float = 10.0,
    ) -> None:
        self._session = session
        self._rules = rules
        self._endpoint_of = endpoint_of
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def post(self, address: str, body: Mapping[str, Any], key: str = "") -> None:
        """Deliver one message; any 2xx is taken as received. `key` goes along as Idempotency-Key.

        Raises Transient for no answer, 408, 425, 429, 5xx and a name that the registry does not know;
        Permanent for every other status, UnsafeAddress for an address that the rules forbid.
        """
        url = self._url(address)
        headers = {"Idempotency-Key": key} if key else {}
        try:
            async with self._session.post(
                url, json=dict(body), headers=headers, timeout=self._timeout, allow_redirects=False
            ) as answer:
                status, wait = answer.status, answer.headers.get("Retry-After", "")
        except (aiohttp.InvalidURL, aiohttp.ClientSSLError) as error:
            raise Permanent(f"{address} cannot be called ({type(error).__name__}).") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Transient(f"{address} does not answer ({type(error).__name__}).") from error
        refuse(address, status, wait)

    def _url(self, address: str) -> str:
        if "://" not in address:
            endpoint = self._endpoint_of(address)
            if not endpoint:
                raise Transient(f"The registry knows no service {address!r} with an address.")
            address = f"{endpoint.rstrip('/')}/message"
            if "://" not in address:
                raise unsafe(address, "it is not plainly written", "")
        checked = self._rules.check(address)
        return checked.origin + checked.rest
