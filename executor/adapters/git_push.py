"""git push with a token that stands in no remote, no argument, no configuration and no log."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from executor.adapters.git import Git
from executor.errors import Conflict, Permanent, Transient

# git asks this program; the token is in the environment of that one push alone.
_ASKPASS = """#!/bin/sh
case "$1" in
Username*) echo x-access-token ;;
*) printf '%s\\n' "$FPAI_PUSH_TOKEN" ;;
esac
"""
_SCHEMES = frozenset({"https", "http"})


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository elsewhere, and the token that opens it."""

    git: Git
    git_dir: Path
    url: str
    token: str

    async def push(self, commit: str, branch: str) -> None:
        """Let the remote's branch name `commit`, if it names what we pushed last, or nothing yet.

        Doing it again changes nothing. Raises Conflict when somebody else moved the branch, Transient when
        the remote is away, Permanent when it refuses.
        """
        tracked = f"refs/pushed/{branch}"
        before = await self.git.get_ref(self.git_dir, tracked)
        if before == commit:
            return
        with tempfile.TemporaryDirectory(prefix="push-", dir=self.git_dir) as directory:
            env = await asyncio.to_thread(self._environment, Path(directory))
            await self._push(commit, branch, f"refs/heads/{branch}:{before or ''}", env)
        await self.git.set_ref(self.git_dir, tracked, commit)

    async def _push(self, commit: str, branch: str, lease: str, env: Mapping[str, str]) -> None:
        words = ("push", "--porcelain", f"--force-with-lease={lease}", self.url)
        done = await self.git.outward(self.git_dir, *words, f"{commit}:refs/heads/{branch}", env=env)
        if done.code == 0 or await self._names(commit, branch, env):
            return
        raise _refusal(f"{done.stdout.decode('utf-8', 'replace')}\n{done.error_text}", branch)

    async def _names(self, commit: str, branch: str, env: Mapping[str, str]) -> bool:
        """A push whose reply was lost looks like somebody else's: what the branch names tells."""
        listed = await self.git.outward(self.git_dir, "ls-remote", self.url, f"refs/heads/{branch}", env=env)
        return listed.code == 0 and listed.stdout.decode("utf-8", "replace").startswith(commit)

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
        }


def _refusal(said: str, branch: str) -> Conflict | Permanent | Transient:
    if "stale info" in said or "[rejected]" in said or "fetch first" in said:
        return Conflict(
            f"The branch {branch} on GitHub was moved by somebody else; nothing of it was overwritten.",
            hint="Move their commits to another branch, then retry the build.",
            code="BRANCH_MOVED",
        )
    if "Authentication failed" in said or "403" in said or "denied" in said:
        return Permanent(
            "GitHub refuses the push: the token may not write there.",
            hint="GITHUB_TOKEN needs the right to push; restart the daemon with a better one and retry.",
            code="GITHUB_TOKEN_REFUSED",
        )
    message = f"GitHub did not take the push: {said[-300:].strip()}"
    return Transient(message, hint="It is tried again by itself.")
