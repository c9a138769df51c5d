"""A daemon whose droplets a scripted model writes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from executor.adapters.claude import Claude
from executor.outside import WithModel
from tests.fakes.apprentice import AllServed, Apprenticed, NoVenvs, PlainWalls, ReadsTheAnswer, unwatched
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
