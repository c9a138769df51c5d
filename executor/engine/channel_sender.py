"""Brings notices to the channels that builds name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from executor.domain.notice import Notice, asks, settles
from executor.errors import Permanent
from executor.store.outbox import Outbox, Outgoing


class Channel(Protocol):
    """One way to reach people."""

    async def tell(
        self, notice: Notice, *, key: str, may_be_repeat: bool, earlier: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        """Deliver one notice and return its receipt, if the channel gives one that is of use later.

        `key` is the same on every try. With `may_be_repeat` an earlier try may have arrived, and what is
        sent has to say so. `earlier` is the receipt of the message that asked what this notice settles.
        Raises Transient to be tried again, other errors of the executor to give up.
        """
        ...


class ChannelSender:
    """The outbox's sender of notices; `channels` are by name."""

    def __init__(self, channels: Mapping[str, Channel], outbox: Outbox) -> None:
        self._channels = channels
        self._outbox = outbox

    async def send(self, message: Outgoing) -> Mapping[str, Any] | None:
        """Tell the channel that the message is addressed to. Raises Permanent when there is none."""
        channel = self._channels.get(message.address)
        if channel is None:
            raise Permanent(f"The channel {message.address} is not configured.")
        return await channel.tell(
            message.body,
            key=message.id,
            may_be_repeat=message.may_be_repeat,
            earlier=await self._asked(message),
        )

    async def _asked(self, message: Outgoing) -> Mapping[str, Any] | None:
        """The receipt of the message that asked what this one settles, if there is one.

        A decision names its gate; an answer and an end settle what was asked last, unless that was settled.
        """
        if gate := message.body.get("decided_gate_id"):
            return await self._outbox.receipt(gate, message.address)
        if not settles(message.body):
            return None
        for told, receipt in await self._outbox.told_before(message):
            if asks(told) or settles(told):
                return receipt if asks(told) else None
        return None
