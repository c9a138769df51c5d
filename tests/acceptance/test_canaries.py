"""Every secret is a canary; everybody says it back; and afterwards it is nowhere."""

from __future__ import annotations

import base64
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from executor.sandbox.places import Places
from tests.acceptance.canaries import Canaries, ProcessWatch, core
from tests.acceptance.hostile_world import CORES, SECRETS, World, hostile_world
from tests.acceptance.test_with_a_model import SNOOP
from tests.proof.ledger import Ledger
from tests.proof.scale import scaled

THREAT = "secrets in logs, git and prompts"
# git asks its helper for the token, and the helper has it of that one call's environment (design: GIT_ASKPASS).
GIVEN_TO_GIT = re.compile(rb"FPAI_PUSH_TOKEN=[^\0]*")
PAGES = ("/", "/builds/{build_id}", "/new", "/costs", "/droplets", "/system", "/login")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    home = tmp_path / "home"
    home.mkdir()
    with hostile_world(home, tmp_path, SNOOP) as made:
        try:
            yield made
        finally:
            made.daemon.clean_up()


def test_no_secret_is_anywhere_after_a_build_among_services_that_say_it_back(
    world: World, ledger: Ledger
) -> None:
    with ProcessWatch(world.canaries, os.fsencode(world.daemon.fpai), GIVEN_TO_GIT) as watch:
        world.daemon.start()
        build = _built(world)
        _asked_for_everything(world, build)
    _told(world)
    world.canaries.search_database(
        world.daemon.state_dir / "executor.db"
    )  # in use: the log in front of it, too
    assert world.daemon.terminate() == 0
    _left_behind(world)
    assert not world.canaries.found, sorted(set(world.canaries.found))
    assert len(watch.seen) > 20
    _enough_was_said(world)
    ledger.tried("places searched for a secret", world.canaries.searched, threat=THREAT)
    ledger.tried("secrets that are canaries", len(CORES), threat=THREAT)


def _built(world: World) -> str:
    """A build that the model API, GitHub, the registry and the mail server first refuse, and then let go on."""
    daemon = world.daemon
    build = daemon.build(
        "Build a Greeter droplet that greets people by name",
        budget_usd=5,
        notify_channels=["ops", "email", "slack"],
    )
    listener = threading.Thread(target=_listen, args=(world, build), daemon=True)
    listener.start()
    ended = daemon.until(build, "failed", "complete", "waiting_input", seconds=240)
    assert ended["status"] == "failed", ended
    world.hub.status = 0
    for _ in range(3):
        assert daemon.call("POST", f"/executor/builds/{build}/retry", {})[0] == 200
        if daemon.until(build, "failed", "complete", seconds=240)["status"] == "complete":
            break
    events = [event["message"] for event in daemon.get(f"/executor/builds/{build}/events")]
    assert daemon.status(build)["status"] == "complete", "\n".join(events[-25:])
    listener.join(20)
    return build


def _listen(world: World, build: str) -> None:
    """Everything that the event stream and the live page say while the build runs."""
    heard = b""
    request = urllib.request.Request(f"{world.daemon.url}/live/builds/{build}")
    request.add_header("Authorization", f"Bearer {SECRETS['FPAI_SERVER__TOKEN']}")
    with suppress(OSError, TimeoutError), urllib.request.urlopen(request, timeout=60) as stream:
        until = time.monotonic() + 200
        while time.monotonic() < until and (line := stream.readline()):
            heard += line
            if b"complete" in line:
                break
    assert len(heard) > 1000
    world.canaries.search("the live page", heard)


def _asked_for_everything(world: World, build: str) -> None:
    """Every GET route, some refusals, and what the command line prints."""
    daemon, search = world.daemon, world.canaries.search
    described = daemon.get("/openapi.json")["paths"]
    paths = {path for path, methods in described.items() if "get" in methods and "/live/" not in path}
    for path in sorted(paths | set(PAGES)):
        status, body = daemon.call("GET", path.replace("{build_id}", build))
        search(f"GET {path} {status}", str(body))
    for path in (f"/executor/builds/{build}/events", f"/executor/builds/{build}/log?limit=5000"):
        search(f"GET {path}", str(daemon.get(path)))
    wav = urllib.request.Request(f"{daemon.url}/executor/voice", data=b"RIFF" * 100)
    refusals = [
        daemon.call("POST", "/hooks/slack", {"payload": "x"}, {"X-Slack-Signature": "v0=00"}),
        daemon.call("POST", "/executor/build-droplet", {"architect_intent": "", "token": "x"}),
        daemon.call("GET", "/executor/builds", headers={"Authorization": "Bearer wrong"}),
    ]
    for status, body in refusals:
        assert status >= 400
        search(f"a refusal {status}", str(body))
    wav.add_header("Content-Type", "audio/wav")
    wav.add_header("Authorization", f"Bearer {SECRETS['FPAI_SERVER__TOKEN']}")
    with pytest.raises(urllib.error.HTTPError) as away:
        urllib.request.urlopen(wav, timeout=20)
    search("a refusal to hear", away.value.read())
    verbs = [["logs", build], ["config", "show"], ["doctor"], ["status", build], ["cost", "--history"]]
    for words in verbs[: scaled(2, len(verbs))]:
        done = daemon.cli(*words, check=False)
        search(f"fpai {words[0]}", done.stdout + done.stderr)


