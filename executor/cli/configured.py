"""The configuration that verbs of this machine work with: the one asked for, the one here, the service's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from executor.cli import exits
from executor.cli.address import SYSTEM_CONFIG
from executor.cli.exits import CliError

if TYPE_CHECKING:
    from executor.settings import Configuration


def configuration(config: Path | None) -> Configuration:
    """Read it. Raises CliError (exit 78) that names the key when it cannot be used."""
    from executor.settings import ConfigurationError, load  # noqa: PLC0415 - pydantic

    try:
        return load(chosen(config))
    except ConfigurationError as error:
        raise CliError(error.message, hint=error.hint, exit_code=exits.CONFIGURATION) from error


def chosen(config: Path | None) -> Path | None:
    """The file that was named; with none named or here, the installed service's, as the address is found."""
    named_or_here = config or os.environ.get("FPAI_CONFIG") or Path("executor.toml").is_file()
    return config if named_or_here or not os.access(SYSTEM_CONFIG, os.R_OK) else SYSTEM_CONFIG
