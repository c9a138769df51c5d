"""git as a store of commits for trees that others wrote: nothing of such a tree is ever run or obeyed.

The repository lies outside the work tree. Files are hashed as they are, without attributes, filters or
index conversions, and come back byte for byte the same way.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from executor.adapters.git_export import export_tree
from executor.adapters.git_tree import TreeFile, check_path, scan_tree
from executor.adapters.programs import Finished, run_program
from executor.errors import Conflict, NotFound, Permanent, Transient

AUTHOR = "Autonomous Executor"
_EMAIL = "executor@localhost"
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_HASH = re.compile(r"[0-9a-f]{40}")
_REF = re.compile(r"refs/[A-Za-z0-9][A-Za-z0-9._/-]*")
MOST_DIFF_BYTES = 2 << 20
MOST_SHOWN_BYTES = 4 << 20
_STALE_LOCK_SECONDS = 30.0
# Each names a way in which configuration, attributes or a remote could run or fetch something.
_HARDENED = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.pager=cat",
    "core.editor=false",
    "core.askPass=false",
    "core.sshCommand=false",
    "core.gitProxy=",
    "credential.helper=",
    "diff.external=",
    "commit.gpgSign=false",
    "log.showSignature=false",
    "submodule.recurse=false",
    "protocol.allow=never",
    "uploadpack.packObjectsHook=",
    "gc.auto=0",
    "maintenance.auto=false",
    # A commit that a checkpoint names must survive a power cut.
    "core.fsync=all",
)


class Git:
    """`git_path` is the program; `timeout` the seconds that one of its calls may take.

    Every method raises Permanent when git is missing or refuses, and Transient when the disk is full or a
    call takes too long.
    """

    def __init__(self, git_path: str = "git", *, timeout: float = 120.0) -> None:
        self._git = shutil.which(git_path) or git_path
        self._timeout = timeout

    async def init_bare(self, git_dir: Path) -> None:
        """Make an empty bare repository; one that is there already is left alone."""
        if await asyncio.to_thread((git_dir / "HEAD").is_file):
            return
        # Made beside its place and renamed, so that a half-made one is never taken for a repository.
        fresh = git_dir.with_name(git_dir.name + ".new")
        await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
        await asyncio.to_thread(fresh.parent.mkdir, parents=True, exist_ok=True)
        await self._run(fresh, "init", "--quiet", "--bare", "--template=", "--initial-branch=main")
        await asyncio.to_thread(fresh.rename, git_dir)

    async def commit(
        self,
        git_dir: Path,
        work_tree: Path,
        message: str,
        *,
        when: datetime,
        parent: str | None = None,
        author: str = AUTHOR,
    ) -> str:
        """Commit every file of the work tree and return the hash; no ref is moved.

        The same files, message, `when` (whole seconds are kept), parent and author give the same hash.
        Caches that tools leave behind are not taken. Symbolic links are stored as links, never followed.
        Raises Permanent for a `.git` in the tree, a special file, or a tree that is too large.
        """
        files = await asyncio.to_thread(scan_tree, work_tree)
        entries = await self._store(git_dir, work_tree, files)
        index = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="index-", dir=git_dir))
        try:
            env = {"GIT_INDEX_FILE": str(index / "index")}
            await self._run(git_dir, "update-index", "-z", "--index-info", stdin=entries, env=env)
            tree = await self._text(git_dir, "write-tree", env=env)
        finally:
            await asyncio.to_thread(shutil.rmtree, index, ignore_errors=True)
        parents = ["-p", _checked(parent)] if parent else []
        text = message.replace("\0", " ").strip() + "\n"
        env = _signature(author, when)
        return await self._text(
            git_dir, "commit-tree", tree, *parents, "-F", "-", stdin=text.encode(), env=env
        )

    async def get_ref(self, git_dir: Path, ref: str) -> str | None:
        """The commit that a ref names, None when there is no such ref."""
        done = await self._run(git_dir, "rev-parse", "--verify", "--quiet", _checked_ref(ref), codes=(0, 1))
        return done.stdout.decode().strip() or None

    async def set_ref(self, git_dir: Path, ref: str, new: str, old: str | None = None) -> None:
        """Let a ref name a commit; with `old`, only if it names that one now ("" for no ref yet).

        Doing it again is not an error. Raises Conflict when the ref names neither `old` nor `new`.
        """
        expected = [] if old is None else [old or "0" * 40]
        done = await self._run(
            git_dir, "update-ref", "--no-deref", _checked_ref(ref), _checked(new), *expected, codes=None
        )
        if done.code == 0 or await self.get_ref(git_dir, ref) == new:
            return
        if "File exists" in done.error_text:
            await asyncio.to_thread(_drop_stale_lock, git_dir / f"{ref}.lock")
            raise Transient(f"The ref {ref} is locked by another git.", hint="It is tried again by itself.")
        if old is None:
            raise _failure(done, "update-ref")
        raise Conflict(f"The ref {ref} was moved by somebody else.", hint="Retry the step.")

    async def checkout(self, git_dir: Path, commit: str, into: Path) -> None:
        """Write the commit's files into an empty directory, byte for byte, with no `.git` and no filter.

        Raises Permanent when the directory is not empty or the commit holds a path that is not safe.
        """
        listing = await self._run(git_dir, "ls-tree", "-r", "-z", "--full-tree", _checked(commit))
        argv, env = self._argv(git_dir, "cat-file", "--batch"), self._env(git_dir)
        await export_tree(listing.stdout, argv, env, into, timeout=self._timeout)

    async def diff(self, git_dir: Path, base: str | None, commit: str, limit: int = MOST_DIFF_BYTES) -> str:
        """What changed from `base` (None: from nothing); past `limit` bytes it says how much is missing."""
        done = await self._run(
            git_dir,
            *(
                "diff-tree",
                "-r",
                "-p",
                "--no-ext-diff",
                "--no-textconv",
                "--no-color",
                "--no-renames",
                "--stat",
            ),
            *("--patch", "--submodule=short", _checked(base) if base else _EMPTY_TREE, _checked(commit)),
            limit=limit,
        )
        text = done.stdout.decode("utf-8", "replace")
        return f"{text}\n… {done.dropped} more bytes are not shown.\n" if done.dropped else text

    async def files(self, git_dir: Path, commit: str) -> list[str]:
        """Every path of the commit, sorted."""
        done = await self._run(git_dir, "ls-tree", "-r", "-z", "--name-only", "--full-tree", _checked(commit))
        return sorted(done.stdout.decode("utf-8", "replace").split("\0")[:-1])

    async def show(self, git_dir: Path, commit: str, path: str) -> str:
        """One file of the commit as text, at most 4 MiB of it. Raises NotFound when it is not there."""
        check_path(path)
        done = await self._run(
            git_dir, "cat-file", "blob", f"{_checked(commit)}:{path}", codes=(0, 128), limit=MOST_SHOWN_BYTES
        )
        if done.code:
            raise NotFound(f"There is no {path} in commit {commit[:10]}.", hint="See the build's file list.")
        return done.stdout.decode("utf-8", "replace")

    async def outward(self, git_dir: Path, *words: str, env: Mapping[str, str]) -> Finished:
        """Run a call that reaches a remote; `env` allows the protocol and answers for the password.

        Whatever the remote says is returned, not judged.
        """
        program = env["GIT_ASKPASS"]
        return await self._run(git_dir, "-c", f"core.askPass={program}", *words, env=dict(env), codes=None)

    async def _store(self, git_dir: Path, work_tree: Path, files: list[TreeFile]) -> bytes:
        """Write a blob for each file and return the lines that `update-index --index-info` takes."""
        root = await asyncio.to_thread(work_tree.resolve)
        plain = [file for file in files if file.link is None]
        names = "".join(f"{root / file.path}\n" for file in plain)
        done = await self._run(
            git_dir, "hash-object", "-w", "--no-filters", "--stdin-paths", stdin=names.encode()
        )
        hashes = dict(zip((file.path for file in plain), done.stdout.decode().split(), strict=True))
        for file in files:
            if file.link is not None:
                argv = ("hash-object", "-w", "--no-filters", "--stdin")
                hashes[file.path] = await self._text(git_dir, *argv, stdin=file.link)
        return "".join(f"{file.mode} {hashes[file.path]}\t{file.path}\0" for file in files).encode()

    async def _text(
        self, git_dir: Path, *words: str, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> str:
        return (await self._run(git_dir, *words, stdin=stdin, env=env)).stdout.decode().strip()

    async def _run(
        self,
        git_dir: Path,
        *words: str,
        stdin: bytes = b"",
        env: dict[str, str] | None = None,
        codes: tuple[int, ...] | None = (0,),
        limit: int = 16 << 20,
    ) -> Finished:
        done = await run_program(
            self._argv(git_dir, *words),
            env={**self._env(git_dir), **(env or {})},
            stdin=stdin,
            timeout=self._timeout,
            limit=limit,
            cwd=Path("/"),
        )
        if codes is not None and done.code not in codes:
            raise _failure(done, words[0])
        return done

    def _argv(self, git_dir: Path, *words: str) -> list[str]:
        settings = [part for setting in _HARDENED for part in ("-c", setting)]
        return [self._git, f"--git-dir={git_dir.absolute()}", "--bare", *settings, *words]

    def _env(self, git_dir: Path) -> dict[str, str]:
        """The whole environment of git: no configuration but the repository's own, no prompt, no protocol."""
        return {
            "PATH": f"{Path(self._git).parent}:/usr/bin:/bin",
            "HOME": str(git_dir.absolute()),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_ALLOW_PROTOCOL": "",
            "GIT_ASKPASS": "false",
            "GIT_SSH_COMMAND": "false",
            "GIT_PAGER": "cat",
        }


