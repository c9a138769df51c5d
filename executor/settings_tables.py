"""The tables of executor.toml: every key with its type, its bounds and its default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parse_duration(value: object) -> float:
    """Read `90`, `"90s"`, `"15m"`, `"2h"` or `"1d"` as seconds. Raises ValueError otherwise."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(value))
    if not match:
        raise ValueError('a duration is a number of seconds or "90s", "15m", "2h", "1d"')
    return float(match[1]) * _UNITS[match[2] or "s"]


def parse_size(value: object) -> int:
    """Read `1048576`, `"512M"` or `"1G"` as bytes. Raises ValueError otherwise."""
    match = re.fullmatch(r"\s*(\d+)\s*([KMG]?)i?B?\s*", str(value), re.IGNORECASE)
    if not match:
        raise ValueError('a size is a number of bytes or "512M", "1G"')
    return int(match[1]) * _SIZES[match[2].upper()]


_ADDRESS = r"""[^\s<>"(),:;@\[\]\\]+@[^\s<>"(),:;@\[\]\\]+"""
_NAMED = re.compile(rf"""{_ADDRESS}|("[^"\\\r\n]*"|[^<>"(),:;@\[\]\\\r\n]*) ?<{_ADDRESS}>""")


def one_recipient(value: str) -> str:
    """Let one bare mail address through. Raises ValueError otherwise, also for several in one text."""
    if not re.fullmatch(_ADDRESS, value):
        raise ValueError(f"{value!r} is not one mail address, such as architect@example.org")
    return value


