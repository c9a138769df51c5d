"""A tree that was made to do harm: no name leads outside, nothing in it or in the configuration runs."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from executor.adapters.git import Git
from executor.errors import Permanent
from tests.adapters.git_trees import WHEN, run_git, same
from tests.proof.ledger import Ledger

THREAT = "git as a weapon"


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
    git: Git, repository: Path, tree: Path, name: str, ledger: Ledger
) -> None:
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    with pytest.raises(Permanent):
        await git.commit(repository, tree, "m", when=WHEN)
    ledger.tried("names that git would obey", threat=THREAT)


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
    git: Git, repository: Path, tree: Path, tmp_path: Path, ledger: Ledger
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("canary")
    (tree / "away").symlink_to(outside)
    commit = await git.commit(repository, tree, "m", when=WHEN)
    assert await git.show(repository, commit, "away") == str(outside)
    assert not [name for name in await git.files(repository, commit) if "secret" in name]
    ledger.tried("links out of the tree", threat=THREAT)


async def test_a_file_below_a_link_in_a_forged_commit_is_not_written_through_it(
    git: Git, repository: Path, tmp_path: Path, ledger: Ledger
) -> None:
    raw = partial(run_git, repository)
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
    ledger.tried("forged commits", threat=THREAT)


@pytest.mark.parametrize("mode", ["160000 commit", "040000 tree"])
async def test_a_forged_submodule_or_dot_git_is_not_checked_out(
    git: Git, repository: Path, tmp_path: Path, mode: str, ledger: Ledger
) -> None:
    raw = partial(run_git, repository)
    blob = raw("hash-object", "-w", "--stdin", stdin=b"x")
    inner = raw("mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
    digest, name = ("1" * 40, "sub") if "commit" in mode else (inner, ".git")
    tree = raw("mktree", "--missing", stdin=f"{mode} {digest}\t{name}\n".encode())
    commit = raw("-c", "user.name=x", "-c", "user.email=x", "commit-tree", tree, "-m", "x")
    with pytest.raises(Permanent):
        await git.checkout(repository, commit, tmp_path / "out")
    ledger.tried("forged commits", threat=THREAT)


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
    git: Git, tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch, vector: str, ledger: Ledger
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
    ledger.tried("ways to run a program by git", threat=THREAT)


@pytest.mark.parametrize(
    "line",
    ["* text eol=crlf", "* ident", "* working-tree-encoding=UTF-16", "* export-ignore", "* export-subst"],
)
async def test_attributes_in_the_tree_change_no_byte(
    git: Git, repository: Path, tree: Path, tmp_path: Path, line: str, ledger: Ledger
) -> None:
    (tree / ".gitattributes").write_text(line + "\n")
    commit = await git.commit(repository, tree, "m", when=WHEN)
    await git.checkout(repository, commit, tmp_path / "out")
    assert same(tree, tmp_path / "out")
    ledger.tried("attributes", threat=THREAT)


async def test_a_nested_repository_is_refused_and_its_hooks_stay_silent(
    git: Git, repository: Path, tree: Path, ledger: Ledger
) -> None:
    subprocess.run(["git", "init", "-q", tree / "vendor"], check=True)
    with pytest.raises(Permanent, match="take for a repository"):
        await git.commit(repository, tree, "m", when=WHEN)
    ledger.tried("nested repositories", threat=THREAT)
