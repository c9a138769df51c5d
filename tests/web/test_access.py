"""Who may ask: a matrix over the application's own routes, and the rules one by one."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE
from typing import Any

import aiohttp
import pytest
from starlette.routing import Mount, Route, WebSocketRoute

from executor.settings_tables import Server
from executor.web.access import Access
from executor.web.envelope import Refusal
from executor.web.session import Sessions
from tests.proof.ledger import Ledger
from tests.web.conftest import SUBMIT, Serving, Site

THREAT = "cross-site requests"

TOKEN = "correct-horse-battery-staple"
SESSIONS = Sessions(b"k" * 32, TOKEN)
OPEN = {
    "/login", "/livez", "/readyz", "/health", "/executor/health", "/openapi.json", "/docs", "/static",
    "/hooks/slack",
}  # fmt: skip
GOOD = {"architect_intent": "Build Analytics Engine"}
BUILD = "build-13-analytics-20260101-001"


def routes(site: Site) -> list[tuple[str, str]]:
    """Every method and path that the application has, WebSockets as WS."""
    found = []
    for route in site.app.routes:
        path = getattr(route, "path", "").replace("{build_id}", BUILD).replace("{token}", "abc.def")
        if isinstance(route, Route):
            found += [(method, path) for method in sorted(route.methods or ()) if method != "HEAD"]
        elif isinstance(route, WebSocketRoute) and "{" not in path:
            found.append(("WS", path))
        elif isinstance(route, Mount):
            found.append(("GET", f"{path}/style.css"))
    return found


async def ask(site: Site, method: str, path: str, headers: dict[str, str]) -> int:
    """The status of one request or of one refused handshake (101 if it was let in)."""
    if method == "WS":
        try:
            async with site.client.ws_connect(site.url + path, headers=headers):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status
    sent = {"Content-Type": "application/json", **headers} if method != "GET" else headers
    data = b"{}" if method != "GET" else None
    async with site.client.request(method, site.url + path, data=data, headers=sent) as reply:
        assert reply.status < 500, (method, path)
        if reply.status >= 400 and not path.startswith(("/builds/", "/a/")):
            assert (await reply.json())["error"]["request_id"], (method, path)
        return reply.status


def is_open(path: str) -> bool:
    return path in OPEN or path.startswith(("/static/", "/a/"))


async def test_with_a_token_every_route_but_the_open_ones_wants_it(serve: Serving, ledger: Ledger) -> None:
    async with serve(server={"token": TOKEN}) as site:
        right = {"Authorization": f"Bearer {TOKEN}"}
        for method, path in routes(site):
            for wrong in ({}, {"Authorization": "Bearer no"}, {"Authorization": f"Basic {TOKEN}"}):
                status = await ask(site, method, path, wrong)
                assert (status == 401) != is_open(path), (method, path, wrong, status)
                ledger.tried("routes without the right token", threat=THREAT)
            assert await ask(site, method, path, right) not in {401, 403}, (method, path)
        assert await ask(site, "GET", "/unknown", {}) == 401


async def test_without_a_token_loopback_needs_none(site: Site) -> None:
    for method, path in routes(site):
        status = await ask(site, method, path, {})
        # The page's own routes take forms, and only with their session's own token.
        is_form = method == "POST" and path.startswith(("/login", "/logout", "/builds/", "/new"))
        assert status == 415 if is_form else status not in {401, 403, 415}, (method, path)


async def test_a_foreign_host_is_403_on_every_route(site: Site, ledger: Ledger) -> None:
    for method, path in routes(site):
        for host in ("evil.example", "localhost.evil.example:8400", "127.0.0.1.nip.io", ""):
            assert await ask(site, method, path, {"Host": host}) == 403, (method, path, host)
            ledger.tried("routes under a foreign host", threat=THREAT)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:18500"},
        {"Origin": "https://localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
async def test_a_foreign_page_may_change_nothing_and_open_no_socket(
    site: Site, headers: dict[str, str], ledger: Ledger
) -> None:
    changing = [(m, p) for m, p in routes(site) if m != "GET"]
    assert len(changing) > 8
    for method, path in changing:
        assert await ask(site, method, path, headers) == 403, (method, path)
        ledger.tried("routes from a foreign page", threat=THREAT)
    assert (await site.get("/executor/builds"))[1] == []


async def test_a_foreign_page_may_link_here_but_not_fetch(site: Site) -> None:
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert await ask(site, "GET", "/", {**cross, "Sec-Fetch-Mode": "navigate"}) == 200
    assert await ask(site, "GET", "/executor/builds", {**cross, "Sec-Fetch-Mode": "no-cors"}) == 403


async def test_the_daemons_own_page_and_a_caller_without_origin_are_let_in(site: Site) -> None:
    own = {"Origin": site.url, "Sec-Fetch-Site": "same-origin"}
    assert (await site.post(SUBMIT, GOOD, headers=own))[0] == 202


async def test_only_json_is_taken_by_every_post_of_the_api(site: Site, ledger: Ledger) -> None:
    for method, path in routes(site):
        if path == "/executor/voice":
            continue  # takes audio, and nothing that a form could send: tests/web/test_voice.py
        if method in {"POST", "DELETE"} and (path.startswith("/executor/") or path == "/message"):
            for media in (
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
            ):
                assert await ask(site, method, path, {"Content-Type": media}) == 415, (method, path, media)
                ledger.tried("routes with a form's media type", threat=THREAT)


async def test_public_url_names_a_host_and_an_origin_of_ours(serve: Serving) -> None:
    server = {"public_url": "https://build.example.com", "allowed_hosts": ["inner.example.com"]}
    async with serve(server=server) as site:
        for host in ("build.example.com", "build.example.com:443", "INNER.example.com", "localhost:1"):
            headers = {"Host": host, "Origin": "https://build.example.com"}
            assert await ask(site, "POST", "/executor/message", headers) == 400, host
        headers = {"Host": "build.example.com", "Origin": "http://build.example.com:81"}
        assert await ask(site, "POST", "/executor/message", headers) == 403


_RELEASE = """
import encodings.idna, http.client, os, sys
port, uid = int(sys.argv[1]), int(sys.argv[2])
calls = [line.split() for line in sys.stdin]
if uid != os.getuid(): os.setgroups([]); os.setgid(uid); os.setuid(uid)
for method, path in calls:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path, body=b"{}", headers={"Content-Type": "application/json"})
    print(connection.getresponse().status)
