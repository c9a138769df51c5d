"""The pages beside the builds: a new one, what they cost, what they made, how the daemon fares."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from executor.web.session import COOKIE
from tests.web.conftest import Site, serving

CHANNELS = {"slack": "", "email": "[notify.email]"}


class Person:
    """Somebody at a browser: keeps the session's cookie and the form's hidden fields."""

    def __init__(self, site: Site, client: aiohttp.ClientSession) -> None:
        self._site = site
        self._client = client
        self.hidden: dict[str, str] = {}
        self._cookie = ""

    async def look(self, path: str) -> str:
        headers = {"Cookie": self._cookie} if self._cookie else {}
        async with self._client.get(self._site.url + path, headers=headers) as reply:
            assert reply.status == 200
            if found := reply.cookies.get(COOKIE):
                self._cookie = f"{COOKIE}={found.value}"
            text = await reply.text()
        self.hidden = (
            dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', text)) or self.hidden
        )
        return text

    async def send(self, path: str, **fields: str) -> tuple[int, str, str]:
        data = {**self.hidden, **{name.replace("__", "."): value for name, value in fields.items()}}
        headers = {"Cookie": self._cookie, "Origin": self._site.url}
        async with self._client.post(
            self._site.url + path, data=data, headers=headers, allow_redirects=False
        ) as reply:
            return reply.status, await reply.text(), reply.headers.get("Location", "")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path, api={"channels": CHANNELS}) as running:
        yield running


@pytest.fixture
async def person(site: Site) -> AsyncIterator[Person]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield Person(site, client)


async def test_a_build_is_previewed_then_started_from_the_form(site, person):
    await person.look("/new")
    fields = {
        "intent": "Build Library Droplet for books",
        "mode": "final",
        "channel__email": "on",
        "budget_usd": "5",
    }
    status, text, _ = await person.send("/new", do="preview", **fields)
    assert status == 200
    assert "This would be built" in text and "build-13-library" in text
    assert "--mode final --budget 5.0 --notify email" in text
    assert (await site.world.store.builds.page()).builds == ()
    status, _, place = await person.send("/new", do="start", **fields)
    assert (status, place.startswith("/builds/build-13-library-")) == (303, True)
    build = await site.world.store.builds.get(place.rsplit("/", 1)[1])
    assert (build.approval_mode, build.notify_channels, build.budget_usd) == ("final", ("email",), 5.0)


async def test_a_form_that_is_sent_twice_starts_one_build(site, person):
    await person.look("/new")
    fields = {"intent": "Build Library Droplet for books", "mode": "auto"}
    first, second = await person.send("/new", **fields), await person.send("/new", **fields)
    assert (first[0], first[2]) == (second[0], second[2])
    assert len((await site.world.store.builds.page()).builds) == 1


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("intent", "", "architect_intent-problem"),
        ("droplet_id", "many", "a whole number is expected"),
        ("budget_usd", "a lot", "a number of dollars is expected"),
        ("droplet_name", "Not A Name!", "droplet_name-problem"),
        ("channel__pigeon", "on", "no such channel"),
    ],
)
async def test_what_is_wrong_is_said_beside_its_field_and_nothing_typed_is_lost(
    site, person, field, value, said
):
    await person.look("/new")
    fields = {"intent": "Build Library Droplet for books", "mode": "auto", "budget_usd": "7", field: value}
    status, text, _ = await person.send("/new", **fields)
    assert status == 400
    assert said in text
    if field != "intent":
        assert "Build Library Droplet for books</textarea>" in text
    assert (await site.world.store.builds.page()).builds == ()


async def test_a_form_of_another_session_starts_nothing(site, person):
    await person.look("/new")
    stranger = Person(site, person._client)
    await stranger.look("/new")
    stranger.hidden["csrf"] = person.hidden["csrf"]
    status, _, _ = await stranger.send("/new", intent="Build Library Droplet", mode="auto")
    assert status == 403
    assert (await site.world.store.builds.page()).builds == ()


async def test_costs_say_in_a_table_what_the_chart_shows(site, person):
    assert "No build yet" in await person.look("/costs")
    build = await site.world.submit()
    await site.world.until(build.id)
    text = await person.look("/costs")
    assert re.search(r'<td class="num">1</td><td class="num">1</td><td class="num">\$0.00</td>', text)
    assert re.search(r'data-series="\[\[\d+\], \[0(\.0)?\], \[1\]\]"', text)
    assert "1 of 1 (100 %)" in text


async def test_droplets_and_health_are_shown(site, person):
    assert "No droplet has been deployed yet" in await person.look("/droplets")
    text = await person.look("/system")
    assert "not configured" in text and "[notify.email]" in text and "takes work" in text