def _told(world: World) -> None:
    """What the daemon told others, apart from the header that lets it in."""
    search = world.canaries.search
    for number, asked in enumerate(world.model.requests):
        search(f"prompt {number}", str(asked.body))
    for body in world.echo.bodies:
        search("a message", body)
    for method, path, body in world.registry.requests:
        search(f"registry {method} {path}", f"{path} {body}")
    world.canaries.search_mails(world.mail.box.taken)
    search("GitHub", f"{world.hub.calls} {world.hub.repositories}")
    for repository in world.hub.directory.glob("*.git"):
        world.canaries.search_repository(repository)


def _left_behind(world: World) -> None:
    """The state directory with databases, backups and repositories; workspaces and releases; the log."""
    state, search = world.daemon.state_dir, world.canaries
    backups = list(state.glob("backups/*.db"))
    assert backups
    for database in [state / "executor.db", *backups]:
        search.search_database(database)
    for repository in state.glob("repositories/*.git"):
        search.search_repository(repository)
    search.search_files(world.daemon.home)
    search.search_files(Places.of(state).root)


def _enough_was_said(world: World) -> None:
    """Each of them did say a secret back, and what is hidden shows where."""
    log = world.daemon.log.read_text()
    assert world.canaries.read > 1_000_000
    assert {path.split("/")[1] for path in world.echo.paths} >= {
        "hook",
        "slack",
        "orchestrator",
        "voice",
        "telemetry",
    }
    assert world.mail.box.taken
    assert "[redacted]" in log


PLANTED = {
    "plain": lambda s: s,
    "URL-quoted": lambda s: urllib.parse.quote(s, safe=""),
    "hex": lambda s: s.encode().hex(),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 of a login": lambda s: base64.b64encode(b"x-access-token:" + s.encode()).decode(),
    "wrapped base64": lambda s: base64.encodebytes(b"y" * 40 + s.encode()).decode(),
    "base64url": lambda s: base64.urlsafe_b64encode(b"?" + s.encode()).decode(),
    "JSON": lambda s: f'{{"key": "{s}"}}',
    "its beginning": lambda s: s[: len(s) // 2 + 3],
    "its end": lambda s: s[-(len(s) // 2 + 3) :],
    "unicode escapes": lambda s: "".join(f"\\u{ord(c):04x}" for c in s),
}
SECRET = core("planted")


@pytest.fixture
def searched() -> Canaries:
    return Canaries({"planted": SECRET})


@pytest.mark.parametrize("how", PLANTED)
def test_the_search_finds_a_secret_that_was_planted_in_an_encoding(searched, how, ledger):
    searched.search("there", f"before {PLANTED[how](SECRET)} after")
    assert searched.found, how
    ledger.tried("secrets planted and found", threat=THREAT)


def test_the_search_finds_nothing_where_nothing_is(searched):
    searched.search("there", Path(__file__).read_bytes() + os.urandom(1 << 16))
    assert searched.found == []


def test_the_search_finds_a_secret_in_files_their_names_and_links(searched, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"\xff\x00" + SECRET.encode())
    (tmp_path / "a" / SECRET).mkdir()
    (tmp_path / "a" / "link").symlink_to(f"/nowhere/{SECRET}")
    searched.search_files(tmp_path)
    assert {Path(where).name for _, how, where in searched.found if how == "plain"} == {
        "file",
        "a",
        "link",
        SECRET,
    }


@pytest.mark.parametrize("place", ["row", "blob", "deleted", "wal"])
def test_the_search_finds_a_secret_in_a_database(searched, tmp_path, place):
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE kept (value)")
        database.execute("INSERT INTO kept VALUES (?)", (SECRET.encode() if place == "blob" else SECRET,))
        if place == "deleted":
            database.execute("DELETE FROM kept")
        if place != "wal":
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        searched.search_database(path)
    assert searched.found


@pytest.mark.parametrize("packed", [False, True])
def test_the_search_finds_a_secret_in_the_objects_of_git(searched, tmp_path, packed):
    def git(*words: str) -> str:
        argv = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    git("init", "-q")
    (tmp_path / "file").write_text(f"first\n{SECRET}\n" * 50)
    git("add", "file")
    git("commit", "-qm", "one")
    if packed:
        git("gc", "-q")
    (tmp_path / "file").unlink()
    searched.search_repository(tmp_path / ".git")
    assert [where for _, _, where in searched.found if "blob" in where]


@pytest.mark.parametrize("where", ["words", "environment"])
def test_the_watch_sees_a_secret_that_a_process_is_given(searched, where):
    excused = re.compile(rb"ON_PURPOSE=[^\0]*")
    argv = [sys.executable, "-c", "input()", *([SECRET] if where == "words" else [])]
    env = {"ON_PURPOSE": core("another"), **({"KEY": SECRET} if where == "environment" else {})}
    with (
        ProcessWatch(searched, os.fsencode(Path(sys.executable).with_name("fpai")), excused) as watch,
        subprocess.Popen(argv, env=env, stdin=subprocess.PIPE) as process,
    ):
        until = time.monotonic() + 20
        while not searched.found and time.monotonic() < until:
            time.sleep(0.01)
        process.communicate(b"\n")
    assert searched.found
    assert len(watch.seen) >= 1
