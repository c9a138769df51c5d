"""The form of a SPEC as the ecosystem's spec-verifier reads it, quirks included (ecosystem.md section 7)."""

from __future__ import annotations

import re
from dataclasses import dataclass

UDC_PATHS = ("/health", "/capabilities", "/state", "/dependencies", "/message")
METADATA_LINES = 20
_HEADING = re.compile(r"#{1,2}\s+(.+)")
_ENDPOINT = re.compile(r"###\s+\d+\.\s+(?:GET|POST|PUT|DELETE)\s+(/[\w/-]+)")
_BULLET = re.compile(r"\s*[-*]\s+\*\*(.+?)\*\*")


@dataclass(frozen=True, slots=True)
class SpecForm:
    """What the verifier sees: sections by exact title, metadata keys, documented paths, dependencies."""

    sections: dict[str, str]
    metadata: frozenset[str]
    endpoints: frozenset[str]
    dependencies: tuple[str, ...]

    def size(self, *titles: str) -> int:
        """Characters in these sections together; 0 for a section that is not there."""
        return sum(len(self.sections.get(title, "")) for title in titles)


def read_form(markdown: str) -> SpecForm:
    """Read a SPEC the way the verifier does.

    Its quirks: a `#` line counts as a heading even inside a code block; the last of two sections with one
    title wins; a metadata label counts whatever follows it; endpoint headings count under `UDC Endpoints`
    and under `UDC Endpoints (5/5)`.
    """
    sections = read_sections(markdown)
    contract = sections.get("UDC Endpoints", "") + sections.get("UDC Endpoints (5/5)", "")
    return SpecForm(
        sections=sections,
        metadata=_metadata(markdown),
        endpoints=frozenset(_ENDPOINT.findall(contract)),
        dependencies=_dependencies(sections.get("Dependencies", "")),
    )


def read_sections(markdown: str) -> dict[str, str]:
    """Every level 1 or 2 heading's text with the text below it, stripped."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in markdown.split("\n"):
        heading = _HEADING.fullmatch(line)
        if heading:
            lines = sections[heading[1].strip()] = []
        else:
            lines.append(line)
    return {title: "\n".join(body).strip() for title, body in sections.items()}


def _metadata(markdown: str) -> frozenset[str]:
    first = markdown.split("\n")[:METADATA_LINES]
    labels = ("Service Name", "Port", "Version", "TIER")
    return frozenset(label for label in labels if any(line.startswith(f"**{label}:**") for line in first))


def _dependencies(section: str) -> tuple[str, ...]:
    found: list[str] = []
    for heading in ("Required", "Optional"):
        match = re.search(rf"###\s+{heading}\s*(.+?)(?=###|\Z)", section, re.DOTALL)
        lines = match[1].split("\n") if match else []
        found += [bullet[1] for line in lines if (bullet := _BULLET.match(line))]
    return tuple(found)
