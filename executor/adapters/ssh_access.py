"""How one machine is reached over SSH: its address, our login there, and the files that prove both sides."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from executor.errors import Permanent

MARK = "FPAI_RUN"
_USUAL_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True, slots=True)
class SshAccess:
    """The words of one `[deploy.hosts.NAME]`; `silence` is how long, in seconds, no answer is waited for."""

    name: str
    address: str
    port: int
    user: str
    key: str
    known_hosts: str
    silence: float

    @property
    def place(self) -> str:
        """The machine as a person recognises it."""
        return f"{self.name} ({self.address} port {self.port})"

    @property
    def pinned(self) -> Path:
        """The file that holds its host key: the one that was set, else the user's own."""
        return Path(self.known_hosts or "~/.ssh/known_hosts").expanduser()

    @property
    def keys(self) -> list[Path]:
        """The private keys to log in with: the one that was set, else those of the user that are there."""
        if self.key:
            return [Path(self.key).expanduser()]
        usual = [Path("~/.ssh").expanduser() / name for name in _USUAL_KEYS]
        return [path for path in usual if path.exists()]

    @property
    def entry(self) -> str:
        """What the machine is called in a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"

    @property
    def scan(self) -> str:
        """The command that adds its host keys to the file of pinned keys."""
        words = ["ssh-keyscan", "-p", str(self.port), self.address]
        return f"{shlex.join(words)} >> {shlex.quote(str(self.pinned))}"

    @property
    def forget(self) -> str:
        """The command that takes its host keys out of the file of pinned keys."""
        return shlex.join(["ssh-keygen", "-R", self.entry, "-f", str(self.pinned)])


def command_line(argv: Sequence[str], mark: str) -> str:
    """The words as one line that the login shell of a machine takes apart into the same words again.

    The only place where a command for another machine is quoted. `env` makes the first word a program (never
    a builtin or an alias) and puts `mark` into its environment and that of all it starts: by that it is found
    again. Raises Permanent for words that no command line can carry.
    """
    line = f"exec env {MARK}={mark} {shlex.join(argv)}"
    try:
        line.encode()
    except UnicodeEncodeError:
        line = "\0"
    if not argv or argv[0].startswith("-") or "=" in argv[0] or "\0" in line:
        raise Permanent("A command for another machine has no program, or holds a NUL or a broken character.")
    return line
