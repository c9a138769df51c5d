"""The check of `fpai doctor` that looks at each channel where people are told, and asks it with --deep."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass

import aiohttp

from executor.adapters.mail_server import greet
from executor.adapters.slack_api import SlackApi
from executor.channels import smtp_of
from executor.cli.doctor import Check
from executor.errors import ExecutorError
from executor.settings import Configuration
from executor.settings_tables import EmailChannel, SlackChannel
from executor.slack import buttons_of, lacks_for_clicks

NAME = "notifications"
_TOKENS = {"SLACK_BOT_TOKEN": "auth.test", "SLACK_APP_TOKEN": "apps.connections.open"}
_NOBODY = "no channel is configured; slack and email are accepted with a warning and nobody is told"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said of one channel, and what to do about it."""

    says: str
    fix: str = ""


def examine_channels(configuration: Configuration, *, deep: bool = False) -> Check:
    """One line a channel; whatever lacks or refuses something is a warning, since builds go on without."""
    if not configuration.channels:
        return Check(NAME, "warn", _NOBODY, "Watch with `fpai watch`, or on the page; see [notify.NAME].")
    found = [_looked_at(configuration, name) for name in sorted(configuration.channels)]
    if deep:
        found += asyncio.run(_asked(configuration))
    fixes = " ".join(dict.fromkeys(one.fix for one in found if one.fix))
    return Check(NAME, "warn" if fixes else "ok", "; ".join(one.says for one in found), fixes)


def _looked_at(configuration: Configuration, name: str) -> Finding:
    table, missing = configuration.channels[name], configuration.missing_for(name)
    if missing:
        return Finding(f"{name} tells nobody: it lacks {missing}", f"Set {missing}.")
    if isinstance(table, SlackChannel):
        return _slack(configuration, name, table)
    return Finding(f"{name} ({table.kind})")


def _slack(configuration: Configuration, name: str, table: SlackChannel) -> Finding:
    is_bot = bool(configuration.secrets.get("SLACK_BOT_TOKEN") and table.channel)
    way = f"bot in {table.channel}" if is_bot else "incoming webhook, whose messages are never updated"
    buttons = buttons_of(configuration, table)
    if buttons.clicks:
        names = ["Approve", *(["Revise"] if buttons.revise else []), "Reject"]
        return Finding(f"{name} ({way}; buttons: {', '.join(names)})")
    says = f"{name} ({way}; no buttons, since"
    if not table.approvers:
        return Finding(f"{says} nobody is named in approvers)")
    lacks = lacks_for_clicks(configuration)
    return Finding(f"{says} clicks cannot arrive)", f"For buttons, set {lacks}.")


async def _asked(configuration: Configuration) -> list[Finding]:
    """What Slack and the mail servers answer; an incoming webhook cannot be asked without posting."""
    async with aiohttp.ClientSession() as session:
        return [await _answer(name, asked) for name, asked in _questions(configuration, session)]


def _questions(
    configuration: Configuration, session: aiohttp.ClientSession
) -> Iterator[tuple[str, Awaitable[object]]]:
    asked = set()
    for name, table in sorted(configuration.channels.items()):
        if isinstance(table, EmailChannel) and not configuration.missing_for(name):
            yield f"{name}'s server", greet(smtp_of(configuration, table))
        if isinstance(table, SlackChannel) and table.api_url not in asked:
            asked.add(table.api_url)
            for secret, method in _TOKENS.items():
                if token := configuration.secrets.get(secret):
                    yield secret, SlackApi(session, token, table.api_url).call(method)


async def _answer(name: str, asked: Awaitable[object]) -> Finding:
    try:
        await asked
    except ExecutorError as error:
        return Finding(f"{name}: {error.message}", error.hint or "Notices wait for it for a day.")
    return Finding(f"{name} is accepted")
