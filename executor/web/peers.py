"""Who is at the other end of a local connection: the kernel knows the uid of every socket.

A release is code that we did not write and shares this machine's network, so it could call the daemon's API
and approve its own build. Its socket's uid gives it away.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from executor.sandbox.identity import walled_uid

Address = tuple[str, int]

_SOCK_DIAG, _BY_FAMILY, _REQUEST, _ERROR = 4, 20, 1, 2
_HEADER = struct.Struct("=IHHII")
_QUERY = struct.Struct("=BBBxI")
_ID = struct.Struct("!HH16s16s")
_NO_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_ANSWER_HEAD = struct.Struct("=BBBB")
_ANSWER_TAIL = struct.Struct("=IIIII")
_ANY_STATE, _LISTEN, _TIME_WAIT = 0xFFFFFFFF, 10, 6
_ID_BYTES = _ID.size + len(_NO_COOKIE)


@dataclass(frozen=True, slots=True)
class _Socket:
    """A socket of this machine. Inode 0: its process has let go of it, and `uid` says nothing."""

    uid: int
    inode: int


def peer_uid(client: Address, server: Address) -> int | None:
    """Return the uid that owns the client's end, None if it is not on this machine or held by nobody.

    `client` and `server` are the two ends of the connection as the server sees them (IPv4 or IPv6).
    """
    found = _lookup(client, server)
    return found.uid if found is not None and found.inode else None


def is_walled_peer(client: Address, server: Address) -> bool:
    """Tell whether the other end is a sandbox or a release, or a local one that hid who it is.

    A socket that its process closed right after writing reports uid 0 on older kernels, and one that was
    reset is not found at all: a local peer whose uid cannot be told is therefore refused too.
    """
    found = _lookup(client, server)
    if found is None:
        return _is_ours(_plain(client[0]))
    return not found.inode or walled_uid(found.uid)


def _lookup(client: Address, server: Address) -> _Socket | None:
    here, there = (_plain(client[0]), client[1]), (_plain(server[0]), server[1])
    try:
        found = _by_netlink(here, there)
    except OSError:
        return _by_proc(here, there)  # AF_NETLINK is kept from this process
    if found is None and _is_ours(here[0]):
        return _by_proc(here, there)  # a kernel without tcp_diag says "not found" as well
    return found


def _by_netlink(local: Address, remote: Address) -> _Socket | None:
    """Ask sock_diag for the one socket with these ends: constant time, however many connections there are."""
    family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
    ends = _ID.pack(local[1], remote[1], *(socket.inet_pton(family, ip) for ip in (local[0], remote[0])))
    query = _QUERY.pack(family, socket.IPPROTO_TCP, 0, _ANY_STATE) + ends + _NO_COOKIE
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
        kernel.settimeout(1.0)
        kernel.send(_HEADER.pack(_HEADER.size + len(query), _BY_FAMILY, _REQUEST, 1, 0) + query)
        answer = kernel.recv(4096)
    if _HEADER.unpack_from(answer)[1] == _ERROR:
        code = -struct.unpack_from("=i", answer, _HEADER.size)[0]
        if code == errno.ENOENT:
            return None
        raise OSError(code, os.strerror(code))
    state = _ANSWER_HEAD.unpack_from(answer, _HEADER.size)[1]
    *_, uid, inode = _ANSWER_TAIL.unpack_from(answer, _HEADER.size + _ANSWER_HEAD.size + _ID_BYTES)
    if state == _LISTEN:  # the kernel offers a listener of that port when the connection itself is gone
        return None
    return _Socket(uid, 0 if state == _TIME_WAIT else inode)


def _by_proc(local: Address, remote: Address) -> _Socket | None:
    for table, six in (("tcp", False), ("tcp6", True)):
        if ":" in local[0] and not six:
            continue
        wanted = f"{_proc_form(local, six)} {_proc_form(remote, six)}"
        for line in Path("/proc/net", table).read_text().splitlines():
            if wanted in line:
                fields = line.split()
                return _Socket(int(fields[7]), int(fields[9]))
    return None


def _proc_form(address: Address, six: bool) -> str:
    ip = ipaddress.ip_address(address[0])
    packed = ipaddress.ip_address(f"::ffff:{ip}").packed if six and ip.version == 4 else ip.packed
    words = struct.iter_unpack("=I", packed)  # the table shows each word in the machine's own order
    return "".join(f"{word:08X}" for (word,) in words) + f":{address[1]:04X}"


def _plain(host: str) -> str:
    """Return an address without zone, and an IPv4 one that came in IPv6 clothes as IPv4."""
    ip = ipaddress.ip_address(host.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)


def _is_ours(host: str) -> bool:
    """Tell whether an address belongs to this machine: only then can a socket be bound to it."""
    if ipaddress.ip_address(host).is_loopback:
        return True
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True
