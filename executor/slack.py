"""Slack, made as the configuration says: channels that tell, and the two ways that clicks come back."""

from __future__ import annotations

from collections.abc import Iterator

import aiohttp

from executor.adapters.slack import SlackBot, SlackWebhook
from executor.adapters.slack_api import SlackApi
from executor.adapters.slack_message import Buttons
from executor.adapters.slack_socket import SlackSocket
from executor.settings import Configuration
from executor.settings_tables import SlackChannel
from executor.web.api import Commands
from executor.web.slack_clicks import PATIENCE, Builds, Desk, SlackClicks


def slack_channel(
    configuration: Configuration, session: aiohttp.ClientSession, table: SlackChannel
) -> SlackBot | SlackWebhook:
    """The bot where there is one and it has a channel, else the incoming webhook."""
    buttons = buttons_of(configuration, table)
    token = configuration.secrets.get("SLACK_BOT_TOKEN")
    if token and table.channel:
        return SlackBot(SlackApi(session, token, table.api_url), table.channel, buttons)
    return SlackWebhook(session, configuration.secrets.get("SLACK_WEBHOOK_URL"), buttons)


def buttons_of(configuration: Configuration, table: SlackChannel) -> Buttons:
    """Buttons where presses arrive and somebody may press; Revise where a form opens and a model revises."""
    clicks = bool(table.approvers) and not lacks_for_clicks(configuration)
    has_bot = bool(configuration.secrets.get("SLACK_BOT_TOKEN"))
    return Buttons(clicks, revise=clicks and has_bot and configuration.has_model)


def lacks_for_clicks(configuration: Configuration) -> str:
    """What is missing for presses of buttons to arrive, in words; empty when they do."""
    has = configuration.secrets.get
    if has("SLACK_APP_TOKEN") or (has("SLACK_SIGNING_SECRET") and configuration.settings.server.public_url):
        return ""
    if has("SLACK_SIGNING_SECRET"):
        return "[server] public_url, or SLACK_APP_TOKEN"
    return "SLACK_APP_TOKEN, or SLACK_SIGNING_SECRET with [server] public_url"


def slack_clicks(
    configuration: Configuration,
    session: aiohttp.ClientSession,
    commands: Commands,
    builds: Builds,
    patience: float = PATIENCE,
) -> SlackClicks | None:
    """What decides on presses; None where none can arrive. `patience` is for a decision, in seconds."""
    has = configuration.secrets.get
    if not has("SLACK_SIGNING_SECRET") and not has("SLACK_APP_TOKEN"):
        return None
    return SlackClicks(commands, builds, tuple(_desks(configuration, session)), session, patience=patience)


def _desks(configuration: Configuration, session: aiohttp.ClientSession) -> Iterator[Desk]:
    token = configuration.secrets.get("SLACK_BOT_TOKEN")
    for name, table in configuration.channels.items():
        if isinstance(table, SlackChannel):
            yield Desk(
                name=name,
                channel=table.channel,
                approvers=frozenset(table.approvers),
                api_url=table.api_url,
                api=SlackApi(session, token, table.api_url) if token else None,
                keeps_messages=bool(token and table.channel),
            )


def slack_socket(
    configuration: Configuration, session: aiohttp.ClientSession, clicks: SlackClicks | None
) -> SlackSocket | None:
    """The connection for Socket Mode; None without SLACK_APP_TOKEN, or with nobody to click."""
    token = configuration.secrets.get("SLACK_APP_TOKEN")
    tables = [table for table in configuration.channels.values() if isinstance(table, SlackChannel)]
    if clicks is None or not token or not tables:
        return None
    return SlackSocket(session, SlackApi(session, token, tables[0].api_url), clicks.handle)
