"""Addresses that come from outside may not reach what lies inside (trust.md, SSRF).

A message's `reply_to`, or an endpoint that a registry names, is chosen by somebody else; the daemon that
calls it stands inside the operator's network. So an address has to be written plainly, and every IP that its
host resolves to has to be public, unless the operator has named the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from executor.errors import Permanent
from executor.settings_tables import Settings

LONGEST_ADDRESS = 2048
_PLAIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<rest>[/?][\x21-\x7e]*)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_FORBIDDEN_IN_PATH = frozenset('\\"<>^`{|}#')
_PORTS = {"http": 80, "https": 443}
# Above 1023 everything may speak HTTP but these: to post to them is to type into another protocol.
_OTHER_PROTOCOLS = frozenset([
    1719, 1720, 1723, 2049, 2375, 2376, 2377, 2379, 2380, 3306, 3659, 4045, 4190, 5060, 5061, 5432, 6000,
    6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9100, 9200, 9300, 10080, 11211, 27017,
])  # fmt: skip
# No list of the operator's opens these: link-local and cloud metadata hand out credentials to whoever asks.
_NEVER = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "100.100.100.200/32", "168.63.129.16/32"),
        *("192.0.0.192/32", "::/128", "fe80::/10", "fec0::/10", "ff00::/8", "fd00:ec2::254/128"),
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ip_network("64:ff9b:1::/48")
_COMPATIBLE = ip_network("::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)


class UnsafeAddress(Permanent):
    """The daemon does not send anything to this address; nothing was sent."""

    code = "UNSAFE_ADDRESS"


@dataclass(frozen=True, slots=True)
class Address:
    """A plainly written address, in parts; `host` is lower-case, without brackets and trailing dot."""

    origin: str
    host: str
    port: int
    rest: str


@dataclass(frozen=True, slots=True)
class AddressRules:
    """`named` are the hosts that the operator has named: they may be on private networks.

    `own_port` is the daemon's own: no address may make it talk to itself over loopback.
    """

    named: frozenset[str] = frozenset()
    own_port: int = 0
    _own: frozenset[str] = field(default=frozenset({"localhost", "127.0.0.1", "::1"}), repr=False)

    @classmethod
    def of(cls, settings: Settings) -> AddressRules:
        """`[orchestrator] reply_hosts` and the hosts of the configured services' own addresses."""
        urls = (settings.registry.url, settings.orchestrator.url, settings.dashboard.url)
        hosts = [urlsplit(url).hostname or "" for url in urls if url]
        named = {_plain_host(host) for host in (*settings.orchestrator.reply_hosts, *hosts)} - {""}
        return cls(frozenset(named), settings.server.port)

    def check(self, text: str) -> Address:
        """Read an address and judge what can be judged without a resolver. Raises UnsafeAddress."""
        address = _read(text)
        if address.port == self.own_port and address.host in self._own:
            raise unsafe(text, "it is the executor's own", "Name the address of the service that waits.")
        if (literal := _literal(address.host, text)) is not None:
            self.check_ip(address.host, str(literal), text)
        return address

    def check_ip(self, host: str, ip: str, text: str = "", port: int = 0) -> None:
        """Judge an IP that `host` has resolved to; every one that it resolved to has to pass.

        Raises UnsafeAddress.
        """
        shown = text or host
        found = ip_address(ip.partition("%")[0])
        all_meant = (found, *_embedded(found))
        if any(each in network for each in all_meant for network in _NEVER):
            raise unsafe(shown, f"{ip} is link-local, multicast or a metadata service", "")
        if port and port == self.own_port and any(each.is_loopback for each in all_meant):
            raise unsafe(shown, "it is the executor's own", "")
        if _plain_host(host) not in self.named and not all(_is_public(each) for each in all_meant):
            raise unsafe(
                shown,
                f"{ip} is on a private network",
                f"If it is meant, add {host} to [orchestrator] reply_hosts and restart the daemon.",
            )


def unsafe(shown: str, why: str, hint: str) -> UnsafeAddress:
    """The refusal of one address."""
    return UnsafeAddress(f"Nothing is sent to {shown[:200]!r}: {why}.", hint=hint)


def _read(text: str) -> Address:
    match = _PLAIN.fullmatch(text) if len(text) <= LONGEST_ADDRESS else None
    if match is None or _FORBIDDEN_IN_PATH & set(match["rest"] or ""):
        raise unsafe(
            text,
            "it is not plainly written",
            "Give http:// or https://, a host, perhaps a port and a path; no user, no fragment, only ASCII.",
        )
    scheme = match["scheme"].lower()
    port = int(match["port"]) if match["port"] else _PORTS[scheme]
    if not (port in _PORTS.values() or 1024 <= port < 65536) or port in _OTHER_PROTOCOLS:
        raise unsafe(text, f"port {port} is not one for HTTP", "Use 80, 443 or a port from 1024 on.")
    origin = f"{scheme}://{match['host'].lower()}" + (f":{port}" if match["port"] else "")
    return Address(origin, _plain_host(match["host"]), port, match["rest"] or "/")


def _plain_host(host: str) -> str:
    bare = host.strip().lower().removeprefix("[").removesuffix("]").removesuffix(".")
    try:
        return str(ip_address(bare))
    except ValueError:
        return bare


def _literal(host: str, text: str) -> IPv4Address | IPv6Address | None:
    """The IP that is written out, None for a name. Other forms of it (0x7f.1, 0177.0.0.1) are no names."""
    try:
        return ip_address(host)
    except ValueError:
        last = host.rpartition(".")[2]
        if ":" in host or not last or _NUMBER.fullmatch(last):
            raise unsafe(text, "its host is neither a name nor a plain IP", "Write 192.0.2.1.") from None
        return None


def _embedded(ip: IPv4Address | IPv6Address) -> Iterable[IPv4Address]:
    """The IPv4 addresses that a translator on the way would make of this one."""
    if isinstance(ip, IPv4Address):
        return
    low = int(ip) & 0xFFFFFFFF
    if ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
    elif ip in _NAT64 or (ip in _COMPATIBLE and low > 1) or (int(ip) >> 32) & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(low)
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None or ip in _NAT64:
            return True  # judged by the IPv4 address in it
        if ip in _LOCAL_NAT64 or ip in _COMPATIBLE:
            return False
    return ip.is_global and not ip.is_multicast
