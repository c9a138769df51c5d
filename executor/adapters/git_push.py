"""git push with a token that stands in no remote, no argument, no configuration and no log."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from executor.adapters.git import Git
from executor.adapters.git_push_errors import moved, refusal
from executor.adapters.programs import Finished
from executor.errors import Permanent

# git asks this program; the token is in the environment of that one call alone.
_ASKPASS = """#!/bin/sh
case "$1" in
Username*) echo x-access-token ;;
*) printf '%s\\n' "$FPAI_PUSH_TOKEN" ;;
esac
"""
_SCHEMES = frozenset({"https", "http"})


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository elsewhere, and the token that opens it.

    Two refs of our own repository remember each branch: refs/pushing what was about to be pushed,
    refs/pushed what the remote is known to hold. So a push of ours whose end nobody saw is not taken for
    somebody else's.
    """

    git: Git
    git_dir: Path
    url: str
    token: str

    async def push(self, commit: str, branch: str) -> None:
        """Let the remote's branch name `commit`, if it names what we pushed last, or is not there.

        Doing it again changes nothing. Raises Conflict when somebody else moved the branch, Transient when
        the remote is away, Permanent when it refuses.
        """
        with tempfile.TemporaryDirectory(prefix="push-", dir=self.git_dir) as directory:
            env = await asyncio.to_thread(self._environment, Path(directory))
            there = await self._there(branch, env)
            if there != commit:
                await self._push(commit, branch, there, env)
        await self.git.set_ref(self.git_dir, _pushed(branch), commit)

    async def _push(self, commit: str, branch: str, there: str, env: Mapping[str, str]) -> None:
        if there:
            await self._recognise(there, branch)
        await self.git.set_ref(self.git_dir, _pushing(branch), commit)
        # People may push between our look and now: the lease makes the remote compare once more.
        lease = f"--force-with-lease=refs/heads/{branch}:{there}"
        done = await self._outward(
            env, "push", "--porcelain", lease, self.url, f"{commit}:refs/heads/{branch}"
        )
        if done.code == 0:
            return
        now = await self._there(branch, env)
        if now not in (there, commit):
            raise moved(branch)
        if now != commit:
            raise refusal(done, branch)

    async def _recognise(self, there: str, branch: str) -> None:
        """Note what the remote names as ours. Raises Conflict when we never pushed it."""
        known = [await self.git.get_ref(self.git_dir, ref) for ref in (_pushed(branch), _pushing(branch))]
        if there not in known:
            raise moved(branch)
        await self.git.set_ref(self.git_dir, _pushed(branch), there)

    async def _there(self, branch: str, env: Mapping[str, str]) -> str:
        """The commit that the remote's branch names, empty when there is no such branch."""
        listed = await self._outward(env, "ls-remote", self.url, f"refs/heads/{branch}")
        if listed.code != 0:
            raise refusal(listed, branch)
        return listed.stdout.decode("utf-8", "replace").partition("\t")[0]

    async def _outward(self, env: Mapping[str, str], *words: str) -> Finished:
        return await self.git.outward(self.git_dir, *words, env=env)

    def _environment(self, directory: Path) -> dict[str, str]:
        scheme = urlsplit(self.url).scheme
        if scheme not in _SCHEMES:
            raise Permanent(
                f"{scheme!r} is no way to push.", hint="Is [github] api_url that of a GitHub API?"
            )
        askpass = directory / "askpass"
        askpass.write_text(_ASKPASS, "utf-8")
        askpass.chmod(0o700)
        return {
            "GIT_ASKPASS": str(askpass),
            "FPAI_PUSH_TOKEN": self.token,
            "GIT_ALLOW_PROTOCOL": scheme,
            # git would show the token to whatever address the remote sends it on to.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.followRedirects",
            "GIT_CONFIG_VALUE_0": "false",
        }


def _pushed(branch: str) -> str:
    return f"refs/pushed/{branch}"


def _pushing(branch: str) -> str:
    return f"refs/pushing/{branch}"
