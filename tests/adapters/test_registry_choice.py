"""The configuration chooses the registry, and whether an address means anything to it."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from executor.adapters.registry_choice import out_of_reach, own_registry_of, registry_of
from executor.adapters.registry_entry import RegistryEntry
from executor.errors import Conflict
from executor.settings import Configuration, Secrets
from executor.settings_tables import Settings
from tests.fakes.numbered_registry import FakeNumberedRegistry
from tests.fakes.registry import FakeRegistry

ENTRY = RegistryEntry(12, "executor", "http://127.0.0.1:8400", "", "")


def configured(**table: str) -> Configuration:
    settings = Settings.model_validate({"registry": table})
    return Configuration(settings, Secrets({"REGISTRY_TOKEN": "secret"}), None, Path("/state"))


@pytest.mark.parametrize(
    ("fake", "flavour", "header"),
    [
        (FakeRegistry(), "core", ("Authorization", "Bearer secret")),
        (FakeNumberedRegistry(), "numbered", ("X-Registry-Key", "secret")),
    ],
)
async def test_each_flavour_gets_its_token_in_its_way_and_the_executors_own_entry_is_foreign_to_builds(
    fake, flavour, header
):
    async with fake, aiohttp.ClientSession() as session:
        configuration = configured(url=fake.url, flavour=flavour)
        own, registry = own_registry_of(session, configuration), registry_of(session, configuration)
        assert own is not None
        assert registry is not None
        assert (await own.register(ENTRY)).created
        assert not (await own.register(ENTRY)).created
        assert [entry.ours for entry in await registry.known()] == [False]
        with pytest.raises(Conflict):
            await registry.register(RegistryEntry(12, "executor", "http://127.0.0.1:9", "build-12", "r1"))
        with pytest.raises(Conflict):
            await registry.deregister(12, "executor")
        assert header in fake.headers[0].items()


async def test_without_an_address_there_is_no_registry():
    async with aiohttp.ClientSession() as session:
        assert registry_of(session, configured()) is None
        assert own_registry_of(session, configured()) is None


@pytest.mark.parametrize(
    ("endpoint", "registry", "out"),
    [
        ("http://localhost:8400", "http://127.0.0.1:8000", False),
        ("http://localhost:8400", "http://registry:8000", True),
        ("http://127.9.9.9:8400", "http://192.0.2.1:8000", True),
        ("http://[::1]:8400", "https://registry.example", True),
        ("http://192.0.2.7:8400", "http://192.0.2.1:8000", False),
        ("https://executor.example", "http://localhost:8000", False),
    ],
)
def test_a_loopback_address_means_nothing_to_a_registry_elsewhere(endpoint, registry, out):
    assert out_of_reach(endpoint, registry) is out
