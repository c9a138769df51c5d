"""What git says when a remote did not take a push, sorted by what to do next."""

from __future__ import annotations

import re

from executor.adapters.programs import Finished
from executor.errors import Conflict, ExecutorError, Permanent, Transient

# Words of git and of GitHub. A bare "403" would also be found in a port or in a commit's hash.
_MOVED = re.compile(r"stale info|\[rejected\]|fetch first")
_TOKEN = re.compile(
    r"Authentication failed|could not read (Username|Password)|returned error: 40[13]\b"
    r"|Permission to \S+ denied|Write access to repository not granted"
)
_GONE = re.compile(
    r"Repository not found|repository '[^']*' not found|returned error: (301|302|307|308|404)\b"
)
# A rule of the repository, or a right that the token lacks; a lock or a full disk there passes by itself.
_DECLINED = re.compile(
    r"\[remote rejected\].*\((.*(?:declined|protected branch|refusing to allow|denied|prohibited).*)\)"
)


def refusal(done: Finished, branch: str) -> ExecutorError:
    """The error to raise for a git call that reached out and failed."""
    said = f"{done.stdout.decode('utf-8', 'replace')}\n{done.error_text}"
    if _TOKEN.search(said):
        return Permanent(
            "GitHub refuses the push: the token may not write there.",
            hint="GITHUB_TOKEN needs the right to push; restart the daemon with a better one and retry.",
            code="GITHUB_TOKEN_REFUSED",
        )
    if declined := _DECLINED.search(said):
        return Permanent(
            f"GitHub refuses what was pushed to {branch}: {declined[1]}.",
            hint="Change the repository's rules or the token's rights, then retry the build.",
            code="PUSH_DECLINED",
        )
    if _MOVED.search(said):
        return moved(branch)
    if _GONE.search(said):
        return Conflict(
            "The repository is no longer where it was on GitHub; nothing was pushed.",
            hint="Give it its old name back, or retry the build from step 3 to make it anew.",
            code="REPOSITORY_MOVED",
        )
    message = (
        f"GitHub did not take the push: {done.error_text[-300:].strip() or f'git ended with {done.code}'}"
    )
    return Transient(message, hint="It is tried again by itself.")


def moved(branch: str) -> Conflict:
    """The branch names a commit that this executor did not push."""
    return Conflict(
        f"The branch {branch} on GitHub was moved by somebody else; nothing of it was overwritten.",
        hint="Move their commits to another branch and delete this one, then retry the build.",
        code="BRANCH_MOVED",
    )
