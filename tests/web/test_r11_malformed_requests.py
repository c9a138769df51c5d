"""Trust.md R11: ten thousand malformed requests: no 5xx, nothing hangs, memory stays, builds go on."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

from executor.domain.build import State
from executor.web.operations import Operation
from tests.proof.ledger import Ledger
from tests.proof.scale import scaled
from tests.web.conftest import Site
from tests.web.fuzz import Fuzzer
from tests.web.memory import resident
from tests.web.waiting import waiting_build

REQUESTS = scaled(1_500, 10_000)
AT_ONCE = 24
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")


async def answers(host: str, port: int, request: bytes) -> list[int]:
    """The statuses that one connection was answered with; it has to answer or to close within ten seconds."""
    reader, writer = await asyncio.open_connection(host, port)
    heard = b""
    try:
        writer.write(request)
        writer.write_eof()
        async with asyncio.timeout(10):
            while chunk := await reader.read(65536):
                heard = heard[-16:] + chunk if len(heard) > 1 << 20 else heard + chunk
    except (ConnectionError, BrokenPipeError):
        pass
    finally:
        writer.close()
    return [int(status) for status in _STATUS.findall(heard)]


async def test_r11_malformed_requests_are_never_a_5xx_never_hang_and_cost_no_memory(
    site: Site, ledger: Ledger
) -> None:
    build_id, goes_on = await waiting_build(site)
    operations: list[Operation] = site.app.state.operations
    routes = [
        (op.method, op.path)
        for op in operations
        if op.path != "/executor/builds/{build_id}" or op.method == "GET"
    ]
    host, _, port = site.url.removeprefix("http://").partition(":")
    seen: Counter[int] = Counter()

    async def some(seed: int, count: int) -> None:
        fuzzer = Fuzzer(seed, routes, "build-99-none-20260101-001")
        for number in range(count):
            request = fuzzer.request()
            statuses = await answers(host, int(port), request)
            assert not [status for status in statuses if status >= 500], (
                seed,
                number,
                request[:400],
                statuses,
            )
            seen.update(statuses)
            ledger.tried("malformed requests")

    await asyncio.gather(*(some(seed, 8) for seed in range(1000, 1000 + AT_ONCE)))
    before = resident()
    await asyncio.gather(*(some(seed, REQUESTS // AT_ONCE) for seed in range(AT_ONCE)))
    grown = resident() - before
    goes_on.set()
    done = await site.world.until(build_id)
    assert done.state is State.COMPLETE
    assert grown < 20 << 20, f"{grown / (1 << 20):.1f} MiB"
    assert {400, 404, 405, 415} <= set(seen), "the requests reached what they were made to test"
