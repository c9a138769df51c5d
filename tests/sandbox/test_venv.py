"""Venvs, made by the real resolver; an index that misbehaves stands on loopback."""

import asyncio
import os
import stat
from pathlib import Path

import pytest
from aiohttp import web

from executor.errors import ReleaseAtFault, Transient
from executor.sandbox.base import Bind
from executor.sandbox.venv import VenvCache, find_uv, resolver_environment


@pytest.fixture
def requirements(tmp_path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("click==8.1.8\n")
    return path


async def test_a_venv_is_made_once_shared_by_callers_at_once_and_found_again(places, requirements):
    cache = VenvCache(places, find_uv())
    first, second = await asyncio.gather(cache.get(requirements), cache.get(requirements))
    made = first.stat().st_ino
    assert first == second
    assert (await VenvCache(places, find_uv()).get(requirements)).stat().st_ino == made
    assert [path.name for path in places.venvs.iterdir()] == [first.name]


async def test_it_runs_behind_the_walls_compiled_and_closed_to_writing(
    places, requirements, sandbox, commands
):
    venv = await VenvCache(places, find_uv()).get(requirements)
    script = """
import click, os
print(os.path.exists(click.__cached__), click.__file__)
path = click.__file__
for act in (lambda: open(path, 'a'), lambda: os.chmod(path, 0o666), lambda: os.unlink(path)):
    try: act(); print("BREACH")
    except OSError: pass
"""
    result = await sandbox.run(
        commands.of("/venv/bin/python", "-I", "-c", script, binds=(Bind(venv, "/venv"),))
    )
    assert result.exit_code == 0, result.output
    assert result.output.startswith("True /venv/lib/python3")
    assert "BREACH" not in result.output
    owners = {path.lstat().st_uid for path in venv.rglob("*")}
    writable = [
        path for path in venv.rglob("*") if not path.is_symlink() and path.stat().st_mode & stat.S_IWOTH
    ]
    assert owners == {os.geteuid()} and writable == []


async def test_other_requirements_have_another_venv(places, requirements, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("")
    cache = VenvCache(places, find_uv())
    assert await cache.get(requirements) != await cache.get(other)


@pytest.mark.parametrize("line", ["click==999.0", "this-package-is-not-there-7f3a9c==1"])
async def test_what_cannot_be_met_is_the_releases_fault_in_the_resolvers_words(places, requirements, line):
    requirements.write_text(line)
    with pytest.raises(ReleaseAtFault, match=line.split("=")[0]) as caught:
        await VenvCache(places, find_uv()).get(requirements)
    assert caught.value.log
    assert list(places.venvs.iterdir()) == []


async def test_an_index_that_is_down_is_transient_and_a_later_call_succeeds(
    places, requirements, unused_tcp_port
):
    down = {"UV_DEFAULT_INDEX": f"http://127.0.0.1:{unused_tcp_port}/simple", "UV_HTTP_RETRIES": "0"}
    with pytest.raises(Transient):
        await VenvCache(places, find_uv(), environ=down).get(requirements)
    assert list(places.venvs.iterdir()) == []
    assert (await VenvCache(places, find_uv()).get(requirements)).is_dir()


async def test_an_index_that_answers_with_a_server_error_is_transient(places, requirements, index):
    with pytest.raises(Transient):
        await VenvCache(places, find_uv(), environ=index).get(requirements)


async def test_a_cancelled_caller_does_not_take_the_venv_from_another(places, requirements):
    cache = VenvCache(places, find_uv())
    impatient, patient = (asyncio.create_task(cache.get(requirements)) for _ in range(2))
    while not cache._building:
        await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).is_dir()
    assert impatient.cancelled()


async def test_what_a_killed_daemon_had_begun_is_removed(places, requirements):
    left = places.venvs / ".building-999999999-abc"
    (left / "venv").mkdir(parents=True)
    await VenvCache(places, find_uv()).get(requirements)
    assert not left.exists()


def test_the_resolver_gets_the_index_and_no_secret(tmp_path):
    given = {
        "PIP_INDEX_URL": "http://i/simple",
        "PIP_EXTRA_INDEX_URL": "http://j/simple",
        "PIP_FIND_LINKS": "/wheels",
        "HTTPS_PROXY": "http://p",
        "no_proxy": "x",
        "SSL_CERT_FILE": "/c",
        "UV_INDEX_PASSWORD": "canary",
        "UV_PUBLISH_TOKEN": "canary",
        "ANTHROPIC_API_KEY": "canary",
        "GITHUB_TOKEN": "canary",
        "LD_PRELOAD": "canary",
        "PATH": "canary",
        "HOME": "canary",
    }
    env = resolver_environment(given, tmp_path)
    assert "canary" not in env.values()
    assert env["UV_DEFAULT_INDEX"] == "http://i/simple" and env["UV_INDEX"] == "http://j/simple"
    assert env["UV_FIND_LINKS"] == "/wheels" and env["HTTPS_PROXY"] == "http://p" and env["no_proxy"] == "x"
    assert env["HOME"] == str(tmp_path)


@pytest.fixture
async def index():
    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=503)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", broken)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield {"UV_DEFAULT_INDEX": f"http://127.0.0.1:{port}/simple", "UV_HTTP_RETRIES": "0"}
    await runner.cleanup()