def _signature(author: str, when: datetime) -> dict[str, str]:
    date = f"{int(when.astimezone(UTC).timestamp())} +0000"
    name = re.sub(r"[<>\x00-\x1f]", " ", author).strip() or AUTHOR
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": _EMAIL,
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": _EMAIL,
        "GIT_COMMITTER_DATE": date,
    }


def _checked(commit: str) -> str:
    if not _HASH.fullmatch(commit):
        raise Permanent(f"{commit!r} is not a commit hash.", hint="A commit is named by its 40 hex digits.")
    return commit


def _checked_ref(ref: str) -> str:
    if not _REF.fullmatch(ref) or ".." in ref:
        raise Permanent(f"{ref!r} is not a ref.", hint="A ref looks like refs/heads/main.")
    return ref


def _drop_stale_lock(lock: Path) -> None:
    """A git that was killed leaves its lock behind; one that lives holds it for milliseconds."""
    try:
        if time.time() - lock.stat().st_mtime > _STALE_LOCK_SECONDS:
            lock.unlink(missing_ok=True)
    except FileNotFoundError:
        return


def _failure(done: Finished, word: str) -> Transient | Permanent:
    said = done.error_text or f"exit code {done.code}"
    if "No space left" in said or "Disk quota" in said:
        return Transient(
            "The disk that holds the repositories is full.", hint="Free some space; it goes on by itself."
        )
    return Permanent(f"git {word} failed: {said}", hint="See the build's log; `fpai doctor` checks git.")
