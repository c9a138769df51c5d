"""What only `fpai doctor --deep` looks at: every page of the database, leftovers, and the model's service."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import aiohttp

from executor.adapters.model_catalog import PUBLIC_API, ModelFacts, look_up
from executor.cli import words
from executor.cli.archive import DATABASE
from executor.cli.doctor import Check
from executor.cli.doctor_checks import Host
from executor.settings import Configuration
from executor.store.backups import Backups, copy_database, problem_of

_PATIENCE = 10.0
_OF_NO_USE = ("set-aside-*", f"{DATABASE}.damaged-*", f"{DATABASE}.before-*")
_CUT_OFF = (".restore-*", "*.part")


def database(host: Host) -> Check:
    """A copy of the database is checked whole: the daemon's own file is only read."""
    path = host.state_dir / DATABASE
    if not path.is_file():
        return Check("database", "ok", "none yet; the first start makes it")
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=host.state_dir) as folder:
            copy_database(path, Path(folder) / DATABASE)
            problem = problem_of(Path(folder) / DATABASE)
    except (sqlite3.Error, OSError) as error:
        problem = str(error)
    copies = Backups(path, 1).newest_first()
    if problem:
        newest = f"its newest backup is {copies[0].name}" if copies else "and there is no backup of it"
        fix = "Restart the daemon: it puts the newest sound backup in place and keeps this file."
        return Check("database", "fail", f"{path} is damaged: {problem}; {newest}", fix)
    size = path.stat().st_size / (1 << 20)
    return Check(
        "database", "ok", f"sound ({size:.1f} MiB), {words.count(len(copies), 'backup')} in backups/"
    )


def leftovers(host: Host) -> Check:
    """Former states that somebody has set aside, and what a kill has cut off."""
    kept = [path for pattern in _OF_NO_USE for path in host.state_dir.glob(pattern)]
    cut = [path for pattern in _CUT_OFF for path in host.state_dir.glob(pattern)]
    if not kept and not cut:
        return Check("leftovers", "ok", "none in the state directory")
    names = ", ".join(sorted(path.name for path in (*kept, *cut)))
    size = sum(map(_bytes, (*kept, *cut))) / (1 << 20)
    fix = f"Once they are of no use: rm -r {host.state_dir}/NAME"
    return Check("leftovers", "warn", f"{names} ({size:.1f} MiB)", fix)


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [inner for inner in path.rglob("*") if inner.is_file()]
    return sum(file.stat().st_size for file in files)


def model(host: Host) -> Check:
    """Ask the service about each model by a GET that costs nothing."""
    configuration = host.configuration
    if configuration is None:
        return Check("model", "warn", "not looked at: the configuration cannot be read")
    if not configuration.has_model:
        return Check("model", "ok", "none: droplets are built by rule")
    settings = configuration.settings.model
    service = settings.base_url or PUBLIC_API
    names = list(dict.fromkeys(name for name in (settings.model, settings.stronger_model) if name))
    found = asyncio.run(_asked(configuration, names))
    silent = [name for name, facts in zip(names, found, strict=True) if facts is None]
    if silent:
        says = f"{service} gives no usable answer about {', '.join(silent)}: away, or the key is refused"
        fix = "Check the network, ANTHROPIC_API_KEY and [model] base_url; builds wait until it answers."
        return Check("model", "warn", says, fix)
    known = [facts for facts in found if facts is not None]
    troubles = [facts.warning for facts in known if facts.warning]
    if troubles:
        useless = any(facts.retired for facts in known)
        says = f"{service} answers, but not all is well with {', '.join(names)}"
        return Check("model", "fail" if useless else "warn", says, " ".join(troubles))
    return Check("model", "ok", f"{service} answers and knows {', '.join(names)}")


async def _asked(configuration: Configuration, names: list[str]) -> list[ModelFacts | None]:
    key, base_url = configuration.secrets.get("ANTHROPIC_API_KEY"), configuration.settings.model.base_url
    async with aiohttp.ClientSession() as session:
        asked = (look_up(session, name, base_url=base_url, api_key=key, timeout=_PATIENCE) for name in names)
        return list(await asyncio.gather(*asked))


DEEP: tuple[Callable[[Host], Check], ...] = (database, leftovers, model)
