"""executor.toml, FPAI_* variables and credentials become one frozen Settings, read once, checked whole."""

from __future__ import annotations

import base64
import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from executor.errors import ExecutorError
from executor.redaction import know
from executor.settings_tables import EmailChannel, Settings, SlackChannel, WebhookChannel

SECRET_NAMES = (
    "ANTHROPIC_API_KEY",
    "GITHUB_TOKEN",
    "SLACK_WEBHOOK_URL",
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "SMTP_PASSWORD",
    "REGISTRY_TOKEN",
    "ORCHESTRATOR_TOKEN",
    "VOICE_API_KEY",
    "OTEL_EXPORTER_OTLP_HEADERS",
)
WEBHOOK_SECRET = "WEBHOOK_SECRET_"  # noqa: S105 - the name of one
"""Followed by a channel's name in capitals: what its webhooks are signed with."""
TOKEN_VARIABLE = "FPAI_SERVER__TOKEN"  # noqa: S105 - the name of one
"""Sets [server] token, which is a secret too."""
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class ConfigurationError(ExecutorError):
    """The configuration cannot be used; the daemon exits with 78 and says which key and why."""

    code = "CONFIGURATION"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys and tokens by name; never written, never logged."""

    values: Mapping[str, str]

    def get(self, name: str) -> str:
        """Return the secret or an empty string."""
        return self.values.get(name, "")

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self.values))})"


_SLACK_NEEDS = "SLACK_WEBHOOK_URL, or SLACK_BOT_TOKEN with [notify.{}] channel"


def webhook_secret(channel: str) -> str:
    """The name of the secret that signs a channel's webhooks."""
    return WEBHOOK_SECRET + channel.upper().replace("-", "_")


def webhook_key(secret: str) -> bytes:
    """What webhooks are signed with: the base64 after `whsec_`, else the secret's own bytes.

    Raises ValueError for a `whsec_` without sound base64 after it (standardwebhooks.com, 1.0.0).
    """
    text = secret.removeprefix("whsec_")
    if text == secret:
        return secret.encode()
    if not text:
        raise ValueError("nothing is after whsec_")
    return base64.b64decode(text, validate=True)


