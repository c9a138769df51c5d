"""The whole daemon over real git and a real database; where releases run and who verifies are fakes."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from executor.adapters.registry_choice import own_registry_of, registry_of
from executor.assembly import Daemon, assembled
from executor.domain.build import FINISHED, Build, State
from executor.domain.estimate import DEFAULT_SECONDS, Estimator
from executor.domain.findings import Finding, Result, VerifierReport
from executor.engine.bus import Bus
from executor.engine.context import Context
from executor.engine.live import LiveView
from executor.engine.machine import BuildModel, Lifecycle
from executor.engine.requests import SubmitRequest
from executor.errors import Permanent, ReleaseAtFault
from executor.outside import Outside
from executor.sandbox.places import Places
from executor.sandbox.refusing import RefusingSandbox
from executor.settings import Configuration, Secrets
from executor.settings_tables import Settings
from executor.targets.base import Release, Running
from executor.targets.choice import OneTarget
from tests.fakes.registry import FakeRegistry
from tests.fakes.target import PlainTarget
from tests.patience import PATIENCE


class MemoryTarget(PlainTarget):
    """Runs releases by noting that they run. Like the real one it needs their files, and keeps a copy."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.running: dict[str, str] = {}
        self.unfit: set[str] = set()
        self.refused: set[str] = set()
        self.started: list[str] = []
        self.while_starting: Callable[[str], Awaitable[object]] | None = None
        self.while_pruning: Callable[[], Awaitable[object]] | None = None

    async def find(self, release: Release) -> Running | None:
        url = self.running.get(release.id)
        return Running(release.id, url, {"release_id": release.id}) if url else None

    async def start(self, release: Release) -> Running:
        if found := await self.find(release):
            return found
        release.requirements.read_text()
        if self.while_starting is not None:
            await self.while_starting(release.id)
        kept = self.places.release(release.droplet_name, release.id) / "source"
        if not kept.is_dir():
            await asyncio.to_thread(shutil.copytree, release.source, kept)
        self.started.append(release.id)
        self.running[release.id] = f"http://127.0.0.1:{19000 + len(self.started)}"
        return Running(release.id, self.running[release.id], {"release_id": release.id})

    async def prove(self, running: Running, release: Release) -> None:
        if release.id in self.refused:
            raise Permanent("Nobody may look at it.")
        if release.id in self.unfit:
            raise ReleaseAtFault("It does not answer.", log="Traceback")

    async def stop(self, handle: Mapping[str, str]) -> None:
        self.running.pop(handle["release_id"], None)

    async def alive(self, handle: Mapping[str, str]) -> bool:
        return handle["release_id"] in self.running

    async def prune(self, droplet: str, keep: frozenset[str]) -> None:
        if self.while_pruning is not None:
            await self.while_pruning()
        for place in self.places.releases(droplet).iterdir():
            if place.name not in keep and place.name not in self.running:
                shutil.rmtree(place)


class Satisfied:
    """A Verifier that finds nothing wrong."""

    async def verify(self, *, source: Path, commit: str, **_: object) -> VerifierReport:
        finding = Finding("T1", "The tests pass", Result.PASS, "")
        return VerifierReport(commit, (finding,), tests_passing=3, tests_failing=0, seconds=0.0)


class House:
    """A running daemon and what tests ask of it."""

    def __init__(self, daemon: Daemon, target: MemoryTarget) -> None:
        self.daemon = daemon
        self.target = target
        self.store = daemon.store
        self.commands = daemon.commands

    async def submit(self, intent: str = "Build a Library Droplet for books", **more: object) -> Build:
        return (await self.commands.submit(SubmitRequest(intent, **more))).build

    async def until(self, build_id: str, *states: State) -> Build:
        wanted = states or tuple(FINISHED)
        with self.daemon.bus.subscribe(build_id) as heard:
            async with asyncio.timeout(PATIENCE):
                while (build := await self.store.builds.get(build_id)).state not in wanted:
                    await heard.take(0.5)
        return build

    async def made(self, **more: object) -> Build:
        """One complete build."""
        done = await self.until((await self.submit(**more)).id)
        assert done.state is State.COMPLETE, done.error
        return done

    def context(self, build: Build) -> Context:
        """What the engine lends a step of this build."""
        estimator = Estimator(DEFAULT_SECONDS["scaffold"])
        lifecycle = Lifecycle(self.store.builds, Bus(), estimator, time.time, lambda _: None)
        return Context(BuildModel(build), lifecycle, self.store, self.daemon.live, LiveView())


@asynccontextmanager
async def open_house(
    state_dir: Path,
    registry_url: str = "",
    *,
    settings: Mapping[str, Any] | None = None,
    clock: Callable[[], float] = time.time,
    itself: bool = False,
    **parts: Any,
) -> AsyncIterator[House]:
    """`parts` replace those of Outside: verifier, sandbox, with_model; `itself` lists the executor too."""
    state_dir.mkdir(exist_ok=True)
    places = Places.of(state_dir, base=state_dir / "places")
    target = MemoryTarget(places)

    async def outside(session) -> Outside:
        walls = RefusingSandbox(Permanent("No sandbox is needed here."))
        made = {"sandbox": walls, "verifier": Satisfied(), **parts}
        registry = registry_of(session, configuration)
        if itself:
            made["own_registry"] = own_registry_of(session, configuration)
        return Outside(places=places, targets=OneTarget(target), registry=registry, **made)

    tables = {"registry": {"url": registry_url}, **(settings or {})}
    configuration = Configuration(Settings.model_validate(tables), Secrets({}), None, state_dir)
    async with assembled(configuration, str, outside, clock) as daemon:
        yield House(daemon, target)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    async with FakeRegistry() as fake:
        yield fake


@pytest.fixture
async def registered(tmp_path: Path, registry: FakeRegistry) -> AsyncIterator[House]:
    """A house that registers with the core Registry `registry`."""
    async with open_house(tmp_path / "state", registry.url) as opened:
        yield opened
