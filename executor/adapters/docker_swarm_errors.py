"""What a swarm's manager says when it refuses, sorted by what the caller does next."""

from __future__ import annotations

import re

from executor.adapters.programs import Finished
from executor.errors import Conflict, ExecutorError, NotFound, Permanent, Transient

_MISSING = re.compile(
    r"no such (service|task|config|network|node|object)|(service|config|network) \S+ not found"
)
_TAKEN = re.compile(r"name conflicts with an existing object|network with name \S+ already exists")
_NO_MANAGER = re.compile(r"not a swarm manager|swarm is not initialized|not part of a swarm")
_PASSING = re.compile(
    r"update out of sequence|does not have a leader|code = (unavailable|deadlineexceeded|canceled)"
    r"|context (deadline exceeded|canceled)|cannot connect to the docker daemon|connection (refused|reset)"
    r"|error during connect|is the docker daemon running|has active endpoints|is in use by|\beof\b"
)
_FENCED, _NO_SUCH_PROGRAM = 97, 127


def swarm_error(done: Finished, machine: str) -> ExecutorError:
    """Turn a docker command that failed on the manager into an error in words."""
    said = done.error_text or f"exit code {done.code}"
    lower = said.lower()
    if done.code == _FENCED:
        return Transient(
            said, hint="Another build may have taken the deploy lock over; this one waits its turn."
        )
    if _MISSING.search(lower):
        return NotFound(f"docker on {machine} says: {said}")
    if _TAKEN.search(lower):
        return Conflict(f"docker on {machine} says: {said}", code="NAME_TAKEN")
    if _PASSING.search(lower):
        return Transient(
            f"The swarm's manager {machine} is not ready: {said}", hint="The step is tried again."
        )
    return _refusal(done, machine, said, lower)


def _refusal(done: Finished, machine: str, said: str, lower: str) -> Permanent:
    if _NO_MANAGER.search(lower):
        return no_manager(machine, said)
    if "permission denied" in lower and "socket" in lower:
        return Permanent(
            f"The login on {machine} may not talk to docker: {said}",
            hint="On that host run: sudo usermod -aG docker USER. Who may use docker is root there.",
        )
    if done.code == _NO_SUCH_PROGRAM:
        return Permanent(f"docker is not installed on {machine}: {said}", hint="Install Docker there.")
    return Permanent(f"docker on {machine} refused: {said}", hint="See `docker service ls` on that host.")


def no_manager(machine: str, said: str) -> Permanent:
    """The host is no manager of a swarm, and making one is a person's decision."""
    return Permanent(
        f"{machine} is not a manager of a Docker swarm, so nothing was deployed: {said}",
        hint=f"On {machine} run `docker swarm init`, or let it join one with the token of"
        " `docker swarm join-token manager`; or name a manager in [deploy] host.",
        code="NO_SWARM",
    )
