"""The words that models are given: Markdown files of config/prompts with their placeholders filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from executor.errors import Permanent
from executor.resources import config_dir

_PLACEHOLDER = re.compile(r"\{\{([a-z_]+)\}\}")


def prompt(name: str, /, **values: str) -> str:
    """Return `config/prompts/<name>.md` with each `{{placeholder}}` filled in a single pass.

    A value that looks like a placeholder is not filled again. Raises Permanent for a file that is not there,
    and for a placeholder without a value or a value without a placeholder.
    """
    text = _read(name)
    _check(name, text, values)
    return _PLACEHOLDER.sub(lambda match: values[match.group(1)], text)


@cache
def _read(name: str) -> str:
    path = config_dir() / "prompts" / f"{name}.md"
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Permanent(
            f"The prompt {name} cannot be read: {error}.", hint="Restore config/prompts."
        ) from error


def _check(name: str, text: str, values: Mapping[str, str]) -> None:
    named = set(_PLACEHOLDER.findall(text))
    if different := named ^ set(values):
        raise Permanent(
            f"The prompt {name} and what is filled into it differ: {', '.join(sorted(different))}.",
            hint="Correct config/prompts.",
        )
