"""GitHub, or anything with its API: a repository for each droplet, made or adopted, never a foreign one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import aiohttp
import gidgethub
from gidgethub.aiohttp import GitHubAPI

from executor.adapters.github_errors import SETTING, Missing, NameTaken, sorted_error
from executor.errors import Conflict, Permanent

_REQUESTER = "autonomous-executor"
_SECONDS = 30.0


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
        self._schemes = ("https://",) if api_url.startswith("https://") else ("https://", "http://")

    async def find(self, name: str) -> RemoteRepository | None:
        """Our repository of this name, None if there is none. Raises Conflict for one that is not ours."""
        try:
            found = await self._call(self._api.getitem(f"/repos/{self._owner}/{name}"))
        except Missing:
            return None
        if self._mark not in str(found.get("description") or ""):
            raise Conflict(
                f"The repository {self._owner}/{name} is there already and was not made by this executor;"
                " nothing in it was changed.",
                hint=f"Rename it, or choose another droplet name, or put {self._mark} into its description.",
                code="REPOSITORY_TAKEN",
            )
        return self._remote(found)

    async def create(self, name: str, purpose: str) -> RemoteRepository:
        """Make it; one of ours that is there already is adopted. Raises Conflict for a foreign one.

        `purpose` may be any text; what GitHub's descriptions cannot hold is left out.
        """
        body = {
            "name": name,
            "description": f"{_one_line(purpose)} {self._mark}",
            "private": self._private,
            "auto_init": False,
        }
        home = await self._home()
        try:
            return self._remote(await self._call(self._api.post(home, data=body)))
        except Missing:
            raise Permanent(
                f"GitHub lets this token make no repository for {self._owner}.",
                hint=f"GITHUB_TOKEN needs the right to make repositories there. See {SETTING}.",
                code="GITHUB_TOKEN_REFUSED",
            ) from None
        except NameTaken as taken:  # by a call whose reply was lost, or by somebody else meanwhile
            found = await self.find(name)
            if found is None:
                raise taken.as_permanent() from None
            return found

    async def _home(self) -> str:
        """Where repositories of the owner are made. Raises Permanent where none can be."""
        try:
            owner = await self._call(self._api.getitem(f"/users/{self._owner}"))
        except Missing:
            raise Permanent(
                f"GitHub knows no user or organisation {self._owner}.", hint="Correct [github] owner."
            ) from None
        if owner.get("type") == "Organization":
            return f"/orgs/{self._owner}/repos"
        # A user's repository is made for whoever the token belongs to, whatever the owner is called.
        bearer = str((await self._call(self._api.getitem("/user"))).get("login") or "")
        if bearer.lower() != self._owner.lower():
            raise Permanent(
                f"GITHUB_TOKEN belongs to {bearer}, and repositories are to be made for {self._owner};"
                " nothing was made.",
                hint="Set [github] owner to that user, or use a token of the owner.",
                code="GITHUB_TOKEN_REFUSED",
            )
        return "/user/repos"

    async def _call(self, call: Awaitable[Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(_SECONDS):
                return _document(await call)
        except (gidgethub.GitHubException, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise sorted_error(error) from None  # the cause holds the request's headers

    def _remote(self, found: dict[str, Any]) -> RemoteRepository:
        """Raises Permanent for an answer without address, or with one that shows the token on its way."""
        remote = RemoteRepository(str(found.get("html_url") or ""), str(found.get("clone_url") or ""))
        if not remote.html_url or not remote.clone_url.startswith(self._schemes):
            raise Permanent(
                f"GitHub's answer names no address to push to ({remote.clone_url!r}); nothing was pushed.",
                hint="Is [github] api_url that of a GitHub API? A token goes to https only, unless api_url"
                " itself is http.",
            )
        return remote


def _one_line(text: str) -> str:
    """At most 200 characters without control characters, which GitHub refuses in a description."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def _document(found: object) -> dict[str, Any]:
    """GitHub's answer as an object. Raises Permanent for another form, such as a proxy's page."""
    if not isinstance(found, dict):
        raise Permanent(
            "What answers at [github] api_url is no GitHub API.",
            hint="Correct it: https://api.github.com, or https://HOST/api/v3 of a GitHub Enterprise server.",
        )
    return found
