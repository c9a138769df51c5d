"""The whole daemon deploys to a host over SSH: a release, its successor, a rollback, and a host that is another."""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.daemon import RealDaemon, running
from tests.testbed.bed import EDGE_IMAGE, BedHost, alpha, docker_engine  # noqa: F401 - fixtures
from tests.testbed.poller import Poller

pytestmark = pytest.mark.testbed


def configured(home: Path, host: str) -> Path:
    home.mkdir()
    text = f'[deploy]\ntarget = "docker"\nhost = "alpha"\nedge = "{EDGE_IMAGE}"\n{host}'
    (home / "executor.toml").write_text(text)
    return home


async def nothing_is_left(host: BedHost) -> None:
    left = await host.docker("ps", "-aq", "--filter", "label=fpai.droplet=shelf")
    if left.split():
        await host.docker("rm", "-f", *left.split())
    await host.docker("volume", "rm", "-f", "fpai-shelf-data")


@pytest.fixture
async def remote(alpha, tmp_path) -> AsyncIterator[RealDaemon]:
    await nothing_is_left(alpha)
    with running(configured(tmp_path / "home", alpha.table)) as daemon:
        yield daemon
    await nothing_is_left(alpha)


async def made(daemon: RealDaemon, intent: str) -> dict:
    """A build from its intent to its end, beside whatever else the test does meanwhile."""
    build = await asyncio.to_thread(daemon.build, intent, droplet_name="shelf")
    return await asyncio.to_thread(daemon.until, build, seconds=400)


async def test_a_release_over_ssh_is_replaced_by_the_next_without_one_failed_request(remote, alpha):
    first = await made(remote, "Build a droplet that stores books with title and year")
    assert first["status"] == "complete", first["error"]
    url = first["deployment_url"]
    assert url.startswith(f"http://{alpha.address}:")
    await asyncio.to_thread(_post, f"{url}/books", {"title": "Emma", "year": 1815})

    async with Poller(url) as poller:
        second = await made(remote, "Also store authors with name")
        assert (second["status"], second["deployment_url"]) == ("complete", url)
        await poller.more(100)
        books = json.loads(await asyncio.to_thread(_get, f"{url}/books"))
        assert [book["title"] for book in books["data"]] == ["Emma"], "the data outlives a release"
        remote.call("POST", f"/executor/builds/{second['build_id']}/rollback", {"to": first["release"]})
        await asyncio.to_thread(remote.until, second["build_id"], "rolled_back")
        await poller.more(100)
    assert poller.failures == []
    assert set(poller.served) == {first["release"], second["release"]}
    assert json.loads(await asyncio.to_thread(_get, f"{url}/health"))["release"] == first["release"]
    names = await alpha.docker("ps", "--format", "{{.Names}}", "--filter", "label=fpai.droplet=shelf")
    assert len(names.split()) == 2, "one release and its proxy"

    remote.call("POST", f"/executor/builds/{first['build_id']}/rollback", {})
    await asyncio.to_thread(remote.until, first["build_id"], "rolled_back")
    assert await alpha.docker("ps", "-q", "--filter", "label=fpai.droplet=shelf") == ""


async def test_a_host_with_another_key_is_sent_nothing_and_the_build_says_how_to_go_on(alpha, tmp_path):
    await asyncio.to_thread(
        subprocess.run, ["ssh-keygen", "-qted25519", "-N", "", "-f", str(tmp_path / "key")], check=True
    )
    wrong = tmp_path / "known_hosts"
    key = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    wrong.write_text(f"{alpha.address} {key}\n")
    table = alpha.table.replace(alpha.known_hosts, str(wrong))
    with running(configured(tmp_path / "home", table)) as daemon:
        failed = await made(daemon, "Build a droplet that stores books with title")
    assert failed["status"] == "failed"
    assert "ssh-keygen -R" in failed["error"]["hint"] and "ssh-keyscan" in failed["error"]["hint"]


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


def _post(url: str, body: object) -> bytes:
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read()
