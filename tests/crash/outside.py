"""The world beyond the daemon: behaving fakes in the parent, reached over loopback, logging every act.

The child's own side of it (RemoteTarget) holds nothing: what it knows dies with it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from executor.adapters.claude import Claude
from executor.adapters.registry import CoreRegistry
from executor.domain.findings import Finding, Result, VerifierReport
from executor.errors import Permanent, ReleaseAtFault
from executor.outside import Outside, WithModel
from executor.sandbox.places import Places
from executor.sandbox.refusing import RefusingSandbox
from executor.store.store import DATABASE_NAME
from executor.targets.base import Release, Running
from executor.targets.choice import OneTarget
from tests.fakes.apprentice import (
    AllServed,
    Apprenticed,
    NoVenvs,
    PlainWalls,
    ReadsTheAnswer,
    answer,
    finish,
    run_tests,
    tool,
    unwatched,
)
from tests.fakes.model import ScriptedModel
from tests.fakes.registry import FakeRegistry
from tests.fakes.target import PlainTarget


@dataclass(frozen=True)
class Notice:
    """A webhook that arrived; `may_be_repeat` as its sender said."""

    id: str
    kind: str
    may_be_repeat: bool


@dataclass
class World:
    """What is running outside, and everything that was ever done there."""

    releases: dict[str, dict[str, Any]] = field(default_factory=dict)
    acts: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    broken: bool = False

    def start(self, release_id: str) -> dict[str, Any]:
        running = self.releases.get(release_id)
        if running is None or not running["alive"]:
            self.acts.append(f"start {release_id}")
            url = f"http://127.0.0.1:{19000 + len(self.releases)}"
            running = self.releases.setdefault(release_id, {"url": url})
            running["alive"] = True
        return running

    def stop(self, release_id: str) -> None:
        if self.releases.get(release_id, {}).get("alive"):
            self.acts.append(f"stop {release_id}")
            self.releases[release_id]["alive"] = False

    @property
    def alive(self) -> list[str]:
        return sorted(name for name, release in self.releases.items() if release["alive"])


class WorldServer:
    """Serves a World and a fake core Registry from a thread of the parent."""

    def __init__(self) -> None:
        self.world = World()
        self.registry = FakeRegistry()
        self.model = ScriptedModel(Apprenticed(by_history))
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> WorldServer:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def fresh(self) -> None:
        """Forget everything: the next run starts in an empty world."""
        self.world = World()
        self.registry.droplets.clear()
        self.registry.requests.clear()
        self.registry.headers.clear()
        self.model.requests.clear()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.run_until_complete(self.registry.__aexit__(None, None, None))
        self._loop.run_until_complete(self.model.__aexit__(None, None, None))
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/{act}/{release}", self._act)
        app.router.add_post("/notices", self._hear)
        self._runner, self.url = await _started(app)
        await self.registry.__aenter__()
        await self.model.__aenter__()
        self._up.set()

    async def _act(self, request: web.Request) -> web.Response:
        release, world = request.match_info["release"], self.world
        match request.match_info["act"]:
            case "find":
                running = world.releases.get(release)
                return web.json_response(running if running and running["alive"] else None)
            case "start":
                return web.json_response(world.start(release))
            case "prove":
                return web.json_response({"proven": not world.broken})
            case "stop":
                world.stop(release)
                return web.json_response({})
        raise web.HTTPNotFound

    async def _hear(self, request: web.Request) -> web.Response:
        told = await request.json()
        heard = Notice(request.headers["webhook-id"], told["type"], told["data"].get("repeat", False))
        self.world.notices.append(heard)
        return web.Response(text="thanks")


async def _started(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


class RemoteTarget(PlainTarget):
    """A target whose machine is the parent."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def find(self, release: Release) -> Running | None:
        return _running(release.id, await self._ask("find", release.id))

    async def start(self, release: Release) -> Running:
        running = _running(release.id, await self._ask("start", release.id))
        if running is None:
            raise Permanent("The parent did not start it.")
        return running

    async def prove(self, running: Running, release: Release) -> None:
        if not (await self._ask("prove", release.id))["proven"]:
            raise ReleaseAtFault("It does not answer.", log="Traceback")

    async def stop(self, handle: Mapping[str, str]) -> None:
        await self._ask("stop", handle["release_id"])

    async def alive(self, handle: Mapping[str, str]) -> bool:
        return await self._ask("find", handle["release_id"]) is not None

    async def _ask(self, act: str, release_id: str) -> Any:
        async with self._session.post(f"{self._url}/{act}/{release_id}") as answer:
            return await answer.json()


class ScriptedVerifier:
    """Red once in the scenario `repair`: until the database knows of a repair, however often it is asked."""

    def __init__(self, state_dir: Path, scenario: str) -> None:
        self._database = state_dir / DATABASE_NAME
        self._red_once = scenario == "repair"

    async def verify(self, *, source: Path, commit: str, **_: object) -> VerifierReport:
        await asyncio.sleep(0)
        red = self._red_once and not self._repaired()
        finding = Finding("T1", "The tests pass", Result.FAIL if red else Result.PASS, "scripted")
        failing = 3 if red else 0
        return VerifierReport(
            commit, (finding,), tests_passing=3 - failing, tests_failing=failing, seconds=0.0
        )

    def _repaired(self) -> bool:
        with closing(sqlite3.connect(self._database)) as db:
            return db.execute("SELECT count(*) FROM decisions WHERE decision = 'repair'").fetchone()[0] > 0


def by_history(body: dict[str, Any], _: int) -> list[dict[str, Any]]:
    """The Apprentice's part, which follows from what was said: a repeated request gets the same answer."""
    replies = (
        [tool("bash", command="ls"), answer("test_a", "test_b"), run_tests()],
        [tool("str_replace_based_edit_tool", command="view", path="/ws"), answer("test_b"), finish()],
        [tool("bash", command="cat answer.txt"), tool("bash", command="pwd")],
        [answer("# green"), finish()],
        [answer("# better"), finish()],
    )
    return replies[sum(message["role"] == "assistant" for message in body["messages"])]


def outside_of(url: str, registry_url: str, model_url: str, state_dir: Path, scenario: str):
    """What the child's daemon is assembled with."""

    async def connect(session: aiohttp.ClientSession) -> Outside:
        outside = Outside(
            places=Places.of(state_dir, base=state_dir / "places"),
            sandbox=RefusingSandbox(Permanent("No sandbox is needed here.")),
            verifier=ScriptedVerifier(state_dir, scenario),
            targets=OneTarget(RemoteTarget(session, url)),
            registry=CoreRegistry(session, registry_url, None),
        )
        if scenario != "apprentice":
            return outside
        service = Claude(api_key="sk-ant-key", base_url=model_url, timeout=30.0)
        return replace(
            outside,
            sandbox=PlainWalls(),
            verifier=ReadsTheAnswer(refused={"# green": "GET /orders answered 500"}),
            with_model=WithModel(unwatched(service), NoVenvs(state_dir / "venv"), AllServed()),
        )

    return connect


def _running(release_id: str, found: dict[str, Any] | None) -> Running | None:
    return Running(release_id, found["url"], {"release_id": release_id}) if found else None
