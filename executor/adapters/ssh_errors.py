"""What went wrong with a machine, in words, sorted by whether waiting helps."""

from __future__ import annotations

import shlex

import asyncssh

from executor.adapters.ssh_access import SshAccess
from executor.errors import Permanent, Transient

_NOT_SSH = (asyncssh.KeyExchangeFailed, asyncssh.ProtocolNotSupported)


def refused_login(access: SshAccess) -> Permanent:
    """The machine is the right one and does not let us in."""
    keys = access.keys
    words = ["ssh-copy-id", "-i", f"{keys[0]}.pub", "-p", str(access.port), f"{access.user}@{access.address}"]
    named = " or ".join(str(key) for key in keys)
    return Permanent(
        f"{access.place} does not let user {access.user} in with the key {named}.",
        hint=f"Install the key there with `{shlex.join(words)}`, or correct user and key in "
        f"[deploy.hosts.{access.name}].",
    )


def unusable_key(access: SshAccess, wrong: str) -> Permanent:
    """There is no private key that could be used."""
    return Permanent(
        f"No private key for {access.user} on {access.place} can be used ({wrong}).",
        hint=f"Set key in [deploy.hosts.{access.name}] to one without a passphrase that the daemon may read.",
    )


def lost(access: SshAccess) -> Transient:
    """The connection ended while something was under way."""
    return Transient(
        f"The connection to {access.place} was lost; what was under way there may have happened.",
        hint="The step is tried again by itself.",
    )


def stopped(program: str, access: SshAccess, timeout: float) -> Transient:
    """A command took too long."""
    return Transient(
        f"{program} on {access.name} did not finish within {timeout:g} s; it was stopped.",
        hint="The step is tried again by itself.",
    )


def translated(error: Exception, access: SshAccess) -> Permanent | Transient:
    """Our error for one of asyncssh or of the operating system."""
    told = getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)
    if isinstance(error, TimeoutError):
        told = f"no answer within {access.silence:g} s"
    if isinstance(error, _NOT_SSH) or (isinstance(error, ValueError) and not isinstance(error, OSError)):
        return Permanent(
            f"{access.place} cannot be spoken to by SSH: {told}.",
            hint=f"Check address and port in [deploy.hosts.{access.name}]: does an SSH server answer there?",
        )
    return Transient(
        f"{access.place} does not answer: {told or type(error).__name__}.",
        hint="The step is tried again by itself. If it stays so, check the machine and its address.",
    )
