"""Opening a connection to a machine: nothing of the user's own ssh settings, agent or environment is used."""

from __future__ import annotations

import asyncio

import asyncssh

from executor.adapters.ssh_access import SshAccess
from executor.adapters.ssh_errors import refused_login, translated, unusable_key
from executor.adapters.ssh_host_key import Witness, read_pinned

BEATS = 3
# asyncssh writes every command line into its log at level INFO; a command line may hold secrets.
asyncssh.set_log_level("WARNING")


async def connect(access: SshAccess) -> asyncssh.SSHClientConnection:
    """Log in to the machine, after its host key was found among the pinned ones.

    Raises Permanent when the host key, our key or our login is refused, Transient when it does not answer.
    """
    known = await read_pinned(access)
    keys = await asyncio.to_thread(_login_keys, access)
    try:
        return await _connect(access, known, keys, ())
    except asyncssh.KeyExchangeFailed as error:
        # The machine has no key of the pinned kind: ask for whichever it has, to be able to say which.
        return await _offered(access, known, keys, error)


async def _offered(
    access: SshAccess,
    known: asyncssh.SSHKnownHosts,
    keys: list[asyncssh.SSHKeyPair],
    first: asyncssh.KeyExchangeFailed,
) -> asyncssh.SSHClientConnection:
    try:
        return await _connect(access, known, keys, "default")
    except asyncssh.KeyExchangeFailed:
        raise translated(first, access) from first


async def _connect(
    access: SshAccess,
    known: asyncssh.SSHKnownHosts,
    keys: list[asyncssh.SSHKeyPair],
    host_key_algs: str | tuple[str, ...],
) -> asyncssh.SSHClientConnection:
    witness = Witness(access, known)
    try:
        return await asyncssh.connect(
            access.address,
            access.port,
            username=access.user,
            client_factory=lambda: witness,
            known_hosts=known,
            server_host_key_algs=host_key_algs,
            client_keys=keys,
            config=None,
            agent_path=None,
            agent_forwarding=False,
            x509_trusted_certs=None,
            x509_trusted_cert_paths=(),
            preferred_auth="publickey",
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_kex=False,
            gss_auth=False,
            connect_timeout=access.silence,
            keepalive_interval=access.silence / (BEATS + 1),
            keepalive_count_max=BEATS,
        )
    except asyncssh.HostKeyNotVerifiable as error:
        raise witness.refusal("revoked" in error.reason) from error
    except asyncssh.PermissionDenied as error:
        raise refused_login(access) from error
    except asyncssh.KeyExchangeFailed:
        raise
    except (asyncssh.Error, OSError, ValueError) as error:
        raise translated(error, access) from error


def _login_keys(access: SshAccess) -> list[asyncssh.SSHKeyPair]:
    pairs: list[asyncssh.SSHKeyPair] = []
    wrong = "there is none in ~/.ssh"
    for path in access.keys:
        try:
            pairs += asyncssh.load_keypairs([str(path)])
        except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError, OSError, ValueError) as error:
            wrong = f"{path}: {getattr(error, 'strerror', None) or error}"
    if not pairs:
        raise unusable_key(access, wrong)
    return pairs
