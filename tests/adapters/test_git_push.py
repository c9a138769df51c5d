"""Commits pushed over real git: once, never over what people pushed, and without a trace of the token."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from executor.adapters.git import Git
from executor.adapters.git_push import Remote
from executor.errors import Conflict, Permanent, Transient
from tests.fakes.github import TOKEN, FakeGitHub

NAME = "droplet-13-library"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[FakeGitHub]:
    (tmp_path / "hub").mkdir()
    async with FakeGitHub(tmp_path / "hub") as fake:
        fake.add(NAME)
        yield fake


@pytest.fixture
async def ours(tmp_path: Path) -> Path:
    git_dir = tmp_path / "library.git"
    await Git().init_bare(git_dir)
    return git_dir


def remote_of(hub: FakeGitHub, git_dir: Path, token: str = TOKEN) -> Remote:
    return Remote(Git(), git_dir, hub.repositories[NAME]["clone_url"], token)


async def commit(git_dir: Path, tmp_path: Path, text: str, parent: str | None = None) -> str:
    tree = tmp_path / f"tree-{text}"
    tree.mkdir()
    (tree / "a.txt").write_text(text)
    return await Git().commit(git_dir, tree, text, when=datetime(2026, 11, 23, tzinfo=UTC), parent=parent)


def pushes(hub: FakeGitHub) -> int:
    return sum(call.startswith("git POST") and call.endswith("git-receive-pack") for call in hub.calls)


def point(hub: FakeGitHub, branch: str, at: str) -> None:
    argv = ["git", "--git-dir", str(hub.directory / f"{NAME}.git"), "update-ref", f"refs/heads/{branch}", at]
    subprocess.run(argv, check=True)


async def test_a_push_arrives_once_and_later_ones_follow(hub, ours, tmp_path):
    remote = remote_of(hub, ours)
    first = await commit(ours, tmp_path, "one")
    await remote.push(first, "main")
    await remote.push(first, "main")
    assert pushes(hub) == 1
    second = await commit(ours, tmp_path, "two", first)
    await remote.push(second, "main")
    assert hub.branch(NAME, "main") == second
    await remote.push(first, "main")  # a release that was taken back
    assert hub.branch(NAME, "main") == first


async def test_r3_a_push_whose_reply_was_lost_is_known_by_what_the_branch_names(hub, ours, tmp_path, ledger):
    remote = remote_of(hub, ours)
    first = await commit(ours, tmp_path, "one")
    hub.drop_next = {"push"}
    await remote.push(first, "main")
    assert hub.branch(NAME, "main") == first
    second = await commit(ours, tmp_path, "two", first)
    await remote.push(second, "main")
    assert hub.branch(NAME, "main") == second
    ledger.tried("lost replies of GitHub")


async def test_r3_pushes_that_were_cut_off_are_not_taken_for_somebody_elses(hub, ours, tmp_path, ledger):
    remote = remote_of(hub, ours)
    commits = [await commit(ours, tmp_path, text) for text in ("one", "two", "three")]
    arrived, refused = asyncio.create_task(remote.push(commits[0], "main")), tmp_path / "hub" / "refused"
    while not arrived.done() and not hub.branch(NAME, "main"):
        await asyncio.sleep(0)
    arrived.cancel()
    with suppress(asyncio.CancelledError):
        await arrived
    decline(hub, refused)
    with pytest.raises(Permanent):
        await remote.push(commits[1], "main")
    refused.touch()
    await remote.push(commits[2], "main")
    assert hub.branch(NAME, "main") == commits[2]
    ledger.tried("pushes that were cut off", len(commits) - 1)


async def test_a_branch_that_people_moved_is_not_overwritten(hub, ours, tmp_path):
    remote = remote_of(hub, ours)
    await remote.push(await commit(ours, tmp_path, "one"), "main")
    theirs = await commit(hub.directory / f"{NAME}.git", tmp_path, "theirs")
    point(hub, "main", theirs)
    with pytest.raises(Conflict) as refused:
        await remote.push(await commit(ours, tmp_path, "two"), "main")
    assert refused.value.code == "BRANCH_MOVED"
    assert hub.branch(NAME, "main") == theirs


@pytest.mark.parametrize("just_before", ["GET", "POST"])
async def test_what_people_push_while_we_do_is_not_overwritten(hub, ours, tmp_path, just_before):
    remote = remote_of(hub, ours)
    await remote.push(await commit(ours, tmp_path, "one"), "main")
    theirs = await commit(hub.directory / f"{NAME}.git", tmp_path, "theirs")
    hub.before_push = lambda method: method == just_before and point(hub, "main", theirs)
    with pytest.raises(Conflict) as refused:
        await remote.push(await commit(ours, tmp_path, "two"), "main")
    assert refused.value.code == "BRANCH_MOVED"
    assert hub.branch(NAME, "main") == theirs


async def test_a_branch_that_people_removed_is_made_again(hub, ours, tmp_path):
    remote = remote_of(hub, ours)
    first = await commit(ours, tmp_path, "one")
    await remote.push(first, "main")
    shutil.rmtree(hub.directory / f"{NAME}.git")
    hub.add(NAME)
    await remote.push(first, "main")
    assert hub.branch(NAME, "main") == first


async def test_what_a_rule_of_the_repository_refuses_is_told_and_not_tried_again(hub, ours, tmp_path):
    decline(hub, tmp_path / "never")
    with pytest.raises(Permanent, match="pre-receive hook declined") as refused:
        await remote_of(hub, ours).push(await commit(ours, tmp_path, "one"), "main")
    assert refused.value.code == "PUSH_DECLINED"
    assert hub.branch(NAME, "main") == ""


def decline(hub: FakeGitHub, unless: Path) -> None:
    hook = hub.directory / f"{NAME}.git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntest -e {unless}\n")
    hook.chmod(0o755)


async def test_a_remote_that_is_away_is_waited_for(hub, ours, tmp_path):
    with pytest.raises(Transient):
        await Remote(Git(), ours, "http://127.0.0.1:9/x.git", TOKEN).push(
            await commit(ours, tmp_path, "one"), "main"
        )


async def test_a_repository_that_is_gone_is_told(hub, ours, tmp_path):
    shutil.rmtree(hub.directory / f"{NAME}.git")
    with pytest.raises(Conflict) as refused:
        await remote_of(hub, ours).push(await commit(ours, tmp_path, "one"), "main")
    assert refused.value.code == "REPOSITORY_MOVED"


async def test_the_token_follows_no_redirect(hub, ours, tmp_path):
    (tmp_path / "thief").mkdir()
    async with FakeGitHub(tmp_path / "thief") as thief:
        thief.add(NAME)
        hub.elsewhere = thief.url.removesuffix("/api")
        with pytest.raises(Conflict) as refused:
            await remote_of(hub, ours).push(await commit(ours, tmp_path, "one"), "main")
        assert refused.value.code == "REPOSITORY_MOVED"
        assert (thief.calls, thief.branch(NAME, "main")) == ([], "")


async def test_only_the_web_is_a_way_to_push(hub, ours, tmp_path):
    with pytest.raises(Permanent, match="no way to push"):
        await Remote(Git(), ours, f"file://{hub.directory}/{NAME}.git", TOKEN).push(
            await commit(ours, tmp_path, "one"), "main"
        )


@pytest.mark.parametrize("token", [TOKEN, "ghp_canary_that_is_refused"])
async def test_the_token_stands_in_no_argument_file_or_message(hub, ours, tmp_path, token):
    first = await commit(ours, tmp_path, "one")
    watching = asyncio.create_task(argv_seen())
    said = ""
    try:
        await remote_of(hub, ours, token).push(first, "main")
    except Permanent as refused:
        assert refused.code == "GITHUB_TOKEN_REFUSED"
        said = str(refused)
    seen = await stop(watching)
    assert (said == "") is (token == TOKEN)
    assert any(
        b"git-remote-http" in words and hub.url.removesuffix("/api").encode() in words for words in seen
    )
    kept = [p.read_bytes() for p in ours.rglob("*") if p.is_file()]
    assert not [text for text in (*seen, *kept, said.encode()) if token.encode() in text]


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
