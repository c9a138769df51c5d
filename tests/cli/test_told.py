"""status and watch say whom a build has told, and whom not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.cli import documents

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_status_says_who_was_told_what_and_who_not(served: Any, run: Run) -> None:
    build = served.fake.add(documents.make_build(1, status="complete"))["build_id"]
    served.fake.notices[build] = [
        documents.notice("slack", about="build.gate_opened"),
        documents.notice("slack"),
        documents.notice("email", "given_up", reason="The server refuses \x1b[31mthe address."),
        documents.notice("ops", "waiting", reason="no answer", next_try_at="2026-11-14T12:41:00Z"),
    ]
    shown = run("status").stdout
    assert "✓ slack was told that it is complete at 2026-11-14" in shown
    assert "waits for a decision at" not in shown, "only the newest of a channel is of use"
    assert "! email was not told that it is complete: The server refuses [31mthe address." in shown
    assert "◌ ops has not been told that it is complete yet: no answer; tried again at" in shown


def test_watch_waits_a_moment_for_the_notice_of_the_end(served: Any, run: Run) -> None:
    build = served.fake.add(documents.make_build(1, status="complete"))["build_id"]
    served.fake.notices[build] = [documents.notice("slack", "waiting")]
    reads: list[int] = []

    def told_at_the_second_look() -> None:
        reads.append(1)
        if len(reads) == 2:
            served.fake.notices[build] = [documents.notice("slack")]

    served.fake.on_notices = told_at_the_second_look
    done = run("watch", build)
    assert done.returncode == 0 and "✓ slack was told" in done.stdout
    assert len(reads) == 2


def test_a_daemon_without_that_route_shows_the_rest(served: Any, run: Run) -> None:
    served.fake.add(documents.make_build(1, status="complete"))

    def unknown() -> None:
        raise web.HTTPNotFound

    served.fake.on_notices = unknown
    done = run("status")
    assert done.returncode == 0 and "complete" in done.stdout
