"""Whether a machine is the one that was pinned: reading the known host keys, and saying what is wrong."""

from __future__ import annotations

import asyncio
from typing import Literal

import asyncssh

from executor.adapters.ssh_access import SshAccess
from executor.errors import Permanent

_KINDS = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa", "ssh-dss": "dsa"}
Wrong = Literal["missing", "changed", "wrong", "revoked"]


async def read_pinned(access: SshAccess) -> asyncssh.SSHKnownHosts:
    """The host keys that are trusted. Raises Permanent when the file is missing or cannot be read."""
    try:
        text = await asyncio.to_thread(access.pinned.read_text, "utf-8")
        return asyncssh.import_known_hosts(text)
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise Permanent(
            f"The host key of {access.place} cannot be checked, so nothing was sent: "
            f"the file {access.pinned} cannot be read: {told}.",
            hint=f"Pin the host key with `{access.scan}`. {_compare('ed25519')}",
            details={"host_key": "missing"},
        ) from error


class Witness(asyncssh.SSHClient):
    """Sees the host key that asyncssh does not find among the pinned ones, and refuses it."""

    def __init__(self, access: SshAccess, known: asyncssh.SSHKnownHosts) -> None:
        self._access = access
        self._known = known
        self.offered: asyncssh.SSHKey | None = None
        self._peer = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Only what is pinned is trusted; asyncssh has found already that this key is not."""
        self.offered, self._peer = key, addr
        return False

    def pinned_keys(self, peer: str = "") -> list[asyncssh.SSHKey]:
        """The keys that are pinned for the machine, by its name or by its address."""
        port = self._access.port if self._access.port != 22 else None
        found = self._known.match(self._access.address, peer or self._peer, port)
        return list(dict.fromkeys(found[0]))  # it matches by name and by address

    def refusal(self, revoked: bool) -> Permanent:
        """What to tell a person about the key that was refused."""
        pinned, offered = self.pinned_keys(), self.offered
        same_kind = [key for key in pinned if offered and key.algorithm == offered.algorithm]
        wrong: Wrong = "revoked" if revoked else "changed" if same_kind else "wrong" if pinned else "missing"
        return _refusal(self._access, wrong, same_kind or pinned, offered)


def _refusal(
    access: SshAccess, wrong: Wrong, pinned: list[asyncssh.SSHKey], offered: asyncssh.SSHKey | None
) -> Permanent:
    shown = _shown(offered) if offered else "a key that cannot be shown"
    expected = " or ".join(_shown(key) for key in pinned)
    what = {
        "missing": f"is not known: {access.pinned} has no entry for {access.entry}",
        "changed": f"has changed: {access.pinned} pins {expected}",
        "wrong": f"is of another kind than the pinned one: {access.pinned} pins {expected}",
        "revoked": f"is marked as revoked in {access.pinned}",
    }[wrong]
    details = {"host_key": wrong, "fingerprint": offered.get_fingerprint() if offered else ""}
    return Permanent(
        f"The host key of {access.place} {what}. It offers {shown}. Nothing was sent to it.",
        hint=_advice(access, wrong, offered),
        details=details,
    )


def _advice(access: SshAccess, wrong: Wrong, offered: asyncssh.SSHKey | None) -> str:
    kind = _kind(offered) if offered else "ed25519"
    if wrong == "revoked":
        return "Do not trust this machine with that key: give it a new host key, then pin that one."
    if wrong == "missing":
        return f"Pin it with `{access.scan}`. {_compare(kind)}"
    return (
        "Either somebody answers in its place, or it was set up anew. "
        f"{_compare(kind)} Only if both are the same: `{access.forget} && {access.scan}`."
    )


def _compare(kind: str) -> str:
    return (
        f"Compare the fingerprint with `ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub` on its own console."
    )


def _shown(key: asyncssh.SSHKey) -> str:
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


def _kind(key: asyncssh.SSHKey) -> str:
    name = key.get_algorithm()
    return "ecdsa" if name.startswith("ecdsa") else _KINDS.get(name, "ed25519")
