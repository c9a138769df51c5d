"""GitHub, or anything with its API: a repository for each droplet, made or adopted, never a foreign one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp
import gidgethub
from gidgethub.aiohttp import GitHubAPI

from executor.errors import Conflict, ExecutorError, Permanent, Transient

T = TypeVar("T")
_REQUESTER = "autonomous-executor"
_SECONDS = 30.0
_SETTING = "[github] owner, api_url and GITHUB_TOKEN"


@dataclass(frozen=True, slots=True)
class RemoteRepository:
    """Where a droplet's repository is published: for people, and for git."""

    html_url: str
    clone_url: str


class Github:
    """One owner's repositories. The session is shared, passed in, and closed by whoever made it.

    `mark` stands in the description of every repository that this executor made; one without it is not ours.
    Every method raises Transient when the service is away or asks to wait, Permanent when it refuses.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        owner: str,
        private: bool,
        api_url: str,
        token: str,
        mark: str,
    ) -> None:
        self._api = GitHubAPI(session, _REQUESTER, oauth_token=token, base_url=api_url.rstrip("/"))
        self._owner = owner
        self._private = private
        self._mark = f"[{mark}]"

    async def find(self, name: str) -> RemoteRepository | None:
        """Our repository of this name, None if there is none. Raises Conflict for one that is not ours."""
        try:
            found = await self._call(self._api.getitem(f"/repos/{self._owner}/{name}"))
        except _Missing:
            return None
        if self._mark not in str(found.get("description") or ""):
            raise Conflict(
                f"The repository {self._owner}/{name} is there already and was not made by this executor;"
                " nothing in it was changed.",
                hint=f"Rename it, or choose another droplet name, or put {self._mark} into its description.",
                code="REPOSITORY_TAKEN",
            )
        return _remote(found)

    async def create(self, name: str, purpose: str) -> RemoteRepository:
        """Make it; one of ours that is there already is adopted. Raises Conflict for a foreign one."""
        body = {
            "name": name,
            "description": f"{' '.join(purpose.split())[:200]} {self._mark}",
            "private": self._private,
            "auto_init": False,
        }
        try:
            return _remote(await self._call(self._api.post(await self._home(), data=body)))
        except _NameTaken as taken:  # by a call whose reply was lost, or by somebody else meanwhile
            found = await self.find(name)
            if found is None:
                raise taken.as_permanent() from None
            return found

    async def _home(self) -> str:
        try:
            owner = await self._call(self._api.getitem(f"/users/{self._owner}"))
        except _Missing:
            raise Permanent(
                f"GitHub knows no user or organisation {self._owner}.", hint="Correct [github] owner."
            ) from None
        return f"/orgs/{self._owner}/repos" if owner.get("type") == "Organization" else "/user/repos"

    async def _call(self, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(_SECONDS):
                return await call
        except (gidgethub.GitHubException, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _sorted(error) from None


class _Missing(ExecutorError):
    code = "NOT_FOUND"


class _NameTaken(ExecutorError):
    code = "NAME_TAKEN"

    def as_permanent(self) -> Permanent:
        return Permanent(f"GitHub refuses to make the repository: {self.message}", hint=f"See {_SETTING}.")


def _sorted(error: Exception) -> ExecutorError:
    """What GitHub's refusal means for whoever asked."""
    if isinstance(error, gidgethub.RateLimitExceeded):
        wait = (error.rate_limit.reset_datetime - datetime.now(UTC)).total_seconds()
        return Transient(
            "GitHub's rate limit is reached.", retry_after=max(1.0, wait), hint="It goes on by itself."
        )
    if isinstance(error, gidgethub.RedirectionException):
        return Conflict(
            "The repository was renamed or moved on GitHub.", hint="Rename it back, or the droplet."
        )
    if isinstance(error, (gidgethub.ValidationError, gidgethub.InvalidField)):
        return _NameTaken(str(error))
    if isinstance(error, gidgethub.BadRequest):
        return _refusal(int(error.status_code), str(error))
    said = (
        f"{type(error).__name__}" if not isinstance(error, gidgethub.GitHubBroken) else f"{error.status_code}"
    )
    return Transient(f"GitHub does not answer ({said}).", hint="The step is tried again by itself.")


def _refusal(status: int, said: str) -> ExecutorError:
    if status == 404:
        return _Missing(said)
    if status == 429:
        return Transient("GitHub asks to wait.", retry_after=60.0, hint="It goes on by itself.")
    if status in {401, 403}:
        return Permanent(
            f"GitHub refuses the token ({status}: {said}).",
            hint="GITHUB_TOKEN needs the right to make repositories and to push for [github] owner; restart"
            " the daemon with a better one and retry the build.",
            code="GITHUB_TOKEN_REFUSED",
        )
    return Permanent(f"GitHub refuses with {status}: {said}.", hint=f"See {_SETTING}.")


def _remote(found: Any) -> RemoteRepository:
    try:
        return RemoteRepository(str(found["html_url"]), str(found["clone_url"]))
    except (KeyError, TypeError) as error:
        raise Permanent(
            "GitHub's answer names no repository.", hint="Is [github] api_url that of a GitHub API?"
        ) from error
