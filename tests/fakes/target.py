"""The parts of a target that one machine without a proxy and without a second user has no need of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager


class PlainTarget:
    """For targets of tests to build on: nothing to lock, to prepare, to switch or to let go of."""

    name = "process"
    revive_after = 0.0

    @asynccontextmanager
    async def held(self, droplet: str, build_id: str) -> AsyncIterator[None]:
        yield

    async def prepare(self, release, doing) -> None:
        return None

    async def switch(self, running, release) -> None:
        return None

    async def discard(self, release, earlier: Mapping[str, str] | None) -> None:
        if found := await self.find(release):
            await self.stop(found.handle)

    async def retire(self, droplet: str) -> None:
        return None

    async def log_tail(self, handle: Mapping[str, str], lines: int = 60) -> str:
        return ""

    async def prune(self, droplet: str, keep: frozenset[str]) -> None:
        return None

    async def aclose(self) -> None:
        return None
