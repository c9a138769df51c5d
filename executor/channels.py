"""The channels that builds may name, made of `[notify.NAME]` and its secrets."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

from executor.adapters.webhook import WebhookChannel
from executor.engine.channel_sender import Channel
from executor.settings import Configuration, webhook_secret
from executor.settings_tables import ALWAYS_KNOWN
from executor.settings_tables import WebhookChannel as WebhookTable


def channels_of(
    configuration: Configuration, session: aiohttp.ClientSession, clock: Callable[[], float]
) -> dict[str, Channel]:
    """Every channel that has all it needs; the others are warned of when a build names them."""
    made: dict[str, Channel] = {}
    for name, table in configuration.channels.items():
        if configuration.missing_for(name):
            continue
        if isinstance(table, WebhookTable):
            secret = configuration.secrets.get(webhook_secret(name))
            made[name] = WebhookChannel(session, table.url, secret, clock)
    return made


def known_channels(configuration: Configuration) -> tuple[str, ...]:
    """The names that a request may use; slack and email always (interfaces.md, Configuration)."""
    return tuple(dict.fromkeys((*ALWAYS_KNOWN, *configuration.channels)))
