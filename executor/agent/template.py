"""The droplet's skeleton: config/template with a droplet's identity filled in, plus the Foundation Files.

Placeholders look like `{{droplet_name}}`. All but the purpose hold words that the executor has checked; the
purpose is whatever the architect wrote, so it appears only in JSON and Markdown files, escaped for each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from executor.domain.droplet import DropletIdentity
from executor.errors import Permanent
from executor.resources import config_dir

PLACEHOLDER = re.compile(r"\{\{([a-z_]+)\}\}")
FOUNDATION = "docs/foundation-files"
FILE_MODE = 0o644
DIRECTORY_MODE = 0o755
LEFTOVERS = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".venv", "data"})
MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$=-])")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def render_template(identity: DropletIdentity, *, created: str, into: Path) -> tuple[str, ...]:
    """Write the skeleton and the Foundation Files into `into`; return the file names, sorted, relative.

    `created` is the day that HANDOFF.md names. The same arguments give the same bytes and modes; files of the
    same names are replaced, others are left alone. Raises Permanent when the template names a placeholder
    that does not exist, or uses the purpose in a file where it cannot be escaped.
    """
    files = rendered_files(identity, created)
    for name, text in files.items():
        write_file(into, name, text)
    return tuple(sorted(files))


def rendered_files(identity: DropletIdentity, created: str) -> dict[str, str]:
    """The skeleton and the Foundation Files by name, as `render_template` writes them; it raises the same."""
    values = _values(identity, created)
    files = {}
    for name, source in _sources(config_dir()):
        text = source.read_text(encoding="utf-8")
        files[name] = text if name.startswith(FOUNDATION) else render_text(text, name, values)
    return files


def render_text(text: str, name: str, values: Mapping[str, str]) -> str:
    """Fill the placeholders of one file in a single pass: a value that looks like one is not filled again."""

    def fill(match: re.Match[str]) -> str:
        key = match.group(1)
        if key not in values:
            raise Permanent(
                f"The template file {name} names {match.group(0)}, which nobody fills in.",
                hint="Correct config/template.",
            )
        return _escaped(values[key], name) if key == "droplet_purpose" else values[key]

    return PLACEHOLDER.sub(fill, text)


def write_file(root: Path, name: str, text: str) -> None:
    """Write one file below `root` with the modes every droplet file has, whatever the umask is."""
    path = root / name
    missing = [parent for parent in path.parents if parent != root and not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    for parent in missing:
        if parent.is_relative_to(root):
            parent.chmod(DIRECTORY_MODE)
    path.write_text(text, encoding="utf-8", newline="\n")
    path.chmod(FILE_MODE)


def markdown_text(text: str) -> str:
    """Return text from outside as one line of Markdown that shows just what was written."""
    line = " ".join(CONTROL.sub(" ", _utf8(text)).split())
    escaped = MARKDOWN_SPECIAL.sub(r"\\\1", line)
    # A line that starts with "1." would become a list.
    return re.sub(r"^(\d+)\.", r"\1\\.", escaped)


def _values(identity: DropletIdentity, created: str) -> dict[str, str]:
    return {
        "droplet_id": str(identity.id),
        "droplet_name": identity.name,
        "droplet_slug": identity.slug,
        "droplet_title": identity.title,
        "droplet_version": identity.version,
        "droplet_purpose": identity.purpose,
        "service_port": str(identity.port),
        "created": created,
    }


def _escaped(text: str, name: str) -> str:
    if name.endswith(".json"):
        # An apostrophe is written as its code: a checker that looks for quoted secrets must not see one here.
        return json.dumps(_utf8(text))[1:-1].replace("'", "\\u0027")
    if name.endswith(".md"):
        return markdown_text(text)
    raise Permanent(
        f"The template file {name} uses the purpose, which cannot be escaped there.",
        hint="Correct config/template: the purpose belongs in JSON and Markdown only.",
    )


def _utf8(text: str) -> str:
    """Replace what UTF-8 cannot hold (lone surrogates)."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _sources(config: Path) -> Iterator[tuple[str, Path]]:
    """Yield (name in the droplet, file) for the skeleton, then for the Foundation Files."""
    template = config / "template"
    for path in sorted(template.rglob("*")):
        relative = path.relative_to(template)
        if path.is_file() and path.suffix != ".pyc" and LEFTOVERS.isdisjoint(relative.parts):
            yield relative.as_posix(), path
    for path in sorted((config / "foundation").glob("*.md")):
        yield f"{FOUNDATION}/{path.name}", path
