"""Repositories on GitHub: made once, adopted when ours, refused when not."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from executor.adapters.github import Github
from executor.errors import Conflict, Permanent, Transient
from tests.fakes.github import TOKEN, FakeGitHub

NAME = "droplet-13-library"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[FakeGitHub]:
    (tmp_path / "hub").mkdir()
    async with FakeGitHub(tmp_path / "hub") as fake:
        yield fake


@pytest.fixture
async def github(hub: FakeGitHub) -> AsyncIterator[Github]:
    async with aiohttp.ClientSession() as session:
        yield of(session, hub)


def of(session: aiohttp.ClientSession, hub: FakeGitHub, **other: str) -> Github:
    given = {"owner": hub.owner, "token": TOKEN, "api_url": hub.url, **other}
    return Github(session, private=True, mark="executor-12", **given)


@pytest.mark.parametrize(
    ("kind", "path"), [("Organization", "/orgs/fullpotential-ai/repos"), ("User", "/user/repos")]
)
async def test_a_repository_is_made_for_an_organisation_or_a_user_and_found_again(hub, github, kind, path):
    hub.kind = kind
    made = await github.create(NAME, "Keeps books")
    assert f"POST {path} {NAME}" in hub.calls
    assert hub.repositories[NAME]["private"] is True
    assert await github.find(NAME) == made


async def test_r3_a_repository_whose_reply_was_lost_is_adopted(hub, github, ledger):
    hub.drop_next = {"create"}
    with pytest.raises(Transient):
        await github.create(NAME, "Keeps books")
    assert (await github.create(NAME, "Keeps books")).html_url.endswith(NAME)
    assert len(hub.repositories) == 1
    ledger.tried("lost replies of GitHub")


async def test_r3_a_foreign_repository_is_refused_and_left_alone(hub, github, ledger):
    hub.add(NAME, "somebody's own")
    for call in (github.find(NAME), github.create(NAME, "Keeps books")):
        with pytest.raises(Conflict) as refused:
            await call
        assert refused.value.code == "REPOSITORY_TAKEN"
        ledger.tried("names and numbers that are somebody else's")
    assert hub.repositories[NAME]["description"] == "somebody's own"


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (500, {}, Transient),
        (503, {"Retry-After": "7"}, Transient),
        (429, {}, Transient),
        (401, {}, Permanent),
        (403, {}, Permanent),
        (451, {}, Permanent),
        (301, {}, Conflict),
    ],
)
async def test_what_github_answers_says_what_to_do_next_and_never_the_token(
    hub, github, status, headers, kind
):
    hub.status, hub.headers = status, headers
    with pytest.raises(kind) as error:
        await github.find(NAME)
    assert TOKEN not in str(error.value)
    assert error.value.hint


@pytest.mark.parametrize(
    ("status", "headers", "message", "wait"),
    [
        (403, {"Retry-After": "77"}, "no", 77),
        (403, {}, "You have exceeded a secondary rate limit.", 60),
        (429, {"Retry-After": "30"}, "no", 30),
        (429, {"Retry-After": "soon"}, "no", 60),
        (503, {"Retry-After": "7"}, "no", 7),
    ],
)
async def test_a_limit_is_waited_for_as_long_as_github_asks(hub, github, status, headers, message, wait):
    hub.status, hub.headers, hub.message = status, headers, message
    with pytest.raises(Transient) as limit:
        await github.find(NAME)
    assert limit.value.retry_after == wait


@pytest.mark.parametrize("status", [403, 429])
async def test_a_limit_that_names_its_reset_is_waited_for_until_then(hub, github, status):
    reset = int(time.time()) + 10_000
    limits = {"X-RateLimit-Remaining": "0", "X-RateLimit-Limit": "60", "X-RateLimit-Reset": str(reset)}
    hub.status, hub.headers = status, limits
    with pytest.raises(Transient) as limit:
        await github.find(NAME)
    assert 9_000 < limit.value.retry_after <= 10_000


async def test_what_is_no_github_api_is_told(hub, github):
    hub.body = "<h1>Welcome to our proxy</h1>"
    with pytest.raises(Permanent, match="no GitHub API"):
        await github.find(NAME)


async def test_nothing_is_made_for_another_user_than_the_tokens_own(hub, github):
    hub.kind, hub.login = "User", "somebody-else"
    with pytest.raises(Permanent, match="somebody-else"):
        await github.create(NAME, "Keeps books")
    assert hub.repositories == {}


async def test_a_token_without_the_right_to_make_repositories_is_told(hub, github):
    hub.may_create = False
    with pytest.raises(Permanent) as refused:
        await github.create(NAME, "Keeps books")
    assert refused.value.code == "GITHUB_TOKEN_REFUSED"


async def test_a_purpose_of_any_text_leaves_a_description_that_carries_the_mark(hub, github):
    await github.create(NAME, "Keeps\n books\x07 " + "and more " * 100)
    description = hub.repositories[NAME]["description"]
    assert description.startswith("Keeps books and more")
    assert description.isprintable()
    assert description.endswith("[executor-12]")
    assert len(description) <= 350


async def test_a_push_address_that_would_show_the_token_on_its_way_is_refused(tmp_path):
    async with (
        FakeGitHub(tmp_path, tls=own_certificate(tmp_path)) as hub,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
    ):
        with pytest.raises(Permanent, match="nothing was pushed"):
            await of(session, hub).create(NAME, "Keeps books")


def own_certificate(directory: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=36500))
    der = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    kept = directory / "hub.pem"
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    kept.write_bytes(private + der.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(kept)
    return context


async def test_an_owner_that_nobody_knows_is_named(hub):
    async with aiohttp.ClientSession() as session:
        with pytest.raises(Permanent, match="nobody-at-all"):
            await of(session, hub, owner="nobody-at-all").create(NAME, "x")


async def test_a_github_that_is_away_is_waited_for(hub):
    async with aiohttp.ClientSession() as session:
        with pytest.raises(Transient):
            await of(session, hub, api_url="http://127.0.0.1:9").find(NAME)
