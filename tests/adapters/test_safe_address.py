"""Trust.md, SSRF: no form of an address reaches what lies inside, unless the operator named its host."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from executor.adapters.http import JsonService
from executor.adapters.safe_address import AddressRules, UnsafeAddress
from executor.adapters.safe_session import safe_session
from executor.settings_tables import Settings
from tests.proof.ledger import Ledger

# Every one is this machine, its network or its cloud's metadata service; {port} is the canary's.
ENCODINGS = [
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://127.255.255.254:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0x7f.1:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0177.0.0.0x1:{port}/",
    "http://00000177.0.0.1:{port}/",
    "http://127.0.0.01:{port}/",
    "http://4294967296:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST.:{port}/",
    "http://[::1]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2001:0:7f00:1::]:{port}/",
    "http://[2001:db8::5efe:7f00:1]:{port}/",
    "http://[::1%25lo]:{port}/",
    "http://127%2e0%2e0%2e1:{port}/",
    "http://%6cocalhost:{port}/",
    "http://\u2460\u2461\u2466.0.0.1:{port}/",
    "http://127\u30020\u30020\u30021:{port}/",
    "http://loc\u00adalhost:{port}/",
    "http://public.example@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@public.example/",
    "http://public.example:80@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@public.example/",
    "http://127.0.0.1:{port}#@public.example/",
    "http:\\\\127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/\r\nX-Injected: 1",
    "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1:{port}/ ",
    "http://169.254.169.254:{port}/",
    "http://[fe80::a9fe:a9fe]:{port}/",
    "http://[fd00:ec2::254]:{port}/",
    "http://100.100.100.200:{port}/",
    "http://10.0.0.1:{port}/",
    "http://172.16.0.1:{port}/",
    "http://192.168.0.1:{port}/",
    "http://100.64.0.1:{port}/",
    "http://[fc00::1]:{port}/",
    "http://224.0.0.1:{port}/",
    "http://255.255.255.255:{port}/",
    "http://inside.example:{port}/",
    "http://mixed.example:{port}/",
    "http://mapped.example:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_x",
    "unix:///run/docker.sock",
    "http://127.0.0.1:0/",
    "http://public.example:22/",
    "http://public.example:2375/",
    "http://public.example:99999/",
    "http://",
    "",
]


@dataclass
class Canary:
    """A server on loopback; `heard` are the requests that reached it."""

    port: int = 0
    heard: list[str] = field(default_factory=list)


class Names(AbstractResolver):
    """Resolves from a table; each name has a list of answers, the last of which stays."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self._answers = {name.replace("_", "."): found for name, found in answers.items()}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self._answers.get(host.rstrip(".").lower())
        if answers is None:
            raise OSError(f"no such name: {host}")
        ips = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=ip,
                port=port,
                family=socket.AF_INET6 if ":" in ip else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for ip in ips
        ]

    async def close(self) -> None:
        return None


def names() -> Names:
    return Names(
        localhost=[["127.0.0.1"]],
        inside_example=[["127.0.0.1"]],
        mixed_example=[["93.184.215.14", "127.0.0.1"]],
        mapped_example=[["::ffff:127.0.0.1"]],
        metadata_example=[["169.254.169.254"]],
        orchestrator_example=[["127.0.0.1"]],
    )


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    found = Canary()

    async def hear(request: web.Request) -> web.Response:
        found.heard.append(f"{request.method} {request.path}")
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{found.port}/secret"})
        return web.json_response({"received": True})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hear)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.port = runner.addresses[0][1]
    yield found
    await runner.cleanup()


def test_the_table_has_the_thirty_encodings_that_were_promised():
    assert len(set(ENCODINGS)) >= 30


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_no_encoding_of_an_inner_address_reaches_it(
    canary: Canary, encoding: str, ledger: Ledger
) -> None:
    rules, url = AddressRules(), encoding.replace("{port}", str(canary.port))
    async with safe_session(rules, names()) as session:
        with pytest.raises(UnsafeAddress):
            address = rules.check(url)
            await JsonService(session, address.origin, name="x", setting="x").call("POST", address.rest, {})
    assert canary.heard == []
    ledger.tried("encodings of an inner address", threat="SSRF")


