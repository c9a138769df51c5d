"""The fakes have the ways of the real registries that were observed (ecosystem.md 2.1, 2.2)."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.fakes.numbered_registry import FakeNumberedRegistry
from tests.fakes.registry import FakeRegistry


async def asked(url: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url + path, json=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json(content_type=None) if "json" in answer.content_type else None


async def test_the_core_registry_replaces_a_used_id_without_a_word_and_refuses_a_used_name():
    async with FakeRegistry() as fake:
        fake.add(13, "first")
        status, _ = await asked(
            fake.url, "POST", "/droplets", {"id": 13, "name": "b", "endpoint": "http://b"}
        )
        assert (status, fake.droplets[13]["name"]) == (201, "b")
        status, _ = await asked(
            fake.url, "POST", "/droplets", {"id": 14, "name": "b", "endpoint": "http://c"}
        )
        assert (status, list(fake.droplets)) == (409, [13])
        _, created = await asked(fake.url, "POST", "/droplets", {"name": "c", "endpoint": "http://c"})
        assert created["droplet"]["id"] == 14


async def test_the_core_registry_is_inactive_while_empty_and_empty_after_a_restart():
    async with FakeRegistry() as fake:
        assert (await asked(fake.url, "GET", "/health"))[1]["status"] == "inactive"
        fake.add(13, "first")
        assert (await asked(fake.url, "GET", "/health"))[1]["status"] == "active"
        fake.restart()
        assert (await asked(fake.url, "GET", "/droplets"))[1]["total"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/droplets", {"name": "x"}, 422),
        ("POST", "/register", {"droplet_id": 13, "port": 1, "name": "x", "health_endpoint": "/health"}, 500),
        ("POST", "/register", {"name": "x", "url": "http://x"}, 200),
        ("POST", "/register", {"name": "first", "url": "http://x"}, 409),
        ("PATCH", "/droplets/13", {"status": "healthy"}, 422),
        ("PATCH", "/droplets/99", {"status": "active"}, 404),
        ("POST", "/droplets/heartbeat", {"id": 13}, 405),
        ("GET", "/auth/public-key", None, 404),
        ("GET", "/services/by-name/first", None, 404),
        ("POST", "/auth/token", {}, 404),
    ],
)
async def test_the_core_registry_answers_as_it_was_seen_to(method, path, body, status):
    async with FakeRegistry() as fake:
        fake.add(13, "first")
        assert (await asked(fake.url, method, path, body))[0] == status


async def test_the_core_registry_replaces_metadata_as_a_whole_and_says_when_nothing_was_sent():
    async with FakeRegistry() as fake:
        fake.add(13, "first", owner="somebody")
        await asked(fake.url, "PATCH", "/droplets/13", {"metadata": {"a": 1}})
        assert fake.droplets[13]["metadata"] == {"a": 1}
        status, answer = await asked(fake.url, "POST", "/send", {"target": "nobody", "message_type": "event"})
        assert (status, answer["sent"]) == (200, False)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/registry/register", {"name": "x"}, 400),
        ("POST", "/registry/register", {"id": 13}, 422),
        ("POST", "/registry/register", {"fqdn": "x.example"}, 201),
        ("POST", "/registry/heartbeat", {}, 400),
        ("POST", "/registry/heartbeat", {"id": "nobody"}, 404),
        ("DELETE", "/registry/droplets", None, 405),
    ],
)
async def test_the_numbered_registry_answers_as_it_was_seen_to(method, path, body, status):
    async with FakeNumberedRegistry("key") as fake:
        assert (await asked(fake.url, method, path, body))[0] in {401, 405}
        assert (await asked(fake.url, method, path, body, **{"X-Registry-Key": "key"}))[0] == status


async def test_the_numbered_registry_updates_what_is_repeated_and_counts_silence_as_down():
    async with FakeNumberedRegistry() as fake:
        await asked(fake.url, "POST", "/registry/register", {"id": "a", "name": "one", "env": "staging"})
        await asked(fake.url, "POST", "/registry/register", {"id": "a", "name": "two"})
        await asked(fake.url, "POST", "/registry/heartbeat", {"id": "a", "cpu": 300, "status": "down"})
        _, (listed,) = await asked(fake.url, "GET", "/registry/droplets")
        assert (listed["name"], listed["env"], listed["cpu"], listed["status"]) == (
            "two", "staging", 100.0, "healthy",
        )  # fmt: skip
        fake.now += 181
        assert (await asked(fake.url, "GET", "/dashboard"))[1]["summary"]["down"] == 1
