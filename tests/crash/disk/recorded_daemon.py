"""A real daemon under the recorder: orders, cancellations and events that it acknowledges, a stop, a kill."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from tests.acceptance.daemon import RealDaemon
from tests.crash.disk.recorder import Operation, acknowledge, compiled, operations, preload

ORDERS, LATER_ORDERS, CANCELLED = 24, 12, 8


def recorded(home: Path) -> list[Operation]:
    """Run two lives of a daemon, the second ended by SIGKILL; return what they did and acknowledged."""
    log, state = home / "disk.log", home / ".executor"
    env = preload(compiled(home), state, log)
    daemon = RealDaemon(
        home,
        FPAI_BUILDS__MAX_CONCURRENT="2",
        FPAI_STATE__BACKUP_EVERY="1",
        FPAI_MODEL__PROVIDER="scaffold",
        **env,
    )
    try:
        daemon.start()
        followed = _order(daemon, log, ORDERS)
        _follow(daemon, log, followed[0], seconds=5.0)
        for build_id in followed[-CANCELLED:]:
            status, told = daemon.call("DELETE", f"/executor/builds/{build_id}")
            assert status == 200, told
            acknowledge(log, json.dumps({"cancelled": build_id}))
        assert daemon.terminate() == 0
        daemon.start()
        _order(daemon, log, LATER_ORDERS, first=ORDERS)
        daemon.kill()
        return operations(log, state)
    finally:
        daemon.clean_up()


def _order(daemon: RealDaemon, log: Path, count: int, first: int = 0) -> list[str]:
    made = []
    for number in range(first, first + count):
        body = {"architect_intent": f"Build Shelf{number} Droplet that stores books with title and year"}
        status, answer = daemon.call("POST", "/executor/build-droplet", body)
        assert status == 202, answer
        acknowledge(log, json.dumps({"submitted": answer["build_id"]}))
        made.append(answer["build_id"])
    return made


def _follow(daemon: RealDaemon, log: Path, build_id: str, seconds: float) -> None:
    """Acknowledge what the build's stream tells, for so long."""
    reader = threading.Thread(target=_read, args=(daemon.url, build_id, log, time.monotonic() + seconds))
    reader.start()
    reader.join()


def _read(url: str, build_id: str, log: Path, until: float) -> None:
    address = f"{url}/executor/builds/{build_id}/events"
    request = urllib.request.Request(address, headers={"accept": "text/event-stream"})
    with suppress(OSError, HTTPException), urllib.request.urlopen(request, timeout=5) as stream:
        for line in stream:
            if line.startswith(b"id: "):
                acknowledge(log, json.dumps({"event": [build_id, int(line[4:])]}))
            if time.monotonic() > until:
                return
