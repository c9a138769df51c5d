"""A tree that others wrote is committed as it is, comes back as it was, and runs nothing on the way."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from executor.adapters.git import Git
from executor.errors import Conflict, NotFound, Permanent, Transient

WHEN = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def git() -> Git:
    return Git()


@pytest.fixture
async def repository(git: Git, tmp_path: Path) -> Path:
    path = tmp_path / "repositories" / "books.git"
    await git.init_bare(path)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "tree"
    (path / "app").mkdir(parents=True)
    (path / "app" / "main.py").write_text("answer = 42\n")
    (path / "README.md").write_bytes(b"one\r\ntwo $Id$ \xff\n")
    (path / "run.sh").write_text("#!/bin/sh\n")
    (path / "run.sh").chmod(0o755)
    (path / "link").symlink_to("/etc/hostname")
    return path


def same(one: Path, other: Path) -> bool:
    return (
        subprocess.run(
            ["diff", "-r", "--no-dereference", one, other], capture_output=True, check=False
        ).returncode
        == 0
    )


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


@pytest.mark.parametrize(
    "name",
    [
        ".git/config",
        "app/.GIT/x",
        ".git",
        "git~1/x",
        ".git./x",
        ".g\u200cit/x",
        "a\\b",
        "a\nb",
        ".git::$INDEX/x",
    ],
)
async def test_a_name_that_git_must_not_see_is_refused(
    git: Git, repository: Path, tree: Path, name: str
) -> None:
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    with pytest.raises(Permanent):
        await git.commit(repository, tree, "m", when=WHEN)


async def test_a_name_that_is_no_text_and_a_pipe_are_refused(
    git: Git, repository: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / os.fsdecode(b"\xff")).write_text("x")
    with pytest.raises(Permanent):
        await git.commit(repository, bad, "m", when=WHEN)
    pipes = tmp_path / "pipes"
    pipes.mkdir()
    os.mkfifo(pipes / "pipe")
    with pytest.raises(Permanent, match="neither a file"):
        await git.commit(repository, pipes, "m", when=WHEN)


async def test_a_link_to_a_directory_is_not_walked_into(
    git: Git, repository: Path, tree: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("canary")
    (tree / "away").symlink_to(outside)
    commit = await git.commit(repository, tree, "m", when=WHEN)
    assert await git.show(repository, commit, "away") == str(outside)
    assert not [name for name in await git.files(repository, commit) if "secret" in name]


async def test_a_file_below_a_link_in_a_forged_commit_is_not_written_through_it(
    git: Git, repository: Path, tmp_path: Path
) -> None:
    def raw(*words: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", "--git-dir", repository, *words], input=stdin, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    outside = tmp_path / "outside"
    outside.mkdir()
    link = raw("hash-object", "-w", "--stdin", stdin=str(outside).encode())
    blob = raw("hash-object", "-w", "--stdin", stdin=b"owned")
    inner = raw("mktree", stdin=f"100644 blob {blob}\tfile\n".encode())
    tree = raw("mktree", stdin=f"120000 blob {link}\ta\n040000 tree {inner}\ta\n".encode())
    commit = raw("-c", "user.name=x", "-c", "user.email=x", "commit-tree", tree, "-m", "x")
    with pytest.raises((Permanent, FileExistsError)):
        await git.checkout(repository, commit, tmp_path / "out")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("mode", ["160000 commit", "040000 tree"])
async def test_a_forged_submodule_or_dot_git_is_not_checked_out(
    git: Git, repository: Path, tmp_path: Path, mode: str
) -> None:
    def raw(*words: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", "--git-dir", repository, *words], input=stdin, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    blob = raw("hash-object", "-w", "--stdin", stdin=b"x")
    inner = raw("mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
    digest, name = ("1" * 40, "sub") if "commit" in mode else (inner, ".git")
    tree = raw("mktree", "--missing", stdin=f"{mode} {digest}\t{name}\n".encode())
    commit = raw("-c", "user.name=x", "-c", "user.email=x", "commit-tree", tree, "-m", "x")
    with pytest.raises(Permanent):
        await git.checkout(repository, commit, tmp_path / "out")


Plant = Callable[[Path, Path, str], None]


def _attributes(line: str, *settings: tuple[str, str]) -> Plant:
    """A .gitattributes line in the tree, and hostile settings where git might look for them."""

    def plant(tree: Path, home: Path, shot: str) -> None:
        (tree / ".gitattributes").write_text(line + "\n")
        _config(home, *((key, value.replace("SHOT", shot)) for key, value in settings))

    return plant


def _settings(*settings: tuple[str, str]) -> Plant:
    def plant(tree: Path, home: Path, shot: str) -> None:
        _config(home, *((key, value.replace("SHOT", shot)) for key, value in settings))

    return plant


def _config(home: Path, *settings: tuple[str, str]) -> None:
    for key, value in settings:
        subprocess.run(["git", "config", "--file", home / ".gitconfig", key, value], check=True)


def _hooks(tree: Path, home: Path, shot: str) -> None:
    hooks = home / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "post-commit", "post-checkout", "reference-transaction", "post-index-change"):
        (hooks / name).symlink_to(shot)
    _config(home, ("core.hooksPath", str(hooks)))


def _template(tree: Path, home: Path, shot: str) -> None:
    hooks = home / "template" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "reference-transaction").symlink_to(shot)
    _config(home, ("init.templateDir", str(home / "template")))


def _include(tree: Path, home: Path, shot: str) -> None:
    (tree / "included").write_text(
        f"[core]\n\tfsmonitor = {shot}\n\tpager = {shot}\n[diff]\n\texternal = {shot}\n"
    )
    _config(home, ("include.path", str(tree / "included")))


VECTORS: dict[str, Plant] = {
    "hooks path": _hooks,
    "template directory": _template,
    "include": _include,
    "fsmonitor": _settings(("core.fsmonitor", "SHOT")),
    "clean filter": _attributes("* filter=x", ("filter.x.clean", "SHOT"), ("filter.x.required", "true")),
    "smudge filter": _attributes("* filter=x", ("filter.x.smudge", "SHOT")),
    "process filter": _attributes("* filter=x", ("filter.x.process", "SHOT")),
    "textconv": _attributes("* diff=x", ("diff.x.textconv", "SHOT")),
    "diff command": _attributes("* diff=x", ("diff.x.command", "SHOT")),
    "external diff": _settings(("diff.external", "SHOT")),
    "merge driver": _attributes("* merge=x", ("merge.x.driver", "SHOT")),
    "archive filter": _settings(("tar.tar.command", "SHOT"), ("tar.umask", "0")),
    "pager": _settings(("core.pager", "SHOT"), ("pager.diff-tree", "SHOT"), ("pager.show", "SHOT")),
    "editor": _settings(("core.editor", "SHOT"), ("sequence.editor", "SHOT")),
    "ssh command": _settings(("core.sshCommand", "SHOT"), ("core.gitProxy", "SHOT")),
    "credential helper": _settings(("credential.helper", "!SHOT"), ("core.askPass", "SHOT")),
    "signing program": _settings(
        ("commit.gpgSign", "true"), ("gpg.program", "SHOT"), ("user.signingKey", "x")
    ),
    "alias": _settings(("alias.commit-tree", "!SHOT"), ("alias.update-ref", "!SHOT"), ("alias.lg", "!SHOT")),
    "alternate refs command": _settings(("core.alternateRefsCommand", "SHOT")),
    "pack objects hook": _settings(("uploadpack.packObjectsHook", "SHOT")),
    "trace target": _settings(("trace2.eventTarget", "SHOT"), ("trace2.normalTarget", "SHOT")),
}


@pytest.mark.parametrize("vector", VECTORS)
async def test_no_configuration_or_attribute_runs_anything(
    git: Git, tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch, vector: str
) -> None:
    shot, home, seen = tmp_path / "shot", tmp_path / "home", tmp_path / "executed"
    shot.write_text(f"#!{sys.executable}\nopen({str(seen)!r}, 'w').close()\n")
    shot.chmod(0o755)
    home.mkdir()
    (home / ".gitconfig").touch()
    VECTORS[vector](tree, home, str(shot))
    for name, value in {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_SYSTEM": str(home / ".gitconfig"),
        "GIT_EXTERNAL_DIFF": str(shot),
        "GIT_PAGER": str(shot),
        "GIT_EDITOR": str(shot),
        "GIT_SSH_COMMAND": str(shot),
        "GIT_ASKPASS": str(shot),
        "GIT_PROXY_COMMAND": str(shot),
        "GIT_TEMPLATE_DIR": str(home / "template"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(shot),
    }.items():
        monkeypatch.setenv(name, value)
    repository = tmp_path / "x.git"
    await git.init_bare(repository)
    one = await git.commit(repository, tree, "1", when=WHEN)
    (tree / "app" / "main.py").write_text("answer = 43\n")
    two = await git.commit(repository, tree, "2", when=WHEN, parent=one)
    await git.set_ref(repository, "refs/heads/main", two)
    await git.diff(repository, one, two)
    await git.show(repository, two, "app/main.py")
    await git.checkout(repository, two, tmp_path / "out")
    assert not seen.exists()
    assert same(tree, tmp_path / "out")


@pytest.mark.parametrize(
    "line",
    ["* text eol=crlf", "* ident", "* working-tree-encoding=UTF-16", "* export-ignore", "* export-subst"],
)
async def test_attributes_in_the_tree_change_no_byte(
    git: Git, repository: Path, tree: Path, tmp_path: Path, line: str
) -> None:
    (tree / ".gitattributes").write_text(line + "\n")
    commit = await git.commit(repository, tree, "m", when=WHEN)
    await git.checkout(repository, commit, tmp_path / "out")
    assert same(tree, tmp_path / "out")


async def test_a_nested_repository_is_refused_and_its_hooks_stay_silent(
    git: Git, repository: Path, tree: Path
) -> None:
    subprocess.run(["git", "init", "-q", tree / "vendor"], check=True)
    with pytest.raises(Permanent, match="take for a repository"):
        await git.commit(repository, tree, "m", when=WHEN)


async def test_a_repository_of_another_owner_still_answers(git: Git, repository: Path, tree: Path) -> None:
    commit = await git.commit(repository, tree, "m", when=WHEN)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "64000:64000", repository], check=True)
    assert await git.files(repository, commit)
