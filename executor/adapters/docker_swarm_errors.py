"""What a swarm's manager says when it refuses, sorted by what the caller does next."""

from __future__ import annotations

import re

from executor.adapters.docker_errors import docker_error
from executor.adapters.programs import Finished
from executor.errors import Conflict, ExecutorError, NotFound, Permanent, Transient

_MISSING = re.compile(r"no such (service|task|config|node)|(service|task|config|node) \S+ not found")
_TAKEN = re.compile(r"name conflicts with an existing object|\S+ already exists")
_NO_MANAGER = re.compile(r"not a swarm manager|swarm is not initialized|not part of a swarm")
_PASSING = re.compile(
    r"update out of sequence|does not have a leader|code = (unavailable|deadlineexceeded|canceled)"
)
_IN_USE = re.compile(r"has active endpoints|is in use by")


def swarm_error(done: Finished, machine: str) -> ExecutorError:
    """Turn a docker command that failed on the manager into an error in words."""
    said = done.error_text
    lower = said.lower()
    told = f"The swarm of {machine} says: {said}"
    if _MISSING.search(lower):
        return NotFound(told)
    if _TAKEN.search(lower):
        return Conflict(told, code="NAME_TAKEN")
    if _NO_MANAGER.search(lower):
        return no_manager(machine, said)
    if _IN_USE.search(lower):
        return Transient(told, code="IN_USE")
    if _PASSING.search(lower):
        return Transient(f"The swarm of {machine} is not ready: {said}", hint="The step is tried again.")
    return docker_error(done, machine, "Speaking with the swarm")


def no_manager(machine: str, said: str) -> Permanent:
    """The host is no manager of a swarm, and making one is a person's decision."""
    return Permanent(
        f"{machine} is not a manager of a Docker swarm, so nothing was deployed: {said}",
        hint=f"On {machine} run `docker swarm init`, or let it join one with the token of"
        " `docker swarm join-token manager`; or name a manager in [deploy] host.",
        code="NO_SWARM",
    )
