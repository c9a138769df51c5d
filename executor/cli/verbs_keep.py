"""backup and restore: the whole state of a daemon in one file, and back."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from executor.cli import exits, words
from executor.cli.session import AsJson, print_json
from executor.cli.verbs_host import Config

if TYPE_CHECKING:
    from executor.cli.archive import Manifest


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A new file, or a directory; else one here, named by the time."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Copy database, repositories and signing key into one file, whether the daemon runs or not.

    The database is copied as of its last commit and checked; the file has mode 0600 and is read back
    before it counts. It does not hold what released droplets have stored themselves, nor executor.toml
    and the secrets.
    """
    from executor.cli.backup import default_name, take  # noqa: PLC0415 - sqlite and tarfile
    from executor.cli.configured import configuration  # noqa: PLC0415

    now = time.time()
    into = file or Path()
    into = into / default_name(now) if into.is_dir() else into
    manifest = take(configuration(config).state_dir, into, now)
    if as_json:
        print_json({"file": str(into), "bytes": into.stat().st_size, **asdict(manifest)})
        return
    from executor.cli.archive import LEFT_OUT  # noqa: PLC0415

    print(into)
    size = into.stat().st_size / (1 << 20)
    told = f"{_holds(manifest)}, {size:.1f} MiB, checked. Not in it: {LEFT_OUT}."
    print(f"{told}\nPut it back with: fpai restore {into}", file=sys.stderr)


def restore(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="What `fpai backup` wrote, or a copy of the database that the daemon made."
        ),
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of the state at hand; the daemon has to be stopped.

    The backup is unpacked and checked before anything is changed. What was there is set aside in a folder
    of the state directory, never deleted. Builds that were unfinished go on when the daemon starts. With a
    copy that the daemon itself made (backups/*.db, executor.db.before-*) the repositories stay as they are.
    """
    from executor.cli.ask import can_ask, confirmed  # noqa: PLC0415
    from executor.cli.configured import configuration  # noqa: PLC0415
    from executor.cli.restore import contents, put_back  # noqa: PLC0415 - tarfile

    state_dir = configuration(config).state_dir
    if can_ask() and not yes and not as_json:
        with contents(file, state_dir) as found:
            manifest = found.manifest
        asked = (
            f"Put {_holds(manifest)} of {words.clock(manifest.made_at)} in place of what {state_dir} holds?"
        )
        if not confirmed(asked):
            print("Nothing was changed.", file=sys.stderr)
            raise typer.Exit(exits.STOPPED)
    manifest, aside = put_back(file, state_dir, time.time())
    if as_json:
        document = {"state_dir": str(state_dir), "set_aside": str(aside) if aside else None}
        print_json({**document, **asdict(manifest)})
        return
    print(f"{state_dir} holds {_holds(manifest)} as of {words.clock(manifest.made_at)}.")
    if aside:
        print(f"What was there before: {aside}", file=sys.stderr)
    print("Next: fpai serve (or: systemctl start fpai)", file=sys.stderr)


def _holds(manifest: Manifest) -> str:
    open_ones = f" ({manifest.unfinished} unfinished)" if manifest.unfinished else ""
    repositories = f"{manifest.repositories} repositor{'y' if manifest.repositories == 1 else 'ies'}"
    return f"{words.count(manifest.builds, 'build')}{open_ones} and {repositories}"
