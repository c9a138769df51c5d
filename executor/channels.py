"""The channels that builds may name, made of `[notify.NAME]` and its secrets."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

from executor.adapters.mail import EmailChannel
from executor.adapters.mail_server import SmtpServer
from executor.adapters.webhook import WebhookChannel
from executor.domain.approval_link import ApprovalLinks
from executor.engine.channel_sender import Channel
from executor.settings import Configuration, webhook_key, webhook_secret
from executor.settings_tables import ALWAYS_KNOWN
from executor.settings_tables import EmailChannel as EmailTable
from executor.settings_tables import SlackChannel as SlackTable
from executor.settings_tables import WebhookChannel as WebhookTable
from executor.slack import slack_channel


def channels_of(
    configuration: Configuration,
    session: aiohttp.ClientSession,
    links: ApprovalLinks,
    clock: Callable[[], float],
) -> dict[str, Channel]:
    """Every channel that has all it needs; the others are warned of when a build names them.

    `links` signs what mails let their reader decide; `clock` is the wall's, in seconds since the epoch.
    """
    made: dict[str, Channel] = {}
    for name, table in configuration.channels.items():
        if configuration.missing_for(name):
            continue
        if isinstance(table, WebhookTable):
            key = webhook_key(configuration.secrets.get(webhook_secret(name)))
            made[name] = WebhookChannel(session, table.url, key, clock)
        elif isinstance(table, SlackTable):
            made[name] = slack_channel(configuration, session, table)
        elif isinstance(table, EmailTable):
            server = smtp_of(configuration, table)
            made[name] = EmailChannel(
                server, table.sender, table.to, links=links, base_url=configuration.base_url, clock=clock
            )
    return made


def smtp_of(configuration: Configuration, table: EmailTable) -> SmtpServer:
    """The mail server of a channel, with its password."""
    password = configuration.secrets.get("SMTP_PASSWORD")
    return SmtpServer(table.host, table.port, table.tls, table.user, password)


def known_channels(configuration: Configuration) -> tuple[str, ...]:
    """The names that a request may use; slack and email always (interfaces.md, Configuration)."""
    return tuple(dict.fromkeys((*ALWAYS_KNOWN, *configuration.channels)))
