"""A daemon whose droplets a scripted model writes."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from executor.adapters.claude import Claude
from executor.domain.build import Build
from executor.domain.events import Event
from executor.outside import WithModel
from tests.fakes.apprentice import (
    AllServed,
    Apprenticed,
    NoVenvs,
    PlainWalls,
    ReadsTheAnswer,
    tool,
    unwatched,
)
from tests.fakes.model import ScriptedModel
from tests.fakes.spec_reply import spec_reply
from tests.steps.conftest import House, open_house


@asynccontextmanager
async def workbench(
    state_dir: Path,
    rule: Any,
    *,
    verifier: ReadsTheAnswer | None = None,
    faults: Any = None,
    clock: Callable[[], float] = time.time,
    spec: Callable[[], Any] = spec_reply,
    **settings: Any,
) -> AsyncIterator[tuple[House, Apprenticed]]:
    """A house whose droplets a scripted model writes, and what the Apprentice asked of it."""
    story = Apprenticed(rule, spec)
    async with (
        ScriptedModel(story, faults=faults) as model,
        aclosing(Claude(api_key="sk-ant-key", base_url=model.url, timeout=30.0)) as service,
        open_house(
            state_dir,
            settings=settings,
            clock=clock,
            verifier=verifier or ReadsTheAnswer(),
            sandbox=PlainWalls(),
            with_model=WithModel(unwatched(service), NoVenvs(state_dir / "venv"), AllServed()),
        ) as house,
    ):
        yield house, story


def asks() -> dict[str, Any]:
    """A call by which the model asks the architect for a colour, and would itself take red."""
    return tool("ask_architect", question="Which?", options=["red", "blue"], default="red", why="colour")


def told(model: Apprenticed, index: int = -1) -> str:
    """What the last message of a request says, as one text."""
    return json.dumps(model.bodies[index]["messages"][-1])


async def events(house: House, build: Build, event_type: str) -> list[Event]:
    return [e for e in await house.store.builds.events(build.id) if e.event_type == event_type]


async def approve(house: House, build: Build) -> None:
    """Let the build pass the gate that it waits at."""
    await _decide(house, build, "approve", "")


async def revise(house: House, build: Build, feedback: str) -> None:
    """Send the build back from the gate that it waits at."""
    await _decide(house, build, "revise", feedback)


async def _decide(house: House, build: Build, decision: str, feedback: str) -> None:
    await house.commands.approve(
        build.id, checkpoint=None, decision=decision, feedback=feedback, gate_id=None
    )
