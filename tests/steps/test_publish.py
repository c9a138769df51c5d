"""What a build publishes on GitHub, and what the report says when it cannot."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from executor.adapters.git import Git
from executor.adapters.github import Github
from executor.domain.build import Build, State
from executor.errors import Permanent
from executor.steps.publish import Publisher, where_published
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
    kept = await asyncio.to_thread(everything_kept, tmp_path / "state")
    name = f"droplet-{done.droplet_id}-library"
    assert hub.branch(name, "main") == done.facts["commit"]
    assert hub.branch(name, f"build/{done.id}") == done.facts["commit"]
    assert report["repository_url"] == f"https://github.example/{hub.owner}/{name}"
    assert sum(call.startswith("POST /orgs") for call in hub.calls) == 1
    assert not [where for where, text in kept.items() if TOKEN.encode() in text]
    assert any(f"Pushed {done.facts['commit'][:10]} to main".encode() in text for text in kept.values())


def everything_kept(state: Path) -> dict[str, bytes]:
    """Every file of the state directory: the database with events and log, repositories, releases."""
    return {str(path): path.read_bytes() for path in state.rglob("*") if path.is_file()}


async def test_a_release_that_is_taken_back_moves_main_back_to_what_is_live(tmp_path):
    async with published(tmp_path) as (house, hub):
        first = await house.made()
        second = await house.made(
            intent="Build a Library Droplet for books and films", droplet_name="library"
        )
        await house.commands.rollback(second.id)
        await house.until(second.id, State.ROLLED_BACK)
    assert hub.branch(f"droplet-{second.droplet_id}-library", "main") == first.facts["commit"]


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


async def test_a_repository_that_people_removed_is_made_anew_by_a_retry(tmp_path):
    async with published(tmp_path) as (house, hub):
        await house.made()
        build = await house.submit(intent="Build a Library Droplet for films", droplet_name="library")
        name = f"droplet-{build.droplet_id}-library"
        house.target.while_starting = lambda _: remove(hub, name)
        ended = await house.until(build.id)
        assert (ended.state, ended.error["code"]) == (State.FAILED, "REPOSITORY_MOVED")
        house.target.while_starting = None
        await house.commands.retry(build.id, 3)
        done = await house.until(build.id, State.COMPLETE)
    assert hub.branch(name, "main") == done.facts["commit"]
    assert hub.branch(name, f"build/{done.id}") == done.facts["commit"]


async def remove(hub: FakeGitHub, name: str) -> None:
    hub.repositories.pop(name, None)
    shutil.rmtree(hub.directory / f"{name}.git", ignore_errors=True)


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".GitHub/Workflows/ci.yml"])
async def test_a_commit_that_github_would_run_is_not_pushed(tmp_path, path):
    async with published(tmp_path) as (house, hub):
        done = await house.made()
        step = Publisher(Git(), None, tmp_path / "state" / "repositories", TOKEN)
        commit = await committed(tmp_path, done, path)
        with pytest.raises(Permanent, match="nothing was pushed") as refused:
            await step.push(house.context(done), commit)
        await step.push(house.context(done), await committed(tmp_path, done, ".github/CODEOWNERS"))
    assert refused.value.code == "WORKFLOW_REFUSED"
    assert commit not in hub.branch(f"droplet-{done.droplet_id}-library", f"build/{done.id}")


async def committed(tmp_path: Path, build: Build, path: str) -> str:
    tree = tmp_path / path.replace("/", "-")
    (tree / path).parent.mkdir(parents=True)
    (tree / path).write_text("on: push\n")
    repository = tmp_path / "state" / "repositories" / "library.git"
    return await Git().commit(repository, tree, path, when=datetime.now(UTC), parent=build.facts["commit"])


@pytest.mark.parametrize(
    ("owner", "has_token", "said"),
    [
        ("", False, "[github] owner and GITHUB_TOKEN are not set."),
        ("fullpotential-ai", False, "GITHUB_TOKEN is not set."),
        ("", True, "[github] owner is not set."),
        ("fullpotential-ai", True, "it was packaged before GitHub was configured."),
    ],
)
async def test_the_report_names_what_is_missing_to_publish(house, owner, has_token, said):
    done = await house.made()
    assert where_published(done, owner, has_token) == f"The repository is local only: {said}"


async def test_without_github_the_report_says_what_is_missing(house):
    done = await house.made()
    report = json.loads((await house.store.builds.artifact(done.id, "report"))["body"])
    assert "The repository is local only: [github] owner and GITHUB_TOKEN are not set." in report["notes"]
