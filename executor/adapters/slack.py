"""Slack as a channel: an incoming webhook that only tells, or a bot whose messages are kept up to date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from executor.adapters.slack_api import TIMEOUT, SlackApi, post
from executor.adapters.slack_message import Buttons, message_of, settled, without_buttons
from executor.domain.notice import Notice, NoticeKind
from executor.errors import Permanent

_QUIET = {"unfurl_links": False, "unfurl_media": False}
_SETTLED_SILENTLY = frozenset({NoticeKind.DECIDED})
"""Kinds that only change the message that asked; what else settles it is told by a message of its own too."""
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"})


class SlackWebhook:
    """Posts to the channel of an incoming webhook. Nothing can be changed there, so there is no receipt."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, buttons: Buttons, *, timeout: float = TIMEOUT
    ) -> None:
        self._session = session
        self._url = url
        self._buttons = buttons
        self._timeout = timeout

    async def tell(
        self, notice: Notice, *, key: str, may_be_repeat: bool, earlier: Mapping[str, Any] | None
    ) -> None:
        """Post one notice. Raises Transient, Permanent."""
        message = message_of(notice, self._buttons, may_be_repeat=may_be_repeat)
        await post(self._session, self._url, {**message, **_QUIET}, timeout=self._timeout)


class SlackBot:
    """Posts to `channel`, and takes the buttons off a message once its question is settled."""

    def __init__(self, api: SlackApi, channel: str, buttons: Buttons) -> None:
        self._api = api
        self._channel = channel
        self._buttons = buttons

    async def tell(
        self, notice: Notice, *, key: str, may_be_repeat: bool, earlier: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        """Change the message that asked, if `earlier` is its receipt, else post one; returns its receipt.

        A change that may be made twice is made twice alike, so it needs no mark. Raises Transient, Permanent.
        """
        if earlier is not None:
            changed = await self._settle(notice, earlier)
            if changed and notice["kind"] in _SETTLED_SILENTLY:
                return None
        message = message_of(notice, self._buttons, may_be_repeat=may_be_repeat)
        answer = await self._api.call("chat.postMessage", channel=self._channel, **message, **_QUIET)
        place = {"channel": answer.get("channel") or self._channel, "ts": answer.get("ts")}
        return {**place, "blocks": without_buttons(message["blocks"])}

    async def _settle(self, notice: Notice, earlier: Mapping[str, Any]) -> bool:
        """False when the message is gone, so that the news has to be told anew."""
        place = {"channel": earlier["channel"], "ts": earlier["ts"]}
        message = settled(earlier["blocks"], notice)
        try:
            await self._api.call("chat.update", **place, **message)
        except Permanent as refused:
            if refused.details.get("error") in _GONE:
                return False
            raise
        return True
