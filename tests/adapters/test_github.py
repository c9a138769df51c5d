"""Repositories on GitHub: made once, adopted when ours, refused when not, pushed without a trace."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from executor.adapters.git import Git
from executor.adapters.git_push import Remote
from executor.adapters.github import Github
from executor.errors import Conflict, Permanent, Transient
from tests.fakes.github import TOKEN, FakeGitHub

NAME = "droplet-13-library"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[FakeGitHub]:
    (tmp_path / "hub").mkdir()
    async with FakeGitHub(tmp_path / "hub") as fake:
        yield fake


@pytest.fixture
async def github(hub: FakeGitHub) -> AsyncIterator[Github]:
    async with aiohttp.ClientSession() as session:
        yield of(session, hub)


def of(session: aiohttp.ClientSession, hub: FakeGitHub, **other: str) -> Github:
    given = {"owner": hub.owner, "token": TOKEN, "api_url": hub.url, **other}
    return Github(session, private=True, mark="executor-12", **given)


@pytest.fixture
async def ours(tmp_path: Path) -> Path:
    git_dir = tmp_path / "library.git"
    await Git().init_bare(git_dir)
    return git_dir


async def commit(git_dir: Path, tmp_path: Path, text: str, parent: str | None = None) -> str:
    tree = tmp_path / f"tree-{text}"
    tree.mkdir()
    (tree / "a.txt").write_text(text)
    return await Git().commit(git_dir, tree, text, when=datetime(2026, 11, 23, tzinfo=UTC), parent=parent)


@pytest.mark.parametrize(
    ("kind", "path"), [("Organization", "/orgs/fullpotential-ai/repos"), ("User", "/user/repos")]
)
async def test_a_repository_is_made_for_an_organisation_or_a_user_and_found_again(hub, github, kind, path):
    hub.kind = kind
    made = await github.create(NAME, "Keeps books")
    assert f"POST {path} {NAME}" in hub.calls
    assert hub.repositories[NAME]["private"] is True
    assert await github.find(NAME) == made


async def test_r3_a_repository_whose_reply_was_lost_is_adopted(hub, github):
    hub.drop_next = {"create"}
    with pytest.raises(Transient):
        await github.create(NAME, "Keeps books")
    assert (await github.create(NAME, "Keeps books")).html_url.endswith(NAME)
    assert len(hub.repositories) == 1


async def test_r3_a_foreign_repository_is_refused_and_left_alone(hub, github):
    hub.add(NAME, "somebody's own")
    for call in (github.find(NAME), github.create(NAME, "Keeps books")):
        with pytest.raises(Conflict) as refused:
            await call
        assert refused.value.code == "REPOSITORY_TAKEN"
    assert hub.repositories[NAME]["description"] == "somebody's own"


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (500, {}, Transient),
        (503, {}, Transient),
        (401, {}, Permanent),
        (403, {}, Permanent),
        (
            403,
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Limit": "60", "X-RateLimit-Reset": "2000000000"},
            Transient,
        ),
        (301, {}, Conflict),
    ],
)
async def test_what_github_answers_says_what_to_do_next_and_never_the_token(
    hub, github, status, headers, kind
):
    hub.status, hub.headers = status, headers
    with pytest.raises(kind) as error:
        await github.find(NAME)
    assert TOKEN not in str(error.value)


async def test_an_owner_that_nobody_knows_is_named(hub):
    async with aiohttp.ClientSession() as session:
        with pytest.raises(Permanent, match="nobody-at-all"):
            await of(session, hub, owner="nobody-at-all").create(NAME, "x")


async def test_a_github_that_is_away_is_waited_for(hub):
    async with aiohttp.ClientSession() as session:
        with pytest.raises(Transient):
            await of(session, hub, api_url="http://127.0.0.1:9").find(NAME)


async def test_a_push_arrives_once_and_later_ones_follow(hub, ours, tmp_path):
    hub.add(NAME)
    remote = Remote(Git(), ours, hub.repositories[NAME]["clone_url"], TOKEN)
    first = await commit(ours, tmp_path, "one")
    await remote.push(first, "main")
    pushes = len(hub.calls)
    await remote.push(first, "main")
    assert len(hub.calls) == pushes
    second = await commit(ours, tmp_path, "two", first)
    await remote.push(second, "main")
    assert hub.branch(NAME, "main") == second
    await remote.push(first, "main")  # a release that was taken back
    assert hub.branch(NAME, "main") == first


async def test_r3_a_push_whose_reply_was_lost_is_known_by_what_the_branch_names(hub, ours, tmp_path):
    hub.add(NAME)
    remote = Remote(Git(), ours, hub.repositories[NAME]["clone_url"], TOKEN)
    first = await commit(ours, tmp_path, "one")
    hub.drop_next = {"push"}
    await remote.push(first, "main")
    assert hub.branch(NAME, "main") == first
    await remote.push(await commit(ours, tmp_path, "two", first), "main")


async def test_a_branch_that_people_moved_is_not_overwritten(hub, ours, tmp_path):
    path = hub.add(NAME)
    remote = Remote(Git(), ours, hub.repositories[NAME]["clone_url"], TOKEN)
    await remote.push(await commit(ours, tmp_path, "one"), "main")
    theirs = await commit(path, tmp_path, "theirs")
    subprocess.run(["git", "--git-dir", str(path), "update-ref", "refs/heads/main", theirs], check=True)
    with pytest.raises(Conflict) as refused:
        await remote.push(await commit(ours, tmp_path, "two"), "main")
    assert refused.value.code == "BRANCH_MOVED"
    assert hub.branch(NAME, "main") == theirs


async def test_a_refused_token_is_permanent_and_the_token_stands_nowhere(hub, ours, tmp_path):
    hub.add(NAME)
    wrong = "ghp_canary_that_must_not_show"
    remote = Remote(Git(), ours, hub.repositories[NAME]["clone_url"], wrong)
    first = await commit(ours, tmp_path, "one")
    watching = asyncio.create_task(argv_seen())
    with pytest.raises(Permanent) as refused:
        await remote.push(first, "main")
    assert refused.value.code == "GITHUB_TOKEN_REFUSED"
    seen = await stop(watching)
    kept = [p.read_bytes() for p in ours.rglob("*") if p.is_file()]
    assert b"git" in b"".join(seen)
    assert not [text for text in (*seen, *kept, str(refused.value).encode()) if wrong.encode() in text]


async def argv_seen() -> list[bytes]:
    seen: set[bytes] = set()
    try:
        while True:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes())
                except OSError:
                    continue
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        return list(seen)


async def stop(task: asyncio.Task[list[bytes]]) -> list[bytes]:
    task.cancel()
    return await task
