"""A retired model is refused before anything is started or paid; a look-up that fails stops nothing."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from executor.adapters.claude import Claude
from executor.adapters.model_catalog import look_up
from executor.agent.model_watch import ModelWatch
from executor.domain.build import State
from executor.errors import Conflict
from executor.outside import WithModel
from tests.fakes.apprentice import AllServed, Apprenticed, NoVenvs, PlainWalls, ReadsTheAnswer, answer, finish
from tests.fakes.model import ScriptedModel, script
from tests.patience import PATIENCE
from tests.steps.conftest import open_house

MODEL = "claude-sonnet-5-5"


async def watched(model: ScriptedModel, session: aiohttp.ClientSession, known: asyncio.Event) -> ModelWatch:
    """A watch of one model; `known` is set once it has been looked up."""
    service = Claude(api_key="sk-ant-key", base_url=model.url, timeout=10.0)

    async def looked_up(name: str):
        found = await look_up(session, name, base_url=model.url, api_key="sk-ant-key")
        known.set()
        return found

    return ModelWatch(service, looked_up, (MODEL,))


@pytest.mark.parametrize(
    ("described", "ends", "warned"),
    [
        ({"lifecycle": "retired", "retires_at": "2026-01-01T00:00:00Z"}, None, True),
        ({"lifecycle": "active", "retires_at": None}, State.COMPLETE, False),
        (404, State.FAILED, True),
        (500, State.COMPLETE, False),
    ],
)
async def test_what_the_catalogue_says_decides_if_a_build_starts(tmp_path, described, ends, warned):
    story = Apprenticed(script([answer(), finish()]))
    async with ScriptedModel(story) as model, aiohttp.ClientSession() as session:
        if isinstance(described, int):
            model.catalogue[MODEL] = described
        else:
            model.describe(MODEL, **described)
        known = asyncio.Event()
        watch = await watched(model, session, known)
        parts = WithModel(watch, NoVenvs(tmp_path / "venv"), AllServed())
        walls = {"sandbox": PlainWalls(), "verifier": ReadsTheAnswer(), "with_model": parts}
        async with open_house(tmp_path / "state", **walls) as house:
            async with asyncio.timeout(PATIENCE):
                await known.wait()
            assert bool(watch.warnings) is warned
            if ends is None:
                with pytest.raises(Conflict, match="retired") as error:
                    await house.submit()
                assert error.value.code == "MODEL_RETIRED"
                assert model.bodies == []
            else:
                assert (await house.until((await house.submit()).id)).state is ends
