"""Where the daemon is and what opens its door: flags, environment, else the executor.toml at hand."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SYSTEM_CONFIG = Path("/etc/fpai/executor.toml")
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address to bind to, not one to call


@dataclass(frozen=True, slots=True)
class Address:
    """The daemon's base URL without a slash at its end, and the bearer token ("" for none)."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Address({self.url!r})"


def find(url: str | None, token: str | None, environ: Mapping[str, str] | None = None) -> Address:
    """Choose by flag, then environment, then the [server] table of executor.toml, then the defaults."""
    env = os.environ if environ is None else environ
    server = _server_table(env)
    host = env.get("FPAI_SERVER__HOST") or str(server.get("host") or "127.0.0.1")
    port = env.get("FPAI_SERVER__PORT") or server.get("port") or 8400
    host = _ANY.get(host, host)
    local = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    key = token or env.get("FPAI_TOKEN") or env.get("FPAI_SERVER__TOKEN") or str(server.get("token") or "")
    return Address((url or env.get("FPAI_URL") or local).rstrip("/"), key)


def _server_table(env: Mapping[str, str]) -> Mapping[str, Any]:
    """Read [server], or nothing: a broken or unreadable file is the daemon's to complain about."""
    named = env.get("FPAI_CONFIG")
    for path in (Path(named),) if named else (Path("executor.toml"), SYSTEM_CONFIG):
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8")).get("server", {})
        except (OSError, ValueError):
            continue
        return table if isinstance(table, dict) else {}
    return {}
