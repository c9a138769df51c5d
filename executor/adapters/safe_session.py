"""An HTTP session that keeps to AddressRules: what was checked is what is connected to."""

from __future__ import annotations

import socket

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from executor.adapters.safe_address import AddressRules, unsafe


class CheckedResolver(AbstractResolver):
    """Resolves once for each connection and judges all that came; the connection takes these very IPs.

    So a name that answers differently a moment later (DNS rebinding) gains nothing. Raises UnsafeAddress.
    """

    def __init__(self, rules: AddressRules, names: AbstractResolver) -> None:
        self._rules = rules
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The IPs of a host, all of them allowed."""
        found = await self._names.resolve(host, port, family)
        if not found:
            raise unsafe(host, "its name resolves to nothing", "")
        for one in found:
            self._rules.check_ip(host, one["host"], port=port)
        return found

    async def close(self) -> None:
        """Nothing is held but the inner resolver."""
        await self._names.close()


def safe_session(rules: AddressRules, names: AbstractResolver | None = None) -> aiohttp.ClientSession:
    """A session for addresses that others choose; close it when done.

    Every request raises UnsafeAddress before anything is sent where the rules forbid it. No proxy of the
    environment is used, no cookie is kept, and no DNS answer outlives its connection. Callers have to pass
    `allow_redirects=False`; a redirect that is followed all the same is judged again.
    """

    async def checked(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        rules.check(str(request.url))
        return await handler(request)

    resolver = CheckedResolver(rules, names or ThreadedResolver())
    connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=16)
    return aiohttp.ClientSession(
        connector=connector, middlewares=(checked,), cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    )
