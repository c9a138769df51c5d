"""`fpai init`: an executor.toml to start from; `--systemd`: the daemon as a service of this machine."""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from executor.cli import exits
from executor.cli.exits import CliError
from executor.resources import config_dir

_USER = "fpai"
_UNITS = Path("etc/systemd/system")
_RULES = Path("etc/polkit-1/rules.d")
_CONFIG = Path("etc/fpai/executor.toml")
_STATE = "/var/lib/fpai"  # StateDirectory=fpai
# Places.launches of a daemon that is not root and keeps its state there.
_LAUNCHES = f"{_STATE}/places/launch"
_HIDDEN_BY_PROTECT_HOME = ("/home/", "/root/", "/run/user/")


def example() -> str:
    """The documented example configuration. Raises CliError when the installation lacks it."""
    folder = config_dir()
    for candidate in (folder / "executor.toml", folder.parent / "executor.toml"):
        if candidate.is_file():
            return candidate.read_text(encoding="utf-8")
    raise CliError("The example executor.toml is missing from this installation.", hint="Install fpai again.")


def write_config(path: Path, *, force: bool) -> None:
    """Write the example to `path`. Raises CliError (exit 5) when a file is there and `force` is not given."""
    if path.exists() and not force:
        raise CliError(
            f"{path} is already there.",
            hint="Edit it, or overwrite it with --force.",
            exit_code=exits.CONFLICT,
        )
    _write(path, example(), 0o644)


def install_service(root: Path, *, force: bool) -> list[str]:
    """Write units, polkit rule and configuration below `root`, make the user; return what to do next.

    What is configured stays as it is without `force`; units and rule are always brought up to date.
    Raises CliError (exit 73) when `root` is not writable.
    """
    real = root == Path("/")
    if real and os.geteuid() != 0:
        raise CliError(
            "Installing the service needs root.", hint="sudo fpai init --systemd", exit_code=exits.USAGE
        )
    if real:
        _make_user()
    notes = []
    for source in sorted((config_dir() / "systemd").iterdir()):
        folder = _RULES if source.suffix == ".rules" else _UNITS
        _write(root / folder / source.name, _filled(source.read_text(encoding="utf-8")), 0o644)
    if force or not (root / _CONFIG).exists():
        text = with_key(example(), "server", "token", secrets.token_urlsafe(24))
        # Named, so that commands outside the unit look where the daemon keeps its state.
        _write(root / _CONFIG, with_key(text, "state", "dir", _STATE), 0o640)
        if real:
            shutil.chown(root / _CONFIG, "root", _USER)
    else:
        notes.append(f"# kept as it was: /{_CONFIG}")
    if sys.executable.startswith(_HIDDEN_BY_PROTECT_HOME):
        notes.append(
            f"# {sys.executable} lies in a home, which the service cannot see: install fpai elsewhere"
        )
    return [*notes, "systemctl daemon-reload", "systemctl enable --now fpai", "systemctl status fpai"]


def _filled(text: str) -> str:
    """Put this installation's paths in place of a unit's @NAMES@."""
    return text.replace("@PYTHON@", sys.executable).replace("@LAUNCHES@", _LAUNCHES)


def with_key(text: str, table: str, key: str, value: str) -> str:
    """Set one key of one table, in place of the line that documents it, else right below the table's head."""
    line = f'{key} = "{value}"'
    documented = rf"(?m)^(\[{table}\]\s*\n(?:(?!\[).*\n)*?)#?\s*{key}\s*=.*$"
    changed, times = re.subn(documented, rf"\g<1>{line}", text, count=1)
    return changed if times else re.sub(rf"(?m)^\[{table}\]\s*$", f"[{table}]\n{line}", text, count=1)


def _make_user() -> None:
    try:
        pwd.getpwnam(_USER)
    except KeyError:
        argv = [
            "useradd",
            "--system",
            "--user-group",
            "--no-create-home",
            "--shell",
            "/usr/sbin/nologin",
            _USER,
        ]
        subprocess.run(argv, check=True)


def _write(path: Path, text: str, mode: int) -> None:
    """Put a file in place whole, readable by no one else in between."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        with os.fdopen(
            os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
        beside.chmod(mode)
        beside.replace(path)
    except OSError as error:
        raise CliError(
            f"{path} cannot be written: {error.strerror}.",
            hint="Check the directory's owner and mode.",
            exit_code=exits.STATE_NOT_WRITABLE,
        ) from error
