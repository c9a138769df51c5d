"""Calls to Slack's web API and to its addresses that take messages, each tried once and bounded in time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from executor.adapters.slack_errors import header, no_answer, refusal
from executor.errors import Transient

TIMEOUT = 10.0
"""Seconds for one call; the outbox gives a message 30."""


class SlackApi:
    """Methods of the web API with one token. `base_url` ends in `/api/` and is the architect's own."""

    def __init__(
        self, session: aiohttp.ClientSession, token: str, base_url: str, *, timeout: float = TIMEOUT
    ) -> None:
        self._session = session
        self._token = token
        self._base_url = base_url
        self._timeout = timeout

    async def call(self, method: str, **fields: Any) -> Mapping[str, Any]:
        """Call a method and return its answer.

        Raises Transient for no answer in time, a rate limit and trouble of Slack's own, else Permanent.
        """
        from slack_sdk.errors import SlackApiError, SlackClientError  # noqa: PLC0415 - loaded at first use
        from slack_sdk.web.async_client import AsyncWebClient  # noqa: PLC0415

        client = AsyncWebClient(self._token, self._base_url, session=self._session, retry_handlers=[])
        client.proxy = None  # as with every other service: no proxy of the environment
        try:
            with no_answer():
                async with asyncio.timeout(self._timeout):
                    answer = await client.api_call(method, json=fields)
        except SlackApiError as error:
            raise _refused(error.response) from error
        except (SlackClientError, AttributeError, TypeError, ValueError) as error:
            # The library takes every 200 and every JSON for an answer of Slack's.
            raise Transient("Something else than Slack answers.") from error
        return dict(answer.data) if isinstance(answer.data, dict) else {}


def may_answer(url: str, api_url: str) -> bool:
    """True for an address that Slack's own API, or its `hooks.` beside it, may give to answer a click."""
    asked, api = urlsplit(url), urlsplit(api_url)
    if asked.scheme != api.scheme or "@" in asked.netloc or not api.netloc:
        return False
    return asked.netloc in {api.netloc, f"hooks.{api.netloc.removeprefix('www.')}"}


async def post(
    session: aiohttp.ClientSession, url: str, message: Mapping[str, Any], *, timeout: float = TIMEOUT
) -> None:
    """Send a message to an incoming webhook or a response_url. Raises Transient, Permanent."""
    from slack_sdk.webhook.async_client import AsyncWebhookClient  # noqa: PLC0415 - loaded at first use

    client = AsyncWebhookClient(url, session=session, retry_handlers=[])
    client.proxy = None
    with no_answer():
        async with asyncio.timeout(timeout):
            answer = await client.send_dict(dict(message))
    if answer.status_code != 200:
        raise refusal(answer.body, answer.status_code, header(answer.headers, "retry-after"))


def _refused(response: Any) -> Exception:
    """`response` is the library's own, or aiohttp's where the body was no JSON."""
    status = getattr(response, "status_code", None) or getattr(response, "status", 0)
    data = getattr(response, "data", None)
    word = str(data.get("error", "")) if isinstance(data, dict) else ""
    if status == 200 and not word:
        return Transient("Something else than Slack answers.")
    return refusal(word, int(status or 0), header(response.headers, "retry-after"))
