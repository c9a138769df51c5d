"""Who is at the other end of a connection, told by the kernel."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from executor.web import peers


@pytest.fixture(params=["netlink", "proc"])
def way(request, monkeypatch) -> str:
    """Both ways to ask the kernel."""
    if request.param == "proc":

        def refused(*_: object) -> None:
            raise PermissionError(1, "AF_NETLINK is kept from this process")

        monkeypatch.setattr(peers, "_by_netlink", refused)
    return str(request.param)


@pytest.fixture(params=["127.0.0.1", "::1"])
def server(request) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as listening:
        listening.settimeout(10)
        yield listening


def _ends(accepted: socket.socket) -> tuple[peers.Address, peers.Address]:
    return accepted.getpeername()[:2], accepted.getsockname()[:2]


_CALLER = """
import os, socket, sys
host, port, uid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if uid != os.getuid(): os.setgroups([]); os.setgid(uid); os.setuid(uid)
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
s.connect((host, port)); s.sendall(b"x")
if sys.argv[4] == "close": s.close()
sys.stdin.read()
"""


def _caller(server: socket.socket, uid: int, then: str = "stay") -> subprocess.Popen[bytes]:
    host, port = server.getsockname()[:2]
    argv = [sys.executable, "-c", _CALLER, host, str(port), str(uid), then]
    return subprocess.Popen(argv, stdin=subprocess.PIPE)


def test_our_own_connection_is_ours_and_not_walled(way, server):
    with socket.create_connection(server.getsockname()[:2]) as client, server.accept()[0] as accepted:
        assert client.fileno() and peers.peer_uid(*_ends(accepted)) == os.geteuid()
        assert not peers.is_walled_peer(*_ends(accepted))


@pytest.mark.parametrize("uid", [64000, 64001, 64999])
def test_a_connection_of_a_walled_uid_is_walled(way, server, uid):
    mine = uid if os.geteuid() == 0 else os.geteuid()
    caller = _caller(server, mine)
    with server.accept()[0] as accepted:
        assert accepted.recv(1) == b"x"
        assert peers.peer_uid(*_ends(accepted)) == mine
        assert peers.is_walled_peer(*_ends(accepted)) is (mine == uid)
    caller.communicate()


def test_an_ordinary_users_connection_is_not_walled(way, server):
    uid = 65533 if os.geteuid() == 0 else os.geteuid()
    caller = _caller(server, uid)
    with server.accept()[0] as accepted:
        assert accepted.recv(1) == b"x"
        assert peers.peer_uid(*_ends(accepted)) == uid
        assert not peers.is_walled_peer(*_ends(accepted))
    caller.communicate()


def test_a_peer_that_hides_its_uid_by_closing_at_once_is_walled(way, server):
    caller = _caller(server, 64001 if os.geteuid() == 0 else os.geteuid(), "close")
    with server.accept()[0] as accepted:
        assert accepted.recv(2) == b"x"
        assert accepted.recv(1) == b""
        assert peers.is_walled_peer(*_ends(accepted))
        assert peers.peer_uid(*_ends(accepted)) is None
    caller.communicate()


def test_a_half_closed_connection_is_still_its_users(way, server):
    with socket.create_connection(server.getsockname()[:2]) as client, server.accept()[0] as accepted:
        client.shutdown(socket.SHUT_WR)
        assert accepted.recv(1) == b""
        assert not peers.is_walled_peer(*_ends(accepted))


def test_a_local_peer_that_is_nowhere_to_be_found_is_walled(way):
    assert peers.is_walled_peer(("127.0.0.1", 1), ("127.0.0.1", 2))
    assert peers.is_walled_peer(("::ffff:127.0.0.1", 1), ("::ffff:127.0.0.1", 2))


def test_a_peer_from_another_machine_is_not_walled(way):
    assert not peers.is_walled_peer(("192.0.2.7", 5000), ("127.0.0.1", 8400))
    assert not peers.is_walled_peer(("2001:db8::1", 5000), ("::1", 8400))
    assert peers.peer_uid(("192.0.2.7", 5000), ("127.0.0.1", 8400)) is None


def test_a_server_of_both_families_knows_an_ipv4_caller(way):
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server,
        socket.create_connection(("127.0.0.1", server.getsockname()[1])) as client,
        server.accept()[0] as accepted,
    ):
        assert client.fileno() and accepted.getpeername()[0].startswith("::ffff:")
        assert peers.peer_uid(*_ends(accepted)) == os.geteuid()


def test_a_listener_on_the_callers_port_is_not_taken_for_the_caller(way):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert peers.peer_uid(("127.0.0.1", port), ("127.0.0.1", 1)) is None
