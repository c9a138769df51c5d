"""The doctor says whether builds can register, and whether others find the executor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from executor.adapters.registry_choice import own_registry_of
from executor.adapters.registry_entry import RegistryEntry
from executor.cli.doctor import Check
from executor.cli.doctor_registry import examine_registry
from executor.settings import Configuration, Secrets
from executor.settings_tables import Settings
from tests.fakes.numbered_registry import FakeNumberedRegistry
from tests.fakes.registry import FakeRegistry


def configured(url: str, **table: Any) -> Configuration:
    settings = Settings.model_validate({"registry": {"url": url, **table}})
    return Configuration(settings, Secrets({}), None, Path("/state"))


async def examined(configuration: Configuration) -> Check:
    return await asyncio.to_thread(examine_registry, configuration)


async def test_without_an_address_there_is_nothing_to_look_at():
    assert (await examined(configured(""))).state == "ok"


async def test_the_executors_own_entry_is_as_it_should_be():
    async with FakeRegistry() as fake, aiohttp.ClientSession() as session:
        fake.add(1, "registry")
        registry = own_registry_of(session, configured(fake.url))
        assert registry is not None
        await registry.register(RegistryEntry(12, "executor", "http://localhost:8400", "", ""))
        check = await examined(configured(fake.url))
    assert (check.state, "2 droplets" in check.says) == ("ok", True)


@pytest.mark.parametrize(("number", "name"), [(12, "chat-orchestrator"), (20, "executor")])
async def test_another_under_its_number_or_name_is_a_warning(number, name):
    async with FakeRegistry() as fake:
        fake.add(number, name)
        check = await examined(configured(fake.url))
    assert (check.state, name in check.says) == ("warn", True)
    assert "[server] droplet_id" in check.fix


async def test_a_registry_that_is_away_is_waited_for():
    async with FakeRegistry() as fake:
        fake.away = True
        check = await examined(configured(fake.url))
    assert (check.state, "wait" in check.fix) == ("warn", True)


async def test_a_key_that_the_registry_refuses_would_fail_builds():
    async with FakeNumberedRegistry("secret") as fake:
        check = await examined(configured(fake.url, flavour="numbered"))
    assert check.state == "fail"
    assert "REGISTRY_TOKEN" in check.fix


async def test_the_wrong_flavour_would_fail_builds():
    async with FakeNumberedRegistry() as fake:
        check = await examined(configured(fake.url))
    assert check.state == "fail"
