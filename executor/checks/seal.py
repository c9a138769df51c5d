"""What the runner inside the walls saw, believed only under the seal of a key that the daemon made."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path

_LARGEST = 16 << 20
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class SealedRun:
    """Outcomes by node id, digests of the reports by file name; `problem` is why nothing is believed."""

    exit_code: int = -1
    outcomes: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    intruders: tuple[str, ...] = ()
    problem: str = ""

    @property
    def ran(self) -> frozenset[str]:
        """Tests that came to pass or fail, without their parameters."""
        return frozenset(name.split("[")[0] for name, how in self.outcomes.items() if how != "skipped")

    def count(self, outcome: str) -> int:
        """How many tests came out so."""
        return len(self.named(outcome))

    def named(self, outcome: str) -> tuple[str, ...]:
        """The node ids of the tests that came out so, in the order of the run."""
        return tuple(name for name, how in self.outcomes.items() if how == outcome)

    def wrote(self, path: Path) -> bool:
        """True if the file is, byte for byte, what lay there when the runner had finished."""
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
            return False
        return hashlib.sha256(path.read_bytes()).hexdigest() == self.digests.get(path.name)


def new_key() -> bytes:
    """The key of one run."""
    return secrets.token_bytes(_KEY_BYTES)


def read_sealed(path: Path, key: bytes) -> SealedRun:
    """Read the runner's account; whatever is wrong with it is told in `problem`."""
    if path.is_symlink() or not path.is_file():
        return SealedRun(problem="the test run ended before the runner could say how it went")
    if path.stat().st_size > _LARGEST:
        return SealedRun(problem="the runner's account is too large to be one")
    seal, _, document = path.read_bytes().partition(b"\n")
    if not hmac.compare_digest(hashlib.blake2b(document, key=key).hexdigest().encode(), seal):
        return SealedRun(problem="the runner's account does not carry its seal: something else wrote it")
    return _parsed(document.decode("utf-8", "replace").split("\n"))


def _parsed(lines: list[str]) -> SealedRun:
    code, outcomes, digests, intruders = -1, {}, {}, []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "exit":
            code = int(rest)
        elif word == "file":
            digest, _, name = rest.partition(" ")
            digests[name] = digest
        elif word == "intruder":
            intruders.append(rest)
        else:
            outcomes[rest] = word
    return SealedRun(code, outcomes, digests, tuple(intruders))