"""


async def test_a_release_can_reach_no_route_at_all(site: Site) -> None:
    """The caller is a real process with the uid of a release; without root it can only be ourselves."""
    uid = 64001 if os.geteuid() == 0 else os.geteuid()
    calls = [(method, path) for method, path in routes(site) if method != "WS"]
    release = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _RELEASE, site.url.rpartition(":")[2], str(uid), stdin=PIPE, stdout=PIPE
    )
    out, _ = await release.communicate("\n".join(map(" ".join, calls)).encode())
    statuses = [int(line) for line in out.split()]
    assert len(statuses) == len(calls)
    assert all((status == 403) == (uid == 64001) for status in statuses), statuses


def test_without_the_checked_connection_every_request_is_looked_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server, access = listening.getsockname(), Access(Server(), SESSIONS)
        with socket.create_connection(server) as client:
            access.check(scope(client=client.getsockname(), server=server), {b"host": b"localhost"})
        with pytest.raises(Refusal) as caught:
            access.check(scope(client=("127.0.0.1", 1), server=server), {b"host": b"localhost"})
        assert caught.value.code == "FORBIDDEN_PEER"


def scope(**more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": "/",
        "client": None,
        "server": ("127.0.0.1", 8400),
        **more,
    }


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8400", "127.0.0.1:1", "[::1]:8400", "[::1]", "10.0.0.5:8400"]
)
def test_loopback_names_and_the_address_that_was_connected_to_are_hosts(host: str) -> None:
    connected = scope(server=("10.0.0.5", 8400))
    Access(Server(host="0.0.0.0", token=TOKEN), SESSIONS).check(
        connected | {"path": "/livez"}, {b"host": host.encode()}
    )


@pytest.mark.parametrize("host", ["10.0.0.6", "", "evil", "0.0.0.0", "localhost.", "a:b:c"])
def test_other_names_are_no_hosts(host: str) -> None:
    with pytest.raises(Refusal) as caught:
        Access(Server(), SESSIONS).check(scope(), {b"host": host.encode()})
    assert caught.value.status == 403
