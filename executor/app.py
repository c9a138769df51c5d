"""The daemon as a process: lock, socket, server, signals, systemd, exit codes (interfaces.md, CLI)."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import aiohttp
import uvicorn
import uvloop
from starlette.applications import Starlette

from executor import __version__, logs  # logs first: with it, structlog comes without rich
from executor.agent.model_watch import ModelWatch
from executor.assembly import Daemon, assembled
from executor.channels import known_channels
from executor.collector import collect_for_long_lives
from executor.engine.requests import SubmitRequest
from executor.errors import ExecutorError, Unavailable
from executor.outside import Outside
from executor.redaction import Redactor
from executor.sd_notify import Notifier
from executor.settings import Configuration, ConfigurationError, forget_secrets, load
from executor.state_key import state_key
from executor.state_lock import StateHeld, StateLock, StateNotWritable
from executor.store.database import Database
from executor.store.migrate import NewerSchema
from executor.store.rescue import DamagedDatabase, describe
from executor.web.api import Api, Dependency, Watchers
from executor.web.app import create_app
from executor.web.doorway import Doorway, open_files_for
from executor.web.listener import CheckedConnection, FrameConnection

log = logs.get_logger(__name__)
OK, PORT_TAKEN, NOT_WRITABLE, DAMAGED, HELD, BAD_CONFIGURATION = 0, 69, 73, 74, 75, 78
_GRACE_SECONDS = 4
_TICK_SECONDS = 1.0
_STATUS_SECONDS = 10.0
"""A drain checkpoints and exits within 10 s (trust.md, R9); open connections get less than half of it."""


class ListenRefused(ExecutorError):
    """The address is taken (exit code 69)."""

    code = "PORT_TAKEN"


_EXIT_CODES: tuple[tuple[type[ExecutorError], int], ...] = (
    (ListenRefused, PORT_TAKEN),
    (StateNotWritable, NOT_WRITABLE),
    (Unavailable, NOT_WRITABLE),
    (DamagedDatabase, DAMAGED),
    (StateHeld, HELD),
    (ConfigurationError, BAD_CONFIGURATION),
    (NewerSchema, BAD_CONFIGURATION),
)


def serve(config: Path | None = None, host: str | None = None, port: int | None = None) -> int:
    """Run the daemon until SIGTERM or SIGINT; returns the exit code.

    0 after a drain, 69 when the port is taken, 73 when the state directory cannot be written, 74 when the
    database is damaged (the next start restores its newest backup, if one is sound), 75 when another daemon
    holds the state directory, 78 for a configuration that cannot be used.
    """
    environ = dict(os.environ)
    if host:
        environ["FPAI_SERVER__HOST"] = host
    if port is not None:
        environ["FPAI_SERVER__PORT"] = str(port)
    try:
        configuration = load(config, environ)
        forget_secrets(os.environ)
        redactor = logs.configure(configuration.secret_values)
        with StateLock(configuration.state_dir, configuration.base_url):
            listener = _listen(configuration)
            return run(configuration, redactor, listener)
    except ExecutorError as error:
        print(f"fpai serve: {error}", file=sys.stderr)
        return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 1)


def _listen(configuration: Configuration) -> socket.socket:
    server = configuration.settings.server
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((server.host, server.port))
    except OSError as error:
        listener.close()
        reason = "is taken by another program" if error.errno == errno.EADDRINUSE else str(error.strerror)
        raise ListenRefused(
            f"{server.host}:{server.port} {reason}.",
            hint="Stop that program, or choose another [server] port (FPAI_SERVER__PORT).",
        ) from error
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def run(
    configuration: Configuration,
    redactor: Redactor,
    listener: socket.socket,
    *,
    outside: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, Outside]] | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
) -> int:
    """Serve on the listening socket until a signal, then drain; returns 0, or 74 for a damaged database.

    `outside` replaces the real world.
    """
    stopping = _Stopping()
    # uvicorn raises the signal again once it has shut down; a drained daemon exits with 0 instead.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopping.heard)
    collect_for_long_lives()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(_serve(configuration, redactor, listener, stopping, outside))


class _Stopping:
    """Whether a signal came outside of uvicorn's own time: while the daemon starts, or once it drains."""

    def __init__(self) -> None:
        self.asked = False

    def heard(self, _: int, __: FrameType | None) -> None:
        self.asked = True


async def _serve(
    configuration: Configuration,
    redactor: Redactor,
    listener: socket.socket,
    stopping: _Stopping,
    outside: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, Outside]] | None,
) -> int:
    notifier = Notifier(os.environ)
    async with assembled(configuration, redactor.text, outside) as daemon:
        api = _api(configuration, daemon)
        door = Doorway(open_files_for(configuration.settings.server.max_connections))
        server = _Server(server_config(create_app(api), door), daemon, api)
        ticker = asyncio.create_task(_tell_systemd(notifier, daemon))
        pulse = asyncio.create_task(api.pulse.run())
        log.info(
            "ready",
            version=__version__,
            url=configuration.base_url,
            state_dir=str(configuration.state_dir),
            sqlite=sqlite3.sqlite_version,
            sandbox=daemon.sandbox.kind,
        )
        watcher = asyncio.create_task(_stop_when_damaged(daemon, server))
        if stopping.asked:
            server.leave()
        await server.serve(sockets=[listener])
        notifier.send(STOPPING="1", STATUS="draining")
        ticker.cancel()
        pulse.cancel()
        watcher.cancel()
        damaged = daemon.store.database.damaged.is_set()
    log.info("stopped")
    return DAMAGED if damaged else OK


