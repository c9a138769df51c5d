"""Real services in their real walls: those that keep the contract, and those that do not even serve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executor.checks.contract import ContractVerdict, Subject, check_contract
from executor.checks.probe import Patience
from executor.domain.droplet import DropletIdentity
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.places import Places

Judge = Callable[..., Any]
NO_WAIT = Patience(start=3.0, answer=0.5)


@pytest.fixture
def judge(venv: Path, sandbox: Sandbox, places: Places, identity: DropletIdentity) -> Judge:
    """Probes a droplet's directory with some patience."""

    async def run(source: Path, patience: Patience) -> ContractVerdict:
        return await check_contract(Subject(source, venv, identity, sandbox, places, Limits(), patience))

    return run


def service(places: Places, text: str) -> Path:
    """A droplet that is nothing but its app/main.py."""
    root = places.scratch("service")
    (root / "app").mkdir()
    (root / "app" / "main.py").write_text(text)
    for path in (root / "app", root / "app" / "main.py"):
        path.chmod(0o755)
    return root


async def test_the_template_keeps_the_whole_contract(droplet: Path, judge: Judge, failed: Any) -> None:
    verdict = await judge(droplet, Patience())
    assert failed(verdict.findings) == {}
    assert '"event": "request_served"' in verdict.output


NEVER = {
    "crashes at import": ("raise RuntimeError('no database')", "ended while starting"),
    "ends by itself": ("import os\nos._exit(0)", "ended while starting"),
    "has no application": ("", "ended while starting"),
    "never listens": ("import time\ntime.sleep(600)", "did not answer on its socket within 3 s"),
    "hangs": (
        "import asyncio\nasync def app(scope, receive, send):\n    await asyncio.sleep(600)",
        "did not answer on its socket within 3 s",
    ),
    "plants a link to a socket": (
        "import os, socket, time\n"
        "real = socket.socket(socket.AF_UNIX)\nreal.bind('/sockets/real')\nreal.listen()\n"
        "os.symlink('/sockets/real', '/sockets/app.sock')\ntime.sleep(600)",
        "did not answer on its socket within 3 s",
    ),
    "plants a file": (
        "import time\nopen('/sockets/app.sock', 'w').close()\ntime.sleep(600)",
        "did not answer on its socket within 3 s",
    ),
}


@pytest.mark.parametrize("how", NEVER)
async def test_a_service_that_does_not_serve_is_a_failed_rule_with_its_last_words(
    places: Places, judge: Judge, failed: Any, how: str
) -> None:
    text, evidence = NEVER[how]
    found = failed((await judge(service(places, text), NO_WAIT)).findings)
    assert set(found) == {"U1", "U8"}
    assert evidence in found["U1"]
    assert how != "crashes at import" or "no database" in found["U1"]


async def test_a_link_put_in_the_sockets_place_later_leads_nowhere(
    places: Places, judge: Judge, failed: Any
) -> None:
    text = """
import os

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if os.path.exists("/sockets/app.sock") and not os.path.islink("/sockets/app.sock"):
        os.rename("/sockets/app.sock", "/sockets/moved")
        os.symlink("/run/elsewhere.sock", "/sockets/app.sock")
    headers = [(b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"received": true}'})
"""
    found = failed((await judge(service(places, text), NO_WAIT)).findings)
    assert "U1" not in found, "it was asked on the socket that was checked, not where the link leads"


async def test_a_service_that_falls_silent_is_not_waited_for_at_every_question(
    places: Places, judge: Judge, failed: Any
) -> None:
    text = """
import asyncio
asked = []

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    asked.append(scope["path"])
    if len(asked) > 1:
        print("silent", flush=True)
        await asyncio.sleep(600)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})
"""
    verdict = await judge(service(places, text), NO_WAIT)
    assert "not asked" in " ".join(failed(verdict.findings).values())
    assert verdict.output.splitlines().count("silent") == NO_WAIT.silences


async def test_nothing_of_the_services_is_left_behind(places: Places, judge: Judge) -> None:
    source = service(places, "raise SystemExit")
    before = {*(places.root / "scratch").iterdir(), *places.sockets.iterdir()}
    await judge(source, NO_WAIT)
    assert {*(places.root / "scratch").iterdir(), *places.sockets.iterdir()} == before
