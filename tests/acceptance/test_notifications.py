"""People are told through kills and outages: nothing is lost, nothing comes twice without its mark."""

from __future__ import annotations

import asyncio
import random
import re
import threading
import time
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.daemon import RealDaemon, free_port
from tests.fakes.mail import FakeMailServer
from tests.fakes.receiver import FakeReceiver

KILLS = 6
TOLD = ["build.gate_opened", "build.decided", "build.completed"]


class Receiving:
    """The fake receiver in a thread of its own, since a daemon's test blocks."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self.receiver = FakeReceiver()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> FakeReceiver:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.receiver.__aenter__(), self._loop).result(10)
        return self.receiver

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.receiver.__aexit__(None, None, None), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def receiver() -> Iterator[FakeReceiver]:
    with Receiving() as receiver:
        yield receiver


@pytest.fixture
def mail() -> Iterator[FakeMailServer]:
    with FakeMailServer() as server:
        yield server


def daemon_telling(home: Path, webhook: str, mail_port: int) -> RealDaemon:
    (home / "executor.toml").write_text(
        f'[notify.ops]\nkind = "webhook"\nurl = "{webhook}/hook"\n'
        f'[notify.email]\nkind = "email"\nhost = "127.0.0.1"\nport = {mail_port}\ntls = "none"\n'
        'sender = "fpai@example.org"\nto = ["a@example.org"]\n'
    )
    return RealDaemon(home, WEBHOOK_SECRET_OPS="a secret of the test")


def heard(receiver: FakeReceiver) -> list[tuple[str, str, bool]]:
    return [
        (one.headers["webhook-id"], one.body["type"], one.body["data"].get("repeat", False))
        for one in receiver.heard
    ]


def until_told(receiver: FakeReceiver, mail: FakeMailServer) -> None:
    """A try that a kill cut off comes again after a minute, and what follows it in its channel waits for it."""
    until = time.monotonic() + 240
    while True:
        kinds = [kind for _, kind, _ in heard(receiver)]
        subjects = [message["Subject"] for message in mail.box.taken]
        if "build.completed" in kinds and any("Build Complete" in subject for subject in subjects):
            return
        assert time.monotonic() < until, (kinds, subjects)
        time.sleep(0.1)


def test_kills_at_random_lose_no_notice_and_every_possible_repeat_is_marked(tmp_path, receiver, mail):
    daemon, chance = daemon_telling(tmp_path, receiver.url, mail.port), random.Random(5)
    try:
        daemon.start()
        build = daemon.build(
            "Build a droplet that stores cards", approval_mode="final", notify_channels=["ops", "email"]
        )
        for _ in range(KILLS):
            time.sleep(chance.random() * 2.5)
            daemon.kill()
            daemon.start()
        daemon.until(build, "waiting_approval")
        assert daemon.call("POST", f"/executor/builds/{build}/approve", {})[0] == 200
        for _ in range(KILLS // 2):
            time.sleep(chance.random())
            daemon.kill()
            daemon.start()
        assert daemon.until(build, "complete")["status"] == "complete"
        until_told(receiver, mail)
        time.sleep(1.0)
    finally:
        daemon.clean_up()
    seen: dict[str, list[bool]] = defaultdict(list)
    order = []
    for key, kind, repeat in heard(receiver):
        order += [kind] if key not in seen else []
        seen[key].append(repeat)
    assert order == TOLD
    assert all(all(repeats[1:]) for repeats in seen.values()), seen
    subjects = [message["Subject"] for message in mail.box.taken]
    assert len([subject for subject in subjects if "repeat?" not in subject]) <= 2
    assert {"Approval Needed", "Build Complete"} == {
        words for subject in subjects for words in ("Approval Needed", "Build Complete") if words in subject
    }


def test_a_mail_is_approved_from_its_link_and_a_channel_that_is_down_delays_nothing(tmp_path, mail):
    daemon = daemon_telling(tmp_path, f"http://127.0.0.1:{free_port()}", mail.port)
    try:
        daemon.start()
        build = daemon.build(
            "Build a droplet that stores cards", approval_mode="final", notify_channels=["ops", "email"]
        )
        daemon.until(build, "waiting_approval")
        until = time.monotonic() + 30
        while not mail.box.taken and time.monotonic() < until:
            time.sleep(0.1)
        text = mail.box.taken[0].get_body(("plain",)).get_content()
        link = daemon.url + re.search(r"/a/[\w.-]+", text)[0]
        for _ in range(3):
            with urllib.request.urlopen(link) as page:
                assert b"Approve" in page.read()
        assert daemon.status(build)["status"] == "waiting_approval"
        form = urllib.parse.urlencode({"decision": "approve"}).encode()
        with urllib.request.urlopen(link, data=form) as page:
            assert b"Approved." in page.read()
        assert daemon.until(build)["status"] == "complete"
        log = [event["data"].get("by") for event in daemon.get(f"/executor/builds/{build}/events")]
        assert "mail:a@example.org" in log
    finally:
        daemon.clean_up()