@pytest.mark.parametrize("encoding", [e for e in ENCODINGS if e.startswith("http://") and "example" not in e])
async def test_the_session_refuses_also_what_nobody_checked_before(canary: Canary, encoding: str) -> None:
    url = encoding.replace("{port}", str(canary.port))
    async with safe_session(AddressRules(), names()) as session:
        with pytest.raises((UnsafeAddress, aiohttp.ClientError, ValueError)):
            await session.post(url, json={}, allow_redirects=False)
    assert canary.heard == []


async def test_a_name_that_answers_differently_the_second_time_gains_nothing(canary: Canary) -> None:
    moving = Names(rebound_example=[["93.184.215.14"], ["127.0.0.1"]])
    rules = AddressRules()
    rules.check_ip("rebound.example", (await moving.resolve("rebound.example"))[0]["host"])
    async with safe_session(rules, moving) as session:
        with pytest.raises(UnsafeAddress, match="private"):
            await session.post(f"http://rebound.example:{canary.port}/", json={})
    assert canary.heard == []


async def test_a_connection_asks_the_resolver_once_and_takes_what_was_judged(canary: Canary) -> None:
    asked = Names(orchestrator_example=[["127.0.0.1"], ["192.0.2.1"]])
    rules = AddressRules(named=frozenset({"orchestrator.example"}))
    url = f"http://orchestrator.example:{canary.port}/message"
    async with safe_session(rules, asked) as session, session.post(url, json={}) as reply:
        assert reply.status == 200
    assert asked.asked == ["orchestrator.example"]
    assert canary.heard == ["POST /message"]


async def test_a_redirect_leads_nowhere(canary: Canary) -> None:
    rules = AddressRules(named=frozenset({"orchestrator.example"}))
    async with safe_session(rules, names()) as session:
        url = f"http://orchestrator.example:{canary.port}/moved"
        with pytest.raises(UnsafeAddress):
            await session.post(url, json={}, allow_redirects=True)
    assert canary.heard == ["POST /moved"]


@pytest.mark.parametrize(
    "url",
    ["https://orchestrator.example/message", "http://93.184.215.14:8001/x?y=1", "HTTP://Public.Example",
     "http://my_service.example:8080/", "http://[2606:4700::1111]/", "http://[::ffff:93.184.215.14]/",
     "http://[64:ff9b::5db8:d70e]/"],
)  # fmt: skip
def test_a_plain_public_address_passes(url: str) -> None:
    assert AddressRules().check(url).origin.startswith(("http://", "https://"))


def test_hosts_that_the_operator_named_may_be_private() -> None:
    rules = AddressRules.of(
        Settings.model_validate(
            {
                "server": {"port": 8400},
                "registry": {"url": "http://localhost:8000"},
                "orchestrator": {
                    "url": "http://10.0.0.5:8001",
                    "reply_hosts": ["[FD00::0:5]", "Inner.Example."],
                },
                "dashboard": {"url": "http://[::1]:8002/"},
            }
        )
    )
    for url in ("http://10.0.0.5:9000/x", "http://[fd00::5]/", "http://[::1]:8002/"):
        rules.check(url)
    rules.check_ip("localhost", "127.0.0.1")
    rules.check_ip("inner.example", "192.168.1.1")
    for url in ("http://10.0.0.6/", "http://127.0.0.1:8001/"):
        with pytest.raises(UnsafeAddress, match="private"):
            rules.check(url)


@pytest.mark.parametrize(
    "ip", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "::ffff:169.254.169.254"]
)
def test_a_metadata_service_is_refused_whatever_the_operator_named(ip: str) -> None:
    rules = AddressRules(named=frozenset({"metadata.example", ip}))
    with pytest.raises(UnsafeAddress, match="metadata"):
        rules.check_ip("metadata.example", ip)
    with pytest.raises(UnsafeAddress, match="metadata"):
        rules.check(f"http://[{ip}]/" if ":" in ip else f"http://{ip}/")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "alias.example"])
async def test_the_daemon_is_never_made_to_talk_to_itself(canary: Canary, host: str) -> None:
    named = frozenset({"localhost", "127.0.0.1", "::1", "alias.example"})
    rules = AddressRules(named=named, own_port=canary.port)
    resolver = Names(localhost=[["127.0.0.1"]], alias_example=[["127.0.0.1"]])
    async with safe_session(rules, resolver) as session:
        with pytest.raises(UnsafeAddress, match="own"):
            await session.post(f"http://{host}:{canary.port}/message", json={})
    assert canary.heard == []
