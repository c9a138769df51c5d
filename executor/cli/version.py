"""Which version this is, without loading anything else."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path


def installed_version() -> str:
    """The version of the installed package, or of the checkout that runs without having been installed."""
    try:
        return metadata.version("fpai-executor")
    except metadata.PackageNotFoundError:
        text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["version"])
