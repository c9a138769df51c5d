"""A tree that others wrote is committed as it is and comes back as it was; refs move only as believed."""

import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from executor.adapters.git import Git
from executor.errors import Conflict, NotFound, Permanent, Transient
from tests.adapters.git_trees import WHEN, same


async def test_the_same_tree_gives_the_same_hash_wherever_and_whenever(
    git: Git, repository: Path, tree: Path, tmp_path: Path
) -> None:
    first = await git.commit(repository, tree, "First", when=WHEN)
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy, symlinks=True)
    other = tmp_path / "other.git"
    await git.init_bare(other)
    assert await git.commit(repository, tree, "First", when=WHEN) == first
    assert await git.commit(other, copy, "First", when=WHEN.astimezone() + timedelta(microseconds=5)) == first
    assert await git.commit(repository, tree, "Second", when=WHEN) != first
    assert await git.commit(repository, tree, "First", when=WHEN, parent=first) != first


async def test_a_checkout_is_the_tree_byte_for_byte(
    git: Git, repository: Path, tree: Path, tmp_path: Path
) -> None:
    commit = await git.commit(repository, tree, "m", when=WHEN)
    await git.checkout(repository, commit, tmp_path / "out")
    assert same(tree, tmp_path / "out")
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)
    assert (tmp_path / "out" / "link").is_symlink()
    assert not (tmp_path / "out" / ".git").exists()


async def test_real_git_agrees_with_what_was_written(git: Git, repository: Path, tree: Path) -> None:
    commit = await git.commit(repository, tree, 'Say "x"\n\n<b>', when=WHEN, author="A <B>\n")
    shown = subprocess.run(
        ["git", "--git-dir", repository, "log", "-1", "--format=%an|%ae|%aI|%s", commit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.stdout.strip() == 'A  B|executor@localhost|2026-11-22T12:00:00+00:00|Say "x"'
    check = subprocess.run(
        ["git", "--git-dir", repository, "fsck", "--strict"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr


async def test_a_checkout_wants_an_empty_directory(
    git: Git, repository: Path, tree: Path, tmp_path: Path
) -> None:
    commit = await git.commit(repository, tree, "m", when=WHEN)
    with pytest.raises(Permanent, match="not empty"):
        await git.checkout(repository, commit, tree)


async def test_caches_of_tools_are_not_committed(git: Git, repository: Path, tree: Path) -> None:
    (tree / "app" / "__pycache__").mkdir()
    (tree / "app" / "__pycache__" / "x.pyc").write_bytes(b"x")
    commit = await git.commit(repository, tree, "m", when=WHEN)
    assert await git.files(repository, commit) == ["README.md", "app/main.py", "link", "run.sh"]


async def test_an_empty_tree_can_be_committed(git: Git, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    commit = await git.commit(repository, tmp_path / "empty", "m", when=WHEN)
    assert await git.files(repository, commit) == []
    await git.checkout(repository, commit, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


async def test_a_ref_moves_only_from_where_it_was_believed_to_be(
    git: Git, repository: Path, tree: Path
) -> None:
    one = await git.commit(repository, tree, "1", when=WHEN)
    two = await git.commit(repository, tree, "2", when=WHEN, parent=one)
    assert await git.get_ref(repository, "refs/heads/main") is None
    await git.set_ref(repository, "refs/heads/main", one, old="")
    await git.set_ref(repository, "refs/heads/main", two, old=one)
    await git.set_ref(repository, "refs/heads/main", two, old=one)  # again, after a crash
    with pytest.raises(Conflict):
        await git.set_ref(repository, "refs/heads/main", one, old="")
    await git.set_ref(repository, "refs/heads/main", one)
    assert await git.get_ref(repository, "refs/heads/main") == one


async def test_a_lock_that_a_killed_git_left_is_cleared_once_it_is_old(
    git: Git, repository: Path, tree: Path
) -> None:
    commit = await git.commit(repository, tree, "m", when=WHEN)
    lock = repository / "refs" / "heads" / "main.lock"
    lock.touch()
    with pytest.raises(Transient):
        await git.set_ref(repository, "refs/heads/main", commit)
    assert lock.exists()
    os.utime(lock, (1, 1))
    with pytest.raises(Transient):
        await git.set_ref(repository, "refs/heads/main", commit)
    await git.set_ref(repository, "refs/heads/main", commit)
    assert await git.get_ref(repository, "refs/heads/main") == commit


async def test_making_the_repository_again_changes_nothing(git: Git, repository: Path, tree: Path) -> None:
    commit = await git.commit(repository, tree, "m", when=WHEN)
    await git.set_ref(repository, "refs/heads/main", commit)
    await git.init_bare(repository)
    assert await git.get_ref(repository, "refs/heads/main") == commit
    assert [path.name for path in repository.parent.iterdir()] == ["books.git"]


async def test_a_half_made_repository_is_made_anew(git: Git, tmp_path: Path, tree: Path) -> None:
    (tmp_path / "x.git.new" / "objects").mkdir(parents=True)
    await git.init_bare(tmp_path / "x.git")
    assert await git.commit(tmp_path / "x.git", tree, "m", when=WHEN)


async def test_a_diff_tells_what_changed_and_says_when_it_is_cut(
    git: Git, repository: Path, tree: Path
) -> None:
    one = await git.commit(repository, tree, "1", when=WHEN)
    (tree / "app" / "main.py").write_text("answer = 43\n")
    two = await git.commit(repository, tree, "2", when=WHEN, parent=one)
    changed = await git.diff(repository, one, two)
    assert "-answer = 42\n+answer = 43\n" in changed
    assert "run.sh" not in changed
    assert "+answer = 43" in await git.diff(repository, None, two)
    cut = await git.diff(repository, None, two, limit=100)
    assert "more bytes are not shown" in cut


async def test_one_file_is_shown_and_a_missing_one_is_not_found(
    git: Git, repository: Path, tree: Path
) -> None:
    commit = await git.commit(repository, tree, "m", when=WHEN)
    assert await git.show(repository, commit, "app/main.py") == "answer = 42\n"
    with pytest.raises(NotFound):
        await git.show(repository, commit, "app/gone.py")
    with pytest.raises(Permanent):
        await git.show(repository, commit, "../outside")


@pytest.mark.parametrize("commit", ["main", "--upload-pack=x", "HEAD", "", "0" * 39, "g" * 40])
async def test_only_hashes_name_commits(git: Git, repository: Path, tmp_path: Path, commit: str) -> None:
    with pytest.raises(Permanent, match="not a commit hash"):
        await git.checkout(repository, commit, tmp_path / "out")


@pytest.mark.parametrize("ref", ["main", "--stdin", "refs/../x", "refs/heads/a b", ""])
async def test_only_full_refs_are_moved(git: Git, repository: Path, ref: str) -> None:
    with pytest.raises(Permanent):
        await git.set_ref(repository, ref, "0" * 40)


async def test_without_git_the_hint_says_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="cannot be started") as error:
        await Git(str(tmp_path / "no-git")).init_bare(tmp_path / "x.git")
    assert "Install" in error.value.hint


async def test_a_repository_of_another_owner_still_answers(git: Git, repository: Path, tree: Path) -> None:
    commit = await git.commit(repository, tree, "m", when=WHEN)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "64000:64000", repository], check=True)
    assert await git.files(repository, commit)
