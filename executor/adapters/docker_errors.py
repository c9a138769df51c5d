"""What the docker command says when it fails, sorted by what the caller does next."""

from __future__ import annotations

import re

from executor.adapters.programs import Finished
from executor.errors import Conflict, ExecutorError, NotFound, Permanent, Transient

_MISSING = re.compile(r"no such (container|image|object|network|volume)|network \S+ not found", re.IGNORECASE)
_NAME_TAKEN = re.compile(r"the container name \S+ is already in use|network with name \S+ already exists")
_PORT_TAKEN = re.compile(r"port is already allocated|address already in use")
_NO_SPACE = re.compile(r"no space left on device")
_AWAY = re.compile(
    r"cannot connect to the docker daemon|is the docker daemon running|connection (refused|reset)"
    r"|error during connect|\beof\b|context (deadline exceeded|canceled)|shutting down|i/o timeout"
    r"|temporary failure|removal of container \S+ is already in progress|marked for removal"
    r"|tls handshake timeout|container \S+ is not running"
)
_BAD_ARCHIVE = re.compile(r"error processing tar file|invalid tar header|archive/tar")
_NOT_STARTABLE = re.compile(r"oci runtime create failed.*: exec: |exec format error")
NOT_STARTABLE = "NOT_STARTABLE"
_FENCED, _NO_SUCH_PROGRAM = 97, 127


def docker_error(done: Finished, machine: str, what: str) -> ExecutorError:
    """Turn a docker command that failed into an error in words; `what` says what was tried."""
    said = done.error_text or f"exit code {done.code}"
    lower = said.lower()
    if done.code == _FENCED:
        return Transient(
            "The deploy lock on the host was taken over while this build worked; nothing more was changed.",
            hint="The step is tried again by itself, from what runs there then.",
        )
    if _MISSING.search(lower):
        return NotFound(f"{what} on {machine}: {said}")
    if _NAME_TAKEN.search(lower):
        return Conflict(f"{what} on {machine}: {said}", code="NAME_TAKEN")
    return _passing(machine, what, said, lower) or _refusal(done, machine, what, said, lower)


def _passing(machine: str, what: str, said: str, lower: str) -> Transient | None:
    if _PORT_TAKEN.search(lower):
        return Transient(f"{what} on {machine}: {said}", code="PORT_TAKEN", hint="Another port is tried.")
    if _NO_SPACE.search(lower):
        return Transient(
            f"{machine} has no space left: {said}",
            hint="Free some there (`docker system df` shows what holds it); the build goes on by itself.",
        )
    if _AWAY.search(lower) and not _BAD_ARCHIVE.search(lower):
        return Transient(
            f"Docker on {machine} does not answer: {said}",
            hint="The step is tried again by itself.",
        )
    return None


def _refusal(done: Finished, machine: str, what: str, said: str, lower: str) -> Permanent:
    if "permission denied" in lower and "socket" in lower:
        return Permanent(
            f"The login on {machine} may not talk to docker: {said}",
            hint="On that host run: sudo usermod -aG docker USER. Who may use docker is root there.",
        )
    if _NOT_STARTABLE.search(lower):
        return Permanent(
            f"{what} on {machine}: its command cannot be run: {said}",
            hint="Is the program in the image, executable, and made for that machine's processor?",
            code=NOT_STARTABLE,
        )
    if done.code == _NO_SUCH_PROGRAM:
        return Permanent(f"docker is not installed on {machine}.", hint="Install Docker there.")
    return Permanent(f"{what} on {machine} failed: {said}", hint="`fpai doctor` looks at every machine.")
