"""A world in which everybody whom the daemon talks to says its secrets back, and the daemon that lives in it."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from tests.acceptance.canaries import Canaries, core
from tests.acceptance.daemon import RealDaemon
from tests.acceptance.greeter import greeter
from tests.fakes import github
from tests.fakes.echo import EchoServer, echoed, said_back
from tests.fakes.github import FakeGitHub
from tests.fakes.mail import FakeMailServer, certified
from tests.fakes.model import Fault, ScriptedModel, text, thought
from tests.fakes.registry import FakeRegistry

F = TypeVar("F", bound=Any)
USER = "executor"
SECRETS = {
    "ANTHROPIC_API_KEY": f"sk-ant-api03-{core('model')}-AA",
    "GITHUB_TOKEN": f"ghp_{core('github')}",
    "SLACK_BOT_TOKEN": f"xoxb-1-{core('bot')}",
    "SLACK_APP_TOKEN": f"xapp-1-{core('app')}",
    "SLACK_SIGNING_SECRET": core("signing"),
    "SMTP_PASSWORD": f"\"pass' & <{core('mail')}>/+=",
    "WEBHOOK_SECRET_OPS": f"whsec_{base64.b64encode(b'x' * 8).decode()[:8]}{core('webhook')}",
    "REGISTRY_TOKEN": f"reg.{core('registry')}==",
    "ORCHESTRATOR_TOKEN": f"{core('orchestrator')}/+=",
    "VOICE_API_KEY": f"voice_{core('voice')}",
    "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{core('telemetry')}",
    "FPAI_SERVER__TOKEN": f"door-{core('door')}",
}
"""One canary for each; the address of Slack's webhook is made when there is a Slack."""
OF_THE_ENVIRONMENT = frozenset({"ANTHROPIC_API_KEY", "GITHUB_TOKEN", "SMTP_PASSWORD", "FPAI_SERVER__TOKEN"})
"""The other secrets are systemd's credentials."""
CORES = {name: core(name) for name in (
    "model", "github", "bot", "app", "signing", "mail", "webhook", "registry", "orchestrator", "voice", "telemetry", "door",
    "slack webhook",
)}  # fmt: skip
_CONFIGURATION = """
[github]
owner = "fullpotential-ai"
api_url = "{hub}"
[registry]
url = "{registry}"
[orchestrator]
url = "{echo}/orchestrator"
heartbeat = "1s"
[voice]
url = "{echo}/voice"
[telemetry]
otlp_endpoint = "{echo}/telemetry"
[state]
backup_every = "2s"
[notify.slack]
kind = "slack"
channel = "#builds"
approvers = ["U1"]
api_url = "{echo}/slack/"
[notify.ops]
kind = "webhook"
url = "{echo}/hook"
[notify.email]
kind = "email"
host = "127.0.0.1"
port = {mail}
user = "{user}"
sender = "fpai@example.org"
to = ["a@example.org"]
"""


class GuardedDaemon(RealDaemon):
    """A daemon behind a token, asked by somebody who has it."""

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        token = {"Authorization": f"Bearer {SECRETS['FPAI_SERVER__TOKEN']}"}
        return super().call(method, path, body, {**token, **(headers or {})})


class Beside:
    """An event loop in a thread of its own, for fakes that serve while a test blocks."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._entered: list[Any] = []

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def enter(self, fake: F) -> F:
        self._do(fake.__aenter__())
        self._entered.append(fake)
        return fake

    def __exit__(self, *_: object) -> None:
        for fake in reversed(self._entered):
            self._do(fake.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


@dataclass
class World:
    """Everybody who was told something, with what they were told."""

    daemon: GuardedDaemon
    model: ScriptedModel
    hub: FakeGitHub
    registry: FakeRegistry
    echo: EchoServer
    mail: FakeMailServer
    canaries: Canaries


@contextmanager
def hostile_world(home: Path, tls: Path, snoop: str) -> Iterator[World]:
    """Everybody is there, and a daemon is configured for them; it is not started yet."""
    certificate, authority = certified(tls)
    before, github.TOKEN = github.TOKEN, SECRETS["GITHUB_TOKEN"]
    mail = FakeMailServer(USER, SECRETS["SMTP_PASSWORD"], tls=certificate)
    mail.box.at_data.append(
        f"554 who are you, {' | '.join(said_back(SECRETS['SMTP_PASSWORD']).split(' | ')[:4])}"
    )
    try:
        with Beside() as beside, mail:
            model = beside.enter(ScriptedModel(_model(snoop), faults={1: _refusal("ANTHROPIC_API_KEY")}))
            hub = beside.enter(FakeGitHub(home.parent / "hub"))
            hub.status, hub.message = 401, said_back(SECRETS["GITHUB_TOKEN"])
            registry = beside.enter(FakeRegistry())
            registry.around = _refused_at_first(1)
            echo = beside.enter(EchoServer(hook=(503, 200), slack=(200,), voice=(401,), orchestrator=(401,)))
            daemon = _daemon(home, authority, echo, hub, registry, model, mail)
            yield World(daemon, model, hub, registry, echo, mail, Canaries(CORES))
    finally:
        github.TOKEN = before


def _daemon(
    home: Path,
    authority: Path,
    echo: EchoServer,
    hub: FakeGitHub,
    registry: FakeRegistry,
    model: ScriptedModel,
    mail: FakeMailServer,
) -> GuardedDaemon:
    words = {"hub": hub.url, "registry": registry.url, "echo": echo.url, "mail": mail.port, "user": USER}
    (home / "executor.toml").write_text(_CONFIGURATION.format(**words))
    credentials = home.parent / "credentials"
    credentials.mkdir(mode=0o700)
    given = {**SECRETS, "SLACK_WEBHOOK_URL": f"{echo.url}/slack/services/T0/B0/{core('slack webhook')}"}
    for name in given.keys() - OF_THE_ENVIRONMENT:
        (credentials / name).write_text(f"{given[name]}\n")
    return GuardedDaemon(
        home,
        CREDENTIALS_DIRECTORY=str(credentials),
        ANTHROPIC_BASE_URL=model.url,
        SSL_CERT_FILE=str(authority),
        FPAI_MODEL__MAX_TURNS="8",
        **{name: given[name] for name in OF_THE_ENVIRONMENT},
    )


def _model(snoop: str) -> Callable[[dict[str, Any], int], Any]:
    """The greeter's author, who also says and writes down the key that the endpoint let it in with."""
    honest, said = greeter(snoop), said_back(SECRETS["ANTHROPIC_API_KEY"])

    def rule(body: dict[str, Any], number: int) -> Any:
        answer = honest(body, number)
        if not isinstance(answer, list):
            return answer
        loud = [thought("Should I say it?"), text(f"I was let in by {said}.\n")]
        first = sum(message["role"] == "assistant" for message in body["messages"]) == 0
        return [*loud, *([_written_down(said)] if first else []), *answer]

    return rule


def _written_down(said: str) -> dict[str, Any]:
    given = {"command": "create", "path": "/ws/notes.txt", "file_text": said}
    return {"type": "tool_use", "name": "str_replace_based_edit_tool", "input": given}


def _refusal(name: str) -> Fault:
    return Fault(status=500, message=f"No such key: {said_back(SECRETS[name])}")


def _refused_at_first(times: int) -> Any:
    left = iter((401, *[503] * times))

    async def around(request: web.Request, handler: Any) -> web.StreamResponse:
        status = next(left, 0)
        return echoed(request, status) if status else await handler(request)

    return around
