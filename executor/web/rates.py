"""How much one address of another machine may ask for in a time: a bucket of tokens for each.

This machine's own callers are not counted: they are the operator, a proxy that has limits of its own, and
whoever could do worse from here.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache

from starlette.types import Scope

from executor.web.envelope import Refusal

_ADDRESSES = 4096


class Rate:
    """`each_second` requests from one address, and `burst` of them at once; 0 a second means any number."""

    def __init__(self, each_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._each_second = each_second
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, scope: Scope, amount: float = 1) -> float:
        """Take from the caller's bucket; returns 0, or the seconds until there is enough in it again."""
        address = _stranger(scope)
        if not address or not self._each_second:
            return 0.0
        left = self._left(address)
        if left < 1:
            return (1 - left) / self._each_second
        if amount:
            self._keep(address, left - amount)
        return 0.0

    def _left(self, address: str) -> float:
        left, then = self._buckets.get(address, (self._burst, 0.0))
        return min(self._burst, left + (self._clock() - then) * self._each_second)

    def _keep(self, address: str, left: float) -> None:
        """A full bucket says nothing, so the addresses that were not heard of for longest are forgotten."""
        self._buckets[address] = (left, self._clock())
        self._buckets.move_to_end(address)
        if len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)


def too_many(code: str, message: str, hint: str, wait: float) -> Refusal:
    """429 with the seconds to wait."""
    return Refusal(429, code, message, hint, headers={"retry-after": str(math.ceil(wait))})


def _stranger(scope: Scope) -> str:
    client = scope.get("client")
    return _other_machine(client[0]) if client else ""


@lru_cache(maxsize=_ADDRESSES)
def _other_machine(address: str) -> str:
    """The caller's address, for IPv6 its /64 (which one machine has all of); empty on this machine."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
