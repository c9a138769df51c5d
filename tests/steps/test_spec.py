"""Step 2 with real git and a real fp-tools program: by rule, by the model, and from an earlier release."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest

from executor.adapters.git import Git
from executor.domain.droplet import DropletIdentity
from executor.domain.spec_document import Authored, assemble
from executor.domain.spec_form import read_sections
from executor.domain.spec_reader import read_resources
from executor.domain.spec_writer import SpecRequest, write_spec
from executor.errors import Transient
from executor.steps.spec import SPEC_FILE, preview
from tests.agent.spec_desk import INTENT, desk
from tests.fakes.fp_tools import write_fp_tools
from tests.fakes.spec_reply import spec_reply

IDENTITY = DropletIdentity(13, "orders", "0.1.0", INTENT, 8013)
ONE_ENDPOINT = (
    "### 1. POST /orders\n\nKeeps an order and answers it with its total: 201. " + "400 for no lines. " * 5
)


async def released(directory, spec: str) -> dict[str, str]:
    """A repository whose commit holds this SPEC, as the facts of a build that starts from it."""
    work, repository = directory / "work", directory / "repositories" / "orders.git"
    (work / SPEC_FILE).parent.mkdir(parents=True)
    (work / SPEC_FILE).write_text(spec)
    repository.parent.mkdir()
    git = Git()
    await git.init_bare(repository)
    return {
        "base_commit": await git.commit(repository, work, "released", when=datetime(2026, 1, 1, tzinfo=UTC))
    }


def by_model(**changes) -> str:
    return assemble(IDENTITY, INTENT, Authored(spec_reply(**changes)["spec"]))


async def test_without_a_model_rules_write_and_nothing_is_asked(tmp_path):
    async with desk(tmp_path, by_rule=True) as desked:
        done = await desked.finished(approval_mode="auto")
        spec = await desked.spec(done)
    assert read_resources(spec)
    assert done.facts["resources"]
    assert done.facts["spec_score"] == 100
    assert desked.model.requests == []


async def test_a_new_release_is_told_the_spec_that_serves_and_may_not_drop_an_endpoint(tmp_path):
    earlier, fewer = by_model(), spec_reply(Business_Logic_Endpoints=ONE_ENDPOINT)
    facts = await released(tmp_path, earlier)
    async with desk(tmp_path, fewer, spec_reply(), facts=facts) as desked:
        spec = await desked.spec(await desked.finished())
    assert earlier in desked.model.told(0)
    assert "GET /orders/{order_id} is served now and is missing" in desked.model.told(1)
    assert "### 2. GET /orders/{order_id}" in spec


async def test_an_endpoint_may_go_when_it_is_named_and_the_spec_and_the_log_say_so(tmp_path):
    facts = await released(tmp_path, by_model())
    reason = "GET /orders/{id}: the intent wants no reading"
    reply = spec_reply(Business_Logic_Endpoints=ONE_ENDPOINT, removed=(reason,))
    async with desk(tmp_path, reply, facts=facts) as desked:
        done = await desked.finished()
        spec, log = await desked.spec(done), await desked.logged(done)
    assert reason in read_sections(spec)["No Longer Served"]
    assert f"No longer served: {reason}" in log


async def test_rules_carry_on_what_rules_wrote(tmp_path):
    facts = await released(
        tmp_path, write_spec(SpecRequest(IDENTITY, "Build an Orders Droplet that stores books"))
    )
    async with desk(tmp_path, by_rule=True, facts=facts) as desked:
        done = await desked.finished()
    assert "books" in done.facts["resources"]


async def test_rules_refuse_to_carry_on_what_a_model_wrote(tmp_path):
    facts = await released(tmp_path, by_model())
    async with desk(tmp_path, by_rule=True, facts=facts) as desked:
        failed = await desked.failed()
    assert failed.error["code"] == "NEEDS_MODEL"


async def test_the_draft_of_fp_tools_is_enriched_by_the_model_and_made_once(tmp_path):
    program = write_fp_tools(tmp_path, sys.executable)
    async with desk(tmp_path, Transient("cut"), spec_reply(), fp_tools=program) as desked:
        done = await desked.finished()
        meta = (await desked.world.store.builds.artifact(done.id, "spec"))["meta"]
    assert "Register with Registry on startup" in desked.model.told(0)
    assert desked.model.requests[0].messages == desked.model.requests[1].messages
    assert meta["fp_tools"] is True
    assert meta["model"] == "claude-sonnet-5-5"
    assert list((tmp_path / "places").glob("**/fp-tools*")) == []


async def test_a_repeat_of_the_step_needs_no_draft_again(tmp_path):
    program = write_fp_tools(tmp_path, sys.executable)
    async with desk(tmp_path, spec_reply(), fp_tools=program, between=program.unlink) as desked:
        await desked.finished()
    assert len(desked.model.requests) == 1


def test_a_dry_run_is_written_by_rule_and_spends_nothing():
    shown = preview(INTENT, IDENTITY)
    assert shown["spec_score"] == 100
    assert read_resources(shown["spec"])


@pytest.mark.parametrize("least", [100, 33])
async def test_the_score_to_reach_is_the_settings(tmp_path, least):
    reply = spec_reply(Optimization_Opportunities=None)
    async with desk(tmp_path, reply, spec_reply(), min_score=least) as desked:
        await desked.finished()
    assert len(desked.model.requests) == (2 if least == 100 else 1)
