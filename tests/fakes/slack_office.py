"""A daemon's Slack as its configuration makes it, against a fake one: channels, deliveries, clicks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from executor.channels import channels_of
from executor.domain.approval_link import ApprovalLinks
from executor.domain.build import Build, State
from executor.engine.channel_sender import ChannelSender
from executor.engine.deliveries import Deliveries
from executor.engine.notices import NOTIFY
from executor.engine.reports import Reports
from executor.settings import Configuration, Secrets
from executor.settings_tables import Settings
from executor.slack import slack_clicks
from tests.engine.conftest import World
from tests.fakes.slack import APP, BOT, SIGNING, FakeSlack, buttons

SECRETS = {"SLACK_BOT_TOKEN": BOT, "SLACK_SIGNING_SECRET": SIGNING}
BY_SOCKET = {"SLACK_BOT_TOKEN": BOT, "SLACK_APP_TOKEN": APP}


def configured(slack: FakeSlack, secrets: Mapping[str, str] = SECRETS, **table: Any) -> Configuration:
    """`table` changes [notify.slack]; there is a public_url and a model."""
    channel = {"kind": "slack", "channel": "C1", "approvers": ["U1"], "api_url": slack.api_url, **table}
    tables = {
        "server": {"public_url": "https://fpai.example"},
        "model": {"provider": "anthropic"},
        "notify": {"slack": channel},
    }
    return Configuration(Settings.model_validate(tables), Secrets(secrets), None, Path("state"))


@dataclass
class Office:
    """What tests ask of a daemon's Slack."""

    slack: FakeSlack
    world: World
    deliveries: Deliveries

    async def held(self, **more: Any) -> tuple[Build, dict[str, Any]]:
        """A build at its gate and the message in Slack that asks."""
        more = {"approval_mode": "final", "notify_channels": ("slack",), **more}
        build = await self.world.submit(**more)
        build = await self.world.until(build.id, State.WAITING_APPROVAL)
        await self.deliveries.look()
        return build, list(self.slack.messages.values())[-1]

    async def button(self, name: str) -> tuple[Build, dict[str, Any]]:
        build, message = await self.held()
        return build, buttons(message)[name]

    async def state(self, build: Build) -> State:
        return (await self.world.store.builds.get(build.id)).state

    async def told(self) -> dict[str, Any]:
        """What was last said to the person who pressed, alone."""
        await self.slack.until(lambda: self.slack.of("response"))
        return self.slack.of("response")[-1]

    async def deciders(self, build: Build) -> list[str | None]:
        events = await self.world.store.builds.events(build.id)
        return [e.data.get("by") for e in events if e.event_type in {"approved", "build_rejected"}]


@asynccontextmanager
async def office(
    slack: FakeSlack, world: World, configuration: Configuration, ahead: float = 0.0
) -> AsyncIterator[Office]:
    """The outbox's way to Slack; `ahead` moves its clock, past the waits between tries."""
    async with aiohttp.ClientSession() as session:
        links = ApprovalLinks(b"k" * 32)
        channels = channels_of(configuration, session, links, world.live.now)
        deliveries = Deliveries(
            store=world.store,
            senders={NOTIFY: ChannelSender(channels, world.store.outbox)},
            reports=Reports("http://localhost:8400", 12),
            clock=lambda: world.live.now() + ahead,
        )
        yield Office(slack, world, deliveries)


def clicks_of(configuration: Configuration, session: aiohttp.ClientSession, world: World) -> Any:
    return slack_clicks(configuration, session, world.commands, world.store.builds)
