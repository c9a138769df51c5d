"""What a refusal of GitHub's API means for whoever asked: wait, give up, or look for a repository."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime

import gidgethub

from executor.errors import Conflict, ExecutorError, Permanent, Transient

SETTING = "[github] owner, api_url and GITHUB_TOKEN"
_GOES_ON = "The build goes on by itself."
_UNASKED_WAIT = 60.0  # what GitHub's documentation wants where an answer names no time


class Missing(ExecutorError):
    """GitHub shows nothing under this address to this token."""

    code = "NOT_FOUND"


class NameTaken(ExecutorError):
    """A repository is not made (422); in most cases because there is one of that name."""

    code = "NAME_TAKEN"

    def as_permanent(self) -> Permanent:
        """The same refusal, when there is no such repository after all."""
        return Permanent(f"GitHub refuses to make the repository: {self.message}.", hint=f"See {SETTING}.")


def sorted_error(error: Exception) -> ExecutorError:
    """The error to raise for one of gidgethub's, of aiohttp's or of the network's."""
    if isinstance(error, gidgethub.RateLimitExceeded):
        wait = (error.rate_limit.reset_datetime - datetime.now(UTC)).total_seconds()
        return Transient("GitHub's rate limit is reached.", retry_after=max(1.0, wait), hint=_GOES_ON)
    if isinstance(error, gidgethub.RedirectionException):
        return Conflict(
            "The repository was renamed or moved on GitHub; nothing was written.",
            hint="Give it its old name back, then retry the build.",
            code="REPOSITORY_MOVED",
        )
    if isinstance(error, (gidgethub.ValidationError, gidgethub.InvalidField)):
        return NameTaken(str(error))
    if isinstance(error, gidgethub.BadRequest):
        return _refusal(int(error.status_code), str(error), error.headers)
    if isinstance(error, gidgethub.HTTPException):
        said, wait = str(int(error.status_code)), _asked_wait(error.headers)
        return Transient(f"GitHub does not answer ({said}).", retry_after=wait, hint=_GOES_ON)
    return Transient(f"GitHub does not answer ({type(error).__name__}).", hint=_GOES_ON)


def _refusal(status: int, said: str, headers: Mapping[str, str]) -> ExecutorError:
    if status == 404:
        return Missing(said)
    wait = _asked_wait(headers)
    # GitHub's secondary limits come as 403 or 429, some without any header.
    if status == 429 or (status == 403 and (wait is not None or "rate limit" in said.lower())):
        return Transient("GitHub asks to wait.", retry_after=wait or _UNASKED_WAIT, hint=_GOES_ON)
    if status in {401, 403}:
        return Permanent(
            f"GitHub refuses the token ({status}: {said}).",
            hint="GITHUB_TOKEN needs the right to make repositories and to push for [github] owner; restart"
            " the daemon with a better one and retry the build.",
            code="GITHUB_TOKEN_REFUSED",
        )
    return Permanent(f"GitHub refuses with {status}: {said}.", hint=f"See {SETTING}.")


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """The seconds that an answer asks to wait, None if it names none."""
    try:
        if after := headers.get("Retry-After"):
            return max(1.0, float(after))
        if headers.get("X-RateLimit-Remaining") == "0":
            return max(1.0, float(headers["X-RateLimit-Reset"]) - time.time())
    except (KeyError, ValueError):
        return None
    return None
