"""serve, doctor, init, config: what concerns this machine. The daemon's own modules load inside the verbs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from executor.cli.session import AsJson, Token, Url, print_json

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="executor.toml (FPAI_CONFIG, else the one here)."),
]


def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option("--host", help="Listen on this address.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Listen on this port.")] = None,
) -> None:
    """Run the daemon."""
    from executor.app import serve as run  # noqa: PLC0415 - the whole daemon

    raise typer.Exit(run(config, host, port))


def doctor(
    config: Config = None,
    *,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Also check the whole database, leftovers, the model and the channels."),
    ] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Check what is configured, what works, and say what to do about the rest."""
    from executor.cli import doctor as examination  # noqa: PLC0415

    checks = examination.examine(config, url, token, deep=deep)
    if as_json:
        print_json(examination.as_document(checks))
    else:
        examination.show(checks)
    raise typer.Exit(examination.exit_code(checks))


def init(
    systemd: Annotated[
        bool, typer.Option("--systemd", help="Install the daemon as a service (root).")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing executor.toml.")] = False,
    root: Annotated[
        Path, typer.Option("--root", metavar="DIR", help="With --systemd: install below DIR, for an image.")
    ] = Path("/"),
    as_json: AsJson = False,
) -> None:
    """Write an executor.toml with every key explained, or install the daemon as a service.

    With --systemd: units for the daemon and for releases, a polkit rule, the user fpai, and
    /etc/fpai/executor.toml with a token of its own. What is configured stays as it is without --force.
    """
    from executor.cli import init as setup  # noqa: PLC0415

    if systemd:
        lines = setup.install_service(root, force=force)
    else:
        setup.write_config(Path("executor.toml"), force=force)
        lines = ["fpai doctor", "fpai serve", 'fpai build "Build Analytics Engine for tracking metrics"']
    if as_json:
        print_json({"next": [line for line in lines if not line.startswith("#")]})
    elif systemd:
        print("\n".join(lines))
    else:
        print("\n  ".join(["Wrote executor.toml. Next:", *lines]))


def config_app() -> typer.Typer:
    """The two verbs below `fpai config`."""
    from executor.cli.manual import Verb, epilog  # noqa: PLC0415

    app = typer.Typer(help="Show or check the configuration.", no_args_is_help=True)
    app.command("show", cls=Verb, epilog=epilog("config show"))(config_show)
    app.command("check", cls=Verb, epilog=epilog("config check"))(config_check)
    return app


def config_show(config: Config = None, as_json: AsJson = False) -> None:
    """Print the configuration in force; secrets by name only."""
    from executor.cli.configured import configuration  # noqa: PLC0415 - pydantic

    loaded = configuration(config)
    document = loaded.settings.model_dump(mode="json")
    if document["server"]["token"]:
        document["server"]["token"] = "[set]"  # noqa: S105 - says that there is one
    present = sorted(name for name in loaded.secrets.values if loaded.secrets.get(name))
    if as_json:
        where = {"file": str(loaded.path) if loaded.path else None, "state_dir": str(loaded.state_dir)}
        print_json({**where, "settings": document, "secrets": present})
        return
    print(f"# file: {loaded.path or 'none'}\n# state directory: {loaded.state_dir}")
    print(f"# secrets present: {', '.join(present) or 'none'}")
    for name, table in document.items():
        print("\n".join(_toml(_key(name), table)))


def config_check(config: Config = None, as_json: AsJson = False) -> None:
    """Check the configuration; exit 78 when it cannot be used."""
    from executor.cli.configured import configuration  # noqa: PLC0415 - pydantic

    loaded = configuration(config)
    where = str(loaded.path) if loaded.path else "the defaults and FPAI_* variables"
    if as_json:
        print_json({"ok": True, "file": str(loaded.path) if loaded.path else None})
    else:
        print(f"The configuration is in order: {where}")


def _toml(name: str, table: Mapping[str, Any]) -> list[str]:
    """A table as lines: its own keys first, then the tables within it."""
    own = {key: value for key, value in table.items() if not isinstance(value, dict)}
    inner = {key: value for key, value in table.items() if isinstance(value, dict)}
    lines = [f"{_key(key)} = {json.dumps(value, ensure_ascii=False)}" for key, value in own.items()]
    head = ["", f"[{name}]"] if own or not inner else []
    below = [line for key, within in inner.items() for line in _toml(f"{name}.{_key(key)}", within)]
    return [*head, *lines, *below]


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)