def otlp_headers(secret: str) -> dict[str, str]:
    """The headers of the secret OTEL_EXPORTER_OTLP_HEADERS: `name=value` by commas, values URL-encoded.

    Raises ValueError for anything else (opentelemetry.io/docs/specs/otel/protocol/exporter).
    """
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in secret.split(","))):
        name, equals, value = pair.partition("=")
        if not equals or not _HEADER_NAME.fullmatch(name.strip()):
            raise ValueError("it is not name=value,name=value")
        text = unquote(value.strip())
        if not text.isprintable():
            raise ValueError("a value has characters that no header may have")
        found[name.strip()] = text
    return found


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings with where they came from. `state_dir` is absolute."""

    settings: Settings
    secrets: Secrets
    path: Path | None
    state_dir: Path

    @property
    def has_model(self) -> bool:
        """True if a model writes the code: by name, or because there is a key or an endpoint for one."""
        model = self.settings.model
        if model.provider == "auto":
            return bool(model.base_url or self.secrets.get("ANTHROPIC_API_KEY"))
        return model.provider == "anthropic"

    @property
    def channels(self) -> dict[str, SlackChannel | EmailChannel | WebhookChannel]:
        """Where people can be told, by name; SLACK_WEBHOOK_URL alone makes the channel slack."""
        found = dict(self.settings.notify)
        if "slack" not in found and self.secrets.get("SLACK_WEBHOOK_URL"):
            found["slack"] = SlackChannel(kind="slack")
        return found

    def missing_for(self, channel: str) -> str:
        """What a channel lacks to be told anything, in words; empty when nothing is."""
        table, has = self.channels.get(channel), self.secrets.get
        if table is None:
            return "SLACK_WEBHOOK_URL or [notify.slack]" if channel == "slack" else f"[notify.{channel}]"
        if isinstance(table, SlackChannel):
            by_bot = has("SLACK_BOT_TOKEN") and table.channel
            return "" if by_bot or has("SLACK_WEBHOOK_URL") else _SLACK_NEEDS.format(channel)
        if isinstance(table, WebhookChannel):
            return self._missing_for_webhooks(webhook_secret(channel))
        return "" if not table.user or has("SMTP_PASSWORD") else "the secret SMTP_PASSWORD"

    def _missing_for_webhooks(self, name: str) -> str:
        try:
            return "" if webhook_key(self.secrets.get(name)) else f"the secret {name}"
        except ValueError:
            return f"the secret {name} with base64 after its whsec_"

    @property
    def secret_values(self) -> tuple[str, ...]:
        """Everything that is to be hidden wherever it appears."""
        return _secret_values(self.secrets, self.settings)

    @property
    def base_url(self) -> str:
        """The address that replies name: public_url, else the one that the daemon listens on."""
        server = self.settings.server
        host = "localhost" if server.host in {"127.0.0.1", "0.0.0.0"} else server.host  # noqa: S104
        return server.public_url.rstrip("/") or f"http://{_bracketed(host)}:{server.port}"


def load(config: Path | None = None, environ: Mapping[str, str] | None = None) -> Configuration:
    """Read and check everything. Raises ConfigurationError that names the key and what was meant.

    A credential file goes before a variable of the same name. What is secret is hidden in this process's
    errors from then on (executor.redaction).
    """
    env = os.environ if environ is None else environ
    path = _find(config, env)
    merged = _merge(_read(path), _from_environment(env))
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigurationError(_explain(error), hint=f"Edit {path or 'the FPAI_* variables'}.") from error
    secrets = Secrets(dict(_secrets(env)))
    _checked_headers(secrets)
    know(_secret_values(secrets, settings))
    if not settings.model.base_url and env.get("ANTHROPIC_BASE_URL"):
        model = settings.model.model_copy(update={"base_url": env["ANTHROPIC_BASE_URL"]})
        settings = settings.model_copy(update={"model": model})
    if settings.builds.budget_usd and settings.model.model not in settings.model.prices:
        raise ConfigurationError(
            f"builds.budget_usd is set, and the price of {settings.model.model} is not known.",
            hint=f"Add [model.prices.{settings.model.model}] with input and output, or set no budget.",
        )
    if settings.server.host not in _LOOPBACK and not settings.server.token:
        raise ConfigurationError(
            f"server.host is {settings.server.host}, which others can reach, and server.token is empty.",
            hint="Set a token ([server] token or FPAI_SERVER__TOKEN), or bind to 127.0.0.1.",
        )
    return Configuration(settings, secrets, path, _state_dir(settings, path, env))


def _secret_values(secrets: Secrets, settings: Settings) -> tuple[str, ...]:
    headers = otlp_headers(secrets.get("OTEL_EXPORTER_OTLP_HEADERS")).values()
    return (*secrets.values.values(), *headers, settings.server.token)


def _checked_headers(secrets: Secrets) -> None:
    name = "OTEL_EXPORTER_OTLP_HEADERS"
    try:
        otlp_headers(secrets.get(name))
    except ValueError as error:
        raise ConfigurationError(
            f"The secret {name} cannot be used: {error}.", hint=f"Such as {name}=authorization=Bearer%20KEY."
        ) from error


def _find(config: Path | None, env: Mapping[str, str]) -> Path | None:
    chosen = config or (Path(env["FPAI_CONFIG"]) if env.get("FPAI_CONFIG") else None)
    if chosen is not None:
        if not chosen.is_file():
            raise ConfigurationError(f"There is no configuration file at {chosen}.", hint="Check --config.")
        return chosen.resolve()
    here = Path("executor.toml")
    return here.resolve() if here.is_file() else None


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.", hint="Mend the file.") from error


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for name, value in env.items():
        if name.startswith("FPAI_") and "__" in name:
            table, _, key = name.removeprefix("FPAI_").lower().partition("__")
            tables.setdefault(table, {})[key] = _plain(table, key, value)
    return tables


def _plain(table: str, key: str, value: str) -> object:
    """Split a list-valued key at its commas; every other value stays text for pydantic to read."""
    owner = Settings.model_fields.get(table)
    known: Mapping[str, FieldInfo] = getattr(owner.annotation, "model_fields", {}) if owner else {}
    is_list = key in known and "tuple" in str(known[key].annotation)
    return [part.strip() for part in value.strip("[]").split(",") if part.strip()] if is_list else value


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for table, keys in over.items():
        under = merged.get(table, {})
        merged[table] = {**under, **keys} if isinstance(under, dict) else keys
    return merged


def _explain(error: ValidationError) -> str:
    sentences = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            sentences.append(f"Unknown key {where}.{_nearest(where)}")
        else:
            sentences.append(f"{where}: {item['msg'].removeprefix('Value error, ')}.")
    return " ".join(sentences)


def _nearest(where: str) -> str:
    close = difflib.get_close_matches(where, list(known_keys()), n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""


def known_keys() -> Iterator[str]:
    """Every `table` and `table.key` that executor.toml may hold."""
    for table, info in Settings.model_fields.items():
        yield table
        for key in getattr(info.annotation, "model_fields", {}):
            yield f"{table}.{key}"


def _secrets(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    credentials = Path(env["CREDENTIALS_DIRECTORY"]) if env.get("CREDENTIALS_DIRECTORY") else None
    named = {name for name in env if name.startswith(WEBHOOK_SECRET)}
    named |= {name for name in _listed(credentials) if name.startswith(WEBHOOK_SECRET)}
    for name in (*SECRET_NAMES, *sorted(named)):
        stored = _credential(credentials / name) if credentials else None
        value = env.get(name, "") if stored is None else stored
        if value or stored is not None:
            yield name, value


def forget_secrets(environ: MutableMapping[str, str]) -> None:
    """Take every secret out of an environment that has been read: what is started later inherits none."""
    for name in [*environ]:
        if name in SECRET_NAMES or name.startswith(WEBHOOK_SECRET) or name.upper() == TOKEN_VARIABLE:
            del environ[name]


def _listed(credentials: Path | None) -> list[str]:
    try:
        return [entry.name for entry in credentials.iterdir()] if credentials else []
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(f"The directory of credentials {credentials}", error) from error


def _credential(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(f"The credential {path}", error) from error


def _unreadable(what: str, error: Exception) -> ConfigurationError:
    # Not the error itself, for one of decoding holds the bytes that it could not read.
    why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    return ConfigurationError(
        f"{what} cannot be read: {why}.",
        hint="See LoadCredential in the unit; the service's user must be able to read it.",
    )


def _state_dir(settings: Settings, path: Path | None, env: Mapping[str, str]) -> Path:
    base = path.parent if path else Path.cwd()
    if settings.state.dir:
        return (base / Path(settings.state.dir).expanduser()).resolve()
    if env.get("STATE_DIRECTORY"):
        return Path(env["STATE_DIRECTORY"].split(":")[0]).resolve()
    return (base / ".executor").resolve()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