def one_sender(value: str) -> str:
    """Let a mail address through, alone or as `Name <address>`. Raises ValueError otherwise."""
    if not _NAMED.fullmatch(value):
        raise ValueError(f"{value!r} is not a sender, such as executor@example.org or FPAI <a@example.org>")
    return value


Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0)]
Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535)]
Recipient = Annotated[str, AfterValidator(one_recipient)]
Sender = Annotated[str, AfterValidator(one_sender)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Server(_Table):
    """`[server]`: where the daemon listens and who may call."""

    host: str = "127.0.0.1"
    port: Port = 8400
    droplet_id: int = Field(default=12, ge=1)
    public_url: str = ""
    token: str = ""
    allowed_hosts: tuple[str, ...] = ()
    max_connections: int = Field(default=2048, ge=16)
    max_watchers: int = Field(default=1536, ge=1)
    requests_per_second: float = Field(default=100.0, ge=0)


class StateTable(_Table):
    """`[state]`: the directory that holds the database, repositories and backups."""

    dir: str = ""
    backup_every: Duration = 3600.0
    keep_backups: int = Field(default=6, ge=1)


class Builds(_Table):
    """`[builds]`: defaults and bounds of every build."""

    approval_mode: Literal["auto", "checkpoints", "final"] = "auto"
    max_concurrent: int = Field(default=4, ge=1, le=1000)
    max_queued: int = Field(default=1000, ge=1)
    max_iterations: int = Field(default=10, ge=1)
    deadline: Duration = 7200.0
    budget_usd: float = Field(default=0, ge=0)
    budget_tokens: int = Field(default=0, ge=0)
    progress_interval: Duration = 10.0


class Price(_Table):
    """`[model.prices.NAME]`: dollars for a million tokens; the long ones hold past `long_prompt` tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    long_prompt: int = Field(default=0, ge=0)
    long_input: float = Field(default=0, ge=0)
    long_output: float = Field(default=0, ge=0)


_PRICES = {
    "claude-sonnet-5-5": Price(input=2, output=10),
    "claude-opus-5-5": Price(input=4, output=20),
    "claude-haiku-5-5": Price(input=0.1, output=0.5, long_prompt=100_000, long_input=0.5, long_output=2.5),
    "claude-fable-5-1": Price(input=10, output=50),
}


class Model(_Table):
    """`[model]`: who writes the code, what it costs, and how long to wait for a service that is down."""

    provider: Literal["auto", "anthropic", "scaffold"] = "auto"
    model: str = "claude-sonnet-5-5"
    stronger_model: str = ""
    base_url: str = ""
    effort: Literal["", "low", "medium", "high", "xhigh", "max"] = ""
    max_tokens: int = Field(default=32_000, ge=1024)
    max_turns: int = Field(default=200, ge=1)
    timeout: Duration = 900.0
    patience: Duration = 43200.0
    prices: Mapping[str, Price] = _PRICES

    @field_validator("prices", mode="before")
    @classmethod
    def _added(cls, given: object) -> object:
        return {**_PRICES, **given} if isinstance(given, Mapping) else given


class Spec(_Table):
    """`[spec]`: fp-tools, and the score below which a SPEC does not pass."""

    fp_tools: str = ""
    min_score: float = Field(default=80, ge=0, le=100)
    verifier_url: str = ""


class VerifierTable(_Table):
    """`[verifier]`: the ecosystem's Verifier as a second opinion."""

    url: str = ""


class Github(_Table):
    """`[github]`: where droplets' repositories are pushed; the token is the secret GITHUB_TOKEN."""

    owner: str = ""
    private: bool = True
    api_url: str = "https://api.github.com"


class SandboxTable(_Table):
    """`[sandbox]`: the walls around code that the executor did not write."""

    kind: Literal["auto", "bubblewrap", "docker", "unsafe"] = "auto"
    image: str = "python:3.11-slim"
    tests_on: Literal["here", "swarm"] = "here"
    memory: Size = 1 << 30
    pids: int = Field(default=64, ge=8)
    timeout: Duration = 300.0
    packages: tuple[str, ...] = ()


class DeployHost(_Table):
    """`[deploy.hosts.NAME]`: a machine reached over SSH, known by the host keys in `known_hosts`."""

    address: str = Field(min_length=1)
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: str = "root"
    key: str = ""
    known_hosts: str = ""


_HOST_NAME = r"[a-z0-9][a-z0-9-]{0,39}"
_LOCAL_HOSTS = {"", "local", "127.0.0.1", "localhost"}


class Deploy(_Table):
    """`[deploy]`: where releases run, how much each may use, and how many earlier ones are kept."""

    target: Literal["process", "docker", "swarm"] = "process"
    host: str = "127.0.0.1"
    port_range: tuple[Port, Port] = (18500, 18999)
    keep: int = Field(default=3, ge=1)
    probes: int = Field(default=2, ge=1)
    timeout: Duration = 30.0
    edge: str = "haproxy:3.2"
    memory: Size = 512 << 20
    pids: int = Field(default=128, ge=16)
    replicas: int = Field(default=2, ge=1, le=100)
    nodes: tuple[str, ...] = ()
    hosts: Mapping[str, DeployHost] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ordered(self) -> Deploy:
        if self.port_range[0] > self.port_range[1] or self.port_range[0] < 1:
            raise ValueError("port_range is [lowest, highest]")
        for name in self.hosts:
            if not re.fullmatch(_HOST_NAME, name) or name in _LOCAL_HOSTS:
                raise ValueError(f"hosts.{name}: a name is lower-case letters, digits and hyphens")
        for name in (*self.nodes, *((self.host,) if self.target != "process" else ())):
            if name not in self.hosts and name not in _LOCAL_HOSTS:
                raise ValueError(f"there is no [deploy.hosts.{name}]")
        if self.target == "swarm" and not self.hosts:
            raise ValueError("target swarm needs [deploy.hosts.NAME] for a manager of the swarm")
        return self

    @property
    def docker_host(self) -> str:
        """The host that target `docker` means when a build names none; empty: this machine's engine."""
        return self.host if self.host in self.hosts else ""


class ImageRegistryTable(_Table):
    """`[image_registry]`: where images are pushed and pulled; empty: they are sent to each host."""

    url: str = ""


class Hooks(_Table):
    """`[hooks]`: commands, as lists of words, run on this machine around a deploy."""

    pre_deploy: tuple[str, ...] = ()
    post_deploy: tuple[str, ...] = ()
    timeout: Duration = 60.0


class RegistryTable(_Table):
    """`[registry]`: the ecosystem's Registry to register with, beside the built-in one."""

    url: str = ""
    flavour: Literal["core", "numbered"] = "core"
    heartbeat: Duration = 60.0


class OrchestratorTable(_Table):
    """`[orchestrator]`: who hands out tasks; `numbered` is droplet-10, which is polled."""

    url: str = ""
    flavour: Literal["core", "numbered"] = "core"
    heartbeat: Duration = 60.0
    poll: Duration = 10.0
    reply_hosts: tuple[str, ...] = ()


class DashboardTable(_Table):
    """`[dashboard]`: an address whose POST /message takes build events; empty: none are sent."""

    url: str = ""


class SlackChannel(_Table):
    """`[notify.NAME]` with kind slack: `channel` is needed by SLACK_BOT_TOKEN, `approvers` by the buttons."""

    kind: Literal["slack"]
    channel: str = ""
    approvers: tuple[str, ...] = ()
    api_url: str = "https://slack.com/api/"


class EmailChannel(_Table):
    """`[notify.NAME]` with kind email: an SMTP server, its password being the secret SMTP_PASSWORD."""

    kind: Literal["email"]
    host: str = Field(min_length=1)
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    sender: Sender
    to: tuple[Recipient, ...] = Field(min_length=1)


class WebhookChannel(_Table):
    """`[notify.NAME]` with kind webhook: signed with the secret WEBHOOK_SECRET_NAME."""

    kind: Literal["webhook"]
    url: str = Field(pattern=r"^https?://")


Channel = Annotated[SlackChannel | EmailChannel | WebhookChannel, Field(discriminator="kind")]
ALWAYS_KNOWN = ("slack", "email")
"""Channels that a request may name whether they are configured or not (interfaces.md, Configuration)."""
_CHANNEL_NAME = r"[a-z0-9][a-z0-9-]{0,39}"


class Telemetry(_Table):
    """`[telemetry]`: a collector that speaks OTLP over HTTP; empty: no traces are sent."""

    otlp_endpoint: str = Field(default="", pattern=r"^(https?://.*)?$")


class Voice(_Table):
    """`[voice]`: an OpenAI-compatible transcription endpoint; empty: nothing is heard."""

    url: str = Field(default="", pattern=r"^(https?://.*)?$")
    model: str = "whisper-1"
    language: str = ""
    timeout: Duration = 60.0
    largest: Size = 8 << 20


class Settings(_Table):
    """The whole configuration. `secrets` come from the environment or systemd credentials only."""

    server: Server = Server()
    state: StateTable = StateTable()
    builds: Builds = Builds()
    model: Model = Model()
    spec: Spec = Spec()
    verifier: VerifierTable = VerifierTable()
    sandbox: SandboxTable = SandboxTable()
    github: Github = Github()
    deploy: Deploy = Deploy()
    image_registry: ImageRegistryTable = ImageRegistryTable()
    hooks: Hooks = Hooks()
    registry: RegistryTable = RegistryTable()
    orchestrator: OrchestratorTable = OrchestratorTable()
    dashboard: DashboardTable = DashboardTable()
    notify: Mapping[str, Channel] = Field(default_factory=dict)
    voice: Voice = Voice()
    telemetry: Telemetry = Telemetry()

    @field_validator("notify", mode="after")
    @classmethod
    def _named(cls, channels: Mapping[str, Channel]) -> Mapping[str, Channel]:
        for name, channel in channels.items():
            if not re.fullmatch(_CHANNEL_NAME, name):
                raise ValueError(f"notify.{name}: a name is lower-case letters, digits and hyphens")
            if name in ALWAYS_KNOWN and channel.kind != name:
                raise ValueError(f"notify.{name} has to be of kind {name}")
        return channels

    @model_validator(mode="after")
    def _swarm_is_known(self) -> Settings:
        if self.sandbox.tests_on == "swarm" and not self.deploy.hosts:
            raise ValueError("sandbox.tests_on is swarm, which needs [deploy.hosts.NAME] for its manager")
        return self