def _api(configuration: Configuration, daemon: Daemon) -> Api:
    return Api(
        commands=daemon.commands,
        submit_request=SubmitRequest,
        store=daemon.store,
        bus=daemon.bus,
        live=daemon.live,
        settings=configuration.settings,
        base_url=configuration.base_url,
        version=__version__,
        started_at=time.time(),
        health_of=lambda release: daemon.keeper.health.get(release, "unknown"),
        dependencies=lambda: _dependencies(configuration, daemon),
        provider="anthropic" if configuration.has_model else "scaffold",
        state_key=state_key(configuration.state_dir),
        transcriber=daemon.transcriber,
        clicks=daemon.clicks,
        slack_signing_secret=configuration.secrets.get("SLACK_SIGNING_SECRET"),
        watchers=Watchers(configuration.settings.server.max_watchers),
        channels={name: configuration.missing_for(name) for name in known_channels(configuration)},
    )


def _dependencies(configuration: Configuration, daemon: Daemon) -> tuple[Dependency, ...]:
    walls = "unavailable" if daemon.sandbox.kind == "none" else "available"
    found = [Dependency("sandbox", "local", walls, impact="builds stop at the Verifier", required=True)]
    if daemon.store.rescue is not None:
        rescue = describe(daemon.store.rescue)
        impact = "what was done after {state_of} is not known here; the damaged file is {kept_at}"
        found.append(Dependency("database", "local", "available", impact=impact.format(**rescue)))
    if daemon.registry is not None:
        hidden = daemon.entries.own.warning if daemon.entries else ""
        found.append(
            Dependency(
                "registry",
                "http",
                daemon.registry.status,
                host=configuration.settings.registry.url,
                impact=f"builds wait at step 7 until it is back. {hidden}".strip(),
            )
        )
    if daemon.model is not None:
        found.append(_model_dependency(configuration, daemon.model))
    settings, around = configuration.settings, daemon.neighbours
    if around.orchestrator is not None:
        impact = "no orders come from it; builds go on"
        status, host = around.orchestrator.status, settings.orchestrator.url
        found.append(Dependency("orchestrator", "http", status, host=host, impact=impact))
    if around.feed is not None:
        impact = "it shows nothing new; builds go on"
        found.append(
            Dependency("dashboard", "http", around.feed.status, host=settings.dashboard.url, impact=impact)
        )
    return tuple(found)


def _model_dependency(configuration: Configuration, watch: ModelWatch) -> Dependency:
    model = configuration.settings.model
    refusal = watch.refusal(model.model)
    impact = refusal or " ".join(watch.warnings) or "builds wait in steps 2, 4 and 5 until it is back"
    status = "unavailable" if refusal else "available"
    host = model.base_url or "https://api.anthropic.com"
    return Dependency(f"model {model.model}", "http", status, host=host, impact=impact, required=True)


def server_config(app: Starlette, door: Doorway) -> uvicorn.Config:
    """How uvicorn serves the daemon; the bench serves its own worlds in the same way."""
    return uvicorn.Config(
        app,
        http=partial(CheckedConnection, doorway=door),  # type: ignore[arg-type]
        ws=FrameConnection,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        ws_max_size=64 << 10,
    )


class _Server(uvicorn.Server):
    """Not ready from the moment of the signal on, before any connection is closed."""

    def __init__(self, config: uvicorn.Config, daemon: Daemon, api: Api) -> None:
        super().__init__(config)
        self._daemon = daemon
        self._api = api
        self._loop = asyncio.get_running_loop()
        self._leaving = asyncio.Event()

    async def main_loop(self) -> None:
        """uvicorn's, once a second instead of ten times: an idle daemon sleeps; a signal ends the wait."""
        while not await self.on_tick(0):  # 0 renews the date header, which counts whole seconds
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), _TICK_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called in the loop's own thread when SIGTERM or SIGINT arrives."""
        self._daemon.live.draining = True
        self._api.watchers.nudge()
        super().handle_exit(sig, frame)
        self._loop.call_soon_threadsafe(self._leaving.set)

    def leave(self) -> None:
        """Drain without a signal."""
        self.handle_exit(signal.SIGTERM, None)


async def _tell_systemd(notifier: Notifier, daemon: Daemon) -> None:
    """READY, then a status line and watchdog pings; a ping proves the loop and a database write."""
    notifier.send(READY="1", STATUS="ready")
    while True:
        await asyncio.sleep(min(notifier.ping_seconds or _STATUS_SECONDS, _STATUS_SECONDS))
        counts = daemon.scheduler.counts()
        status = ", ".join(f"{number} {word}" for word, number in counts.items())
        fields = {"STATUS": status}
        if notifier.ping_seconds and await _database_writes(daemon.store.database):
            fields["WATCHDOG"] = "1"
        notifier.send(**fields)


async def _stop_when_damaged(daemon: Daemon, server: _Server) -> None:
    """Nothing that a damaged database says can be trusted; the next start restores its newest backup."""
    await daemon.store.database.damaged.wait()
    log.critical("stopping", reason="The database is damaged; the next start restores its newest backup.")
    server.leave()


async def _database_writes(database: Database) -> bool:
    now = time.time()
    try:
        await database.write(
            lambda c: (
                c.execute(
                    "INSERT INTO heartbeat VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at",
                    (now,),
                )
                and None
            )
        )
    except Unavailable as error:
        log.warning("watchdog_write_failed", reason=error.message)
        # A full disk is waited out, not restarted away: the loop lives, so the ping is deserved.
    return True
