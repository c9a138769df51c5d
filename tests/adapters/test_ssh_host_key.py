"""Only the machine that was pinned is spoken to, only with our key; each refusal says what would mend it."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from executor.adapters.ssh import SshMachine
from executor.errors import Permanent, Transient
from tests.fakes.cut_proxy import CutProxy
from tests.fakes.ssh_servers import SshServer, opened
from tests.proof.ledger import Ledger

THREAT = "deploy host impersonated"


async def refused(machine: SshMachine) -> Permanent:
    """What it says; whatever ran there would have shown."""
    with pytest.raises(Permanent) as caught:
        await machine.run(["true"])
    return caught.value


def fingerprint(key: asyncssh.SSHKey) -> str:
    return str(key.get_fingerprint())


async def test_a_host_key_that_is_not_pinned_is_refused_with_the_command_that_pins_it(
    ssh_server: SshServer, tmp_path: Path, ledger: Ledger
) -> None:
    known = tmp_path / "none pinned"
    known.write_text("# nothing\n")
    said = await refused(ssh_server.machine(known_hosts=str(known)))
    assert said.details == {"host_key": "missing", "fingerprint": fingerprint(ssh_server.host_key)}
    assert f"has no entry for [127.0.0.1]:{ssh_server.port}" in said.message
    assert f"ssh-ed25519 {fingerprint(ssh_server.host_key)}. Nothing was sent" in said.message
    assert f"`ssh-keyscan -p {ssh_server.port} 127.0.0.1 >> '{known}'`" in said.hint
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in said.hint
    ledger.tried("wrong host keys", threat=THREAT)


async def test_the_command_of_the_refusal_mends_it(ssh_server: SshServer, tmp_path: Path) -> None:
    """Followed to the letter for a missing and for a changed key, by the real ssh-keyscan and ssh-keygen."""
    known = tmp_path / "known hosts"
    known.write_text("")
    async with opened(ssh_server, known_hosts=str(known)) as machine:
        for before in ("", asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()):
            known.write_text(f"[127.0.0.1]:{ssh_server.port} {before}" if before else "")
            said = await refused(machine)
            await shell(said.hint.rsplit("`", 2)[1] if before else said.hint.split("`")[1])
            assert (await machine.run(["true"])).code == 0
            await machine.aclose()


async def shell(line: str) -> None:
    """Run it as a person would; the server that it asks lives in this event loop."""
    process = await asyncio.create_subprocess_shell(
        line, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    assert await process.wait() == 0


async def test_a_changed_host_key_is_refused_and_both_are_shown(
    ssh_server: SshServer, ledger: Ledger
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    ssh_server.pin(ssh_server.port, other)
    said = await refused(ssh_server.machine(known_hosts=str(ssh_server.known_hosts)))
    assert said.details == {"host_key": "changed", "fingerprint": fingerprint(ssh_server.host_key)}
    assert f"pins ssh-ed25519 {fingerprint(other)}. It offers ssh-ed25519" in said.message
    assert f"ssh-keygen -R '[127.0.0.1]:{ssh_server.port}' -f" in said.hint
    ledger.tried("wrong host keys", threat=THREAT)


async def test_a_host_key_of_another_kind_than_the_pinned_one_is_refused(
    start_ssh: Any, ledger: Ledger
) -> None:
    server = await start_ssh("asyncssh", kind="ecdsa-sha2-nistp256")
    server.pin(server.port, asyncssh.generate_private_key("ssh-ed25519"))
    said = await refused(server.machine(known_hosts=str(server.known_hosts)))
    assert said.details == {"host_key": "wrong", "fingerprint": fingerprint(server.host_key)}
    assert "ssh_host_ecdsa_key.pub" in said.hint
    ledger.tried("wrong host keys", threat=THREAT)


async def test_a_revoked_host_key_is_refused_though_it_is_pinned(
    ssh_server: SshServer, ledger: Ledger
) -> None:
    ssh_server.pin(ssh_server.port)
    line = ssh_server.known_hosts.read_text()
    ssh_server.known_hosts.write_text(f"{line}@revoked {line}")
    said = await refused(ssh_server.machine(known_hosts=str(ssh_server.known_hosts)))
    assert said.details["host_key"] == "revoked"
    assert "give it a new host key" in said.hint
    ledger.tried("wrong host keys", threat=THREAT)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"@nonsense a b\n", b"word\n"])
async def test_a_file_of_host_keys_that_is_missing_or_broken_is_a_refusal_before_anything_is_sent(
    ssh_server: SshServer, tmp_path: Path, content: bytes | None, ledger: Ledger
) -> None:
    known = tmp_path / "known"
    if content is not None:
        known.write_bytes(content)
    async with CutProxy(ssh_server.port) as proxy:
        said = await refused(ssh_server.machine(proxy.port, known_hosts=str(known)))
        assert proxy.opened == 0
    assert f"the file {known} cannot be read" in said.message
    assert "ssh-keyscan" in said.hint
    ledger.tried("unusable files of host keys", threat=THREAT)


async def test_an_empty_setting_means_the_users_own_known_hosts_and_keys(
    ssh_server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "daemon"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (home / ".ssh/config").write_text(
        "Host *\n  User nobody-at-all\n  ProxyCommand false\n"
    )  # not ours to use
    assert (
        f"the file {home}/.ssh/known_hosts cannot be read"
        in (await refused(ssh_server.machine(known_hosts="", key=""))).message
    )
    ssh_server.pin(ssh_server.port)
    (home / ".ssh/known_hosts").write_bytes(ssh_server.known_hosts.read_bytes())
    said = await refused(ssh_server.machine(known_hosts="", key=""))
    assert "No private key" in said.message
    (home / ".ssh/id_ed25519").write_bytes(ssh_server.key.read_bytes())
    async with opened(ssh_server, known_hosts="", key="") as machine:
        assert (await machine.run(["true"])).code == 0


async def test_a_pinned_file_without_entries_is_never_replaced_by_the_users_own(
    ssh_server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ledger: Ledger
) -> None:
    """asyncssh takes an empty list of host keys for a wish to use ~/.ssh/known_hosts."""
    (tmp_path / "daemon/.ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "daemon"))
    ssh_server.pin(ssh_server.port)
    (tmp_path / "daemon/.ssh/known_hosts").write_bytes(ssh_server.known_hosts.read_bytes())
    (tmp_path / "empty").write_bytes(b"")
    said = await refused(ssh_server.machine(known_hosts=str(tmp_path / "empty")))
    assert said.details["host_key"] == "missing"
    ledger.tried("unusable files of host keys", threat=THREAT)


async def test_a_login_that_is_refused_names_user_key_and_the_way_to_install_it(
    ssh_server: SshServer, tmp_path: Path
) -> None:
    other = tmp_path / "other key"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(other)
    said = await refused(ssh_server.machine(key=str(other)))
    assert f"does not let user {ssh_server.user} in with the key {other}" in said.message
    command = f"ssh-copy-id -i '{other}.pub' -p {ssh_server.port} {ssh_server.user}@127.0.0.1"
    assert f"`{command}`" in said.hint


async def test_a_private_key_that_cannot_be_used_is_told(ssh_server: SshServer, tmp_path: Path) -> None:
    for name, content in (("missing", None), ("broken", b"no key"), ("locked", b"")):
        path = tmp_path / name
        if name == "locked":
            asyncssh.generate_private_key("ssh-ed25519").write_private_key(
                path, "pkcs8-pem", passphrase="secret"
            )
        elif content is not None:
            path.write_bytes(content)
        said = await refused(ssh_server.machine(key=str(path)))
        assert f"can be used ({path}: " in said.message
        assert "without a passphrase" in said.hint


async def test_nobody_there_is_transient(ssh_server: SshServer) -> None:
    async with CutProxy(1) as proxy:
        nothing = proxy.port
    with pytest.raises(Transient, match=rf"box \(127.0.0.1 port {nothing}\) does not answer"):
        await ssh_server.machine(nothing).run(["true"])
    with pytest.raises(Transient, match="does not answer"):
        await SshMachine(
            "box",
            "no-such-host.invalid",
            port=22,
            user="u",
            key=str(ssh_server.key),
            known_hosts=str(ssh_server.known_hosts),
        ).run(["true"])


async def test_a_port_where_no_ssh_server_answers_is_told(ssh_server: SshServer) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-1.3-ancient\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        said = await refused(ssh_server.machine(server.sockets[0].getsockname()[1]))
    assert "cannot be spoken to by SSH" in said.message
