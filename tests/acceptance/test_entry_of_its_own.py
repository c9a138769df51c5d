"""The executor itself in the core Registry: there when it is up, inactive when it drains, and never taken over."""

from __future__ import annotations

import asyncio

from tests.acceptance.daemon import running
from tests.fakes.registry import FakeRegistry
from tests.patience import PATIENCE


async def until(condition) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.05)


async def test_the_executor_is_listed_while_it_is_up_and_inactive_once_it_drains(tmp_path):
    async with FakeRegistry() as registry:
        with running(tmp_path, FPAI_REGISTRY__URL=registry.url) as daemon:
            await until(lambda: registry.droplets.get(12, {}).get("status") == "active")
            entry = registry.droplets[12]
            assert (entry["name"], entry["endpoint"]) == ("executor", f"http://localhost:{daemon.port}")
            assert await asyncio.to_thread(daemon.terminate) == 0
            assert registry.droplets[12]["status"] == "inactive"


async def test_a_droplet_that_holds_its_number_stays_and_the_daemon_serves_all_the_same(tmp_path):
    async with FakeRegistry() as registry:
        registry.add(12, "chat-orchestrator")
        with running(tmp_path, FPAI_REGISTRY__URL=registry.url) as daemon:
            await until(lambda: "executor_not_registered" in daemon.log.read_text())
            assert registry.droplets[12]["name"] == "chat-orchestrator"
            assert (await asyncio.to_thread(daemon.call, "GET", "/readyz"))[0] == 200
