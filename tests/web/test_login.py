"""The page's sessions: the token against a cookie, kept over restarts, no use without its CSRF token."""

from __future__ import annotations

import time

import pytest

from executor.web.session import COOKIE, Sessions
from tests.web.conftest import Serving, Site

TOKEN = "correct-horse-battery-staple"
KEY = b"k" * 32
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HTML = {"Accept": "text/html"}


async def login(site: Site, token: str = TOKEN, place: str = "/") -> tuple[int, str, str]:
    data = {"token": token, "next": place}
    async with site.client.post(f"{site.url}/login", data=data, allow_redirects=False) as reply:
        cookie = reply.headers.get("Set-Cookie", "")
        return reply.status, reply.headers.get("Location", ""), cookie


async def status(site: Site, method: str, path: str, session: str, **headers: str) -> int:
    sent = {"Cookie": f"{COOKIE}={session}", **headers}
    async with site.client.request(method, f"{site.url}{path}", headers=sent, allow_redirects=False) as reply:
        return reply.status


async def test_a_person_without_a_session_is_sent_to_the_login_and_from_there_to_the_page(serve: Serving):
    async with serve(server={"token": TOKEN}) as site:
        async with site.client.get(f"{site.url}/builds/x", headers=HTML, allow_redirects=False) as reply:
            assert (reply.status, reply.headers["Location"]) == (303, "/login?next=/builds/x")
        code, place, cookie = await login(site, place="/builds/x")
        assert (code, place) == (303, "/builds/x")
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", ""])
async def test_the_login_leads_nowhere_else(serve: Serving, place: str):
    async with serve(server={"token": TOKEN}) as site:
        assert (await login(site, place=place))[1] == "/"


async def test_a_wrong_token_is_refused_and_the_eleventh_has_to_wait(serve: Serving):
    async with serve(server={"token": TOKEN}) as site:
        tries = [await login(site, "wrong") for _ in range(11)]
        assert [code for code, _, _ in tries] == [401] * 10 + [429]
        assert not any(cookie for _, _, cookie in tries)
        assert (await login(site))[0] == 429


async def test_a_session_reads_all_and_changes_the_api_only_with_its_csrf_token(serve: Serving):
    async with serve(server={"token": TOKEN}, api={"state_key": KEY}) as site:
        sessions = Sessions(KEY, TOKEN)
        session = sessions.begin()
        for path in ("/", "/executor/builds", "/metrics"):
            assert await status(site, "GET", path, session) == 200
        path = "/executor/builds/none/retry"
        assert await status(site, "POST", path, session) == 401
        assert await status(site, "POST", path, session, **{"X-CSRF-Token": "no"}) == 401
        assert await status(site, "POST", path, session, **{"X-CSRF-Token": sessions.csrf(session)}) == 404
        assert await status(site, "POST", "/logout", session, **FORM) == 403


async def test_a_forged_old_or_foreign_session_is_none(serve: Serving):
    async with serve(server={"token": TOKEN}, api={"state_key": KEY}) as site:
        old = Sessions(KEY, TOKEN, clock=lambda: time.time() - 31 * 24 * 3600).begin()
        good = Sessions(KEY, TOKEN).begin()
        foreign = (Sessions(b"o" * 32, TOKEN).begin(), Sessions(KEY, "").begin())
        for session in ("", "x", good[:-1] + "z", old, *foreign):
            assert await status(site, "GET", "/executor/builds", session) == 401
        assert await status(site, "GET", "/executor/builds", good) == 200


async def test_logging_out_takes_the_sessions_own_form(serve: Serving):
    async with serve(server={"token": TOKEN}, api={"state_key": KEY}) as site:
        sessions = Sessions(KEY, TOKEN)
        session = sessions.begin()
        async with site.client.post(
            f"{site.url}/logout",
            data={"csrf": sessions.csrf(session)},
            headers={"Cookie": f"{COOKIE}={session}"},
            allow_redirects=False,
        ) as reply:
            assert reply.status == 303
            assert "Max-Age=0" in reply.headers["Set-Cookie"] or "expires" in reply.headers["Set-Cookie"]
