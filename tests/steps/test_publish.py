"""What a build publishes on GitHub, and what the report says when it cannot."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from executor.adapters.git import Git
from executor.adapters.github import Github
from executor.domain.build import State
from executor.steps.publish import Publisher
from tests.fakes.github import TOKEN, FakeGitHub
from tests.steps.conftest import House, open_house


@asynccontextmanager
async def published(tmp_path: Path) -> AsyncIterator[tuple[House, FakeGitHub]]:
    (tmp_path / "hub").mkdir()
    async with FakeGitHub(tmp_path / "hub") as hub, aiohttp.ClientSession() as session:
        service = Github(
            session, owner=hub.owner, private=True, api_url=hub.url, token=TOKEN, mark="executor-12"
        )
        publisher = Publisher(Git(), service, tmp_path / "state" / "repositories", TOKEN)
        async with open_house(tmp_path / "state", publisher=publisher) as house:
            yield house, hub


async def test_a_build_makes_its_repository_and_pushes_what_is_live_to_main(tmp_path):
    async with published(tmp_path) as (house, hub):
        done = await house.made()
        report = json.loads((await house.store.builds.artifact(done.id, "report"))["body"])
        events = [str(event) for event in await house.store.builds.events(done.id)]
    name = f"droplet-{done.droplet_id}-library"
    assert hub.branch(name, "main") == done.facts["commit"]
    assert hub.branch(name, f"build/{done.id}") == done.facts["commit"]
    assert report["repository_url"] == f"https://github.example/{hub.owner}/{name}"
    assert sum(call.startswith("POST /orgs") for call in hub.calls) == 1
    assert TOKEN not in "".join(events) + json.dumps(report) + json.dumps(dict(done.facts))


async def test_a_second_release_is_pushed_to_the_same_repository(tmp_path):
    async with published(tmp_path) as (house, hub):
        await house.made()
        second = await house.made(
            intent="Build a Library Droplet for books and films", droplet_name="library"
        )
    assert list(hub.repositories) == [f"droplet-{second.droplet_id}-library"]
    assert hub.branch(f"droplet-{second.droplet_id}-library", "main") == second.facts["commit"]


async def test_a_foreign_repository_fails_the_build_before_anything_is_written(tmp_path):
    async with published(tmp_path) as (house, hub):
        hub.add("droplet-13-library", "not ours")
        build = await house.until((await house.submit()).id)
    assert (build.state, build.error["code"]) == (State.FAILED, "REPOSITORY_TAKEN")
    assert hub.branch("droplet-13-library", "main") == ""


async def test_a_github_that_is_away_lets_the_build_wait(tmp_path):
    async with published(tmp_path) as (house, hub):
        hub.status = 503
        build = await house.submit()
        await house.until(build.id, State.WAITING_RETRY)
        hub.status = 0
        assert (await house.until(build.id)).state is State.COMPLETE


async def test_without_github_the_report_says_what_is_missing(house):
    done = await house.made()
    report = json.loads((await house.store.builds.artifact(done.id, "report"))["body"])
    assert "The repository is local only: [github] owner and GITHUB_TOKEN are not set." in report["notes"]
