"""A SPEC put together from what an author wrote and what the executor knows for certain by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from executor.domain.droplet import DropletIdentity
from executor.domain.spec_sections import contract_endpoints, file_structure, metadata, tech_stack
from executor.domain.spec_text import block, bullets

AUTHORED = (
    "Purpose",
    "Capabilities",
    "Dependencies",
    "Business Logic Endpoints",
    "Optimization Opportunities",
    "Example Usage",
)
"""The sections that the author owes; he may add others. All else is the executor's."""
_OWN = frozenset(
    {
        "Conventions",
        "UDC Endpoints",
        "UDC Endpoints (5/5)",
        "Tech Stack",
        "File Structure",
        "Assumptions",
        "Decisions",
        "No Longer Served",
        "Architect Intent",
    }
)
_FENCES = ("```", "~~~")
CONVENTIONS = """Unless an endpoint says otherwise:

- Bodies are JSON. A success is `{"data": …, "meta": {"timestamp": …, "version": "1.0"}}`: what an endpoint is
  said to answer is the value of `data`; examples leave `meta` out. The `meta` of a list also has `total`,
  `limit` and `offset`. A 204 has no body.
- An error is `{"error": {"code": …, "message": …, "details": …, "request_id": …}, "status": "error"}`. `code`
  follows from the status: 400 INVALID_REQUEST, 401 UNAUTHORIZED, 403 FORBIDDEN, 404 NOT_FOUND,
  405 METHOD_NOT_ALLOWED, 409 CONFLICT, 413 PAYLOAD_TOO_LARGE, 429 RATE_LIMITED, 503 DEPENDENCY_UNAVAILABLE.
- Malformed JSON, and input with a field that is missing, unknown, of the wrong type or out of bounds, are
  answered with 400, never 422, and change nothing. An id in a path that names nothing is 404 whatever it
  looks like, so is a path that does not exist; a method that a path does not have is 405.
- A list takes `limit` (1 to 200, 50 if left out) and `offset` (0 or more, 0 if left out). Query parameters
  that an endpoint does not name are ignored.
- Times are ISO 8601 in UTC and end in Z.
- What is stored outlives a restart.
- Bearer tokens are asked for only once a public key is configured; none is while the service is tested."""


@dataclass(frozen=True, slots=True)
class Authored:
    """What an author gives. `decisions` are questions and the architect's answers.

    `body` is Markdown with level 2 headings; `removed` are endpoints that the last release served and this
    one does not, each with the reason.
    """

    body: str
    assumptions: tuple[str, ...] = ()
    decisions: tuple[tuple[str, str], ...] = ()
    removed: tuple[str, ...] = ()


def assemble(identity: DropletIdentity, intent: str, authored: Authored) -> str:
    """Return the whole SPEC: title, metadata, contract, conventions and records are written here, always.

    Whatever the author writes under one of those titles, or above the first level 2 heading, is left out.
    """
    sections = [(title, text) for title, text in authored_sections(authored.body) if title not in _OWN]
    sections += [("Conventions", CONVENTIONS), ("UDC Endpoints", contract_endpoints(identity))]
    sections += _records(authored)
    sections += [
        ("Tech Stack", tech_stack()),
        ("File Structure", file_structure()),
        ("Architect Intent", block(intent)),
    ]
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections)
    return f"# SPEC: {identity.title} (droplet {identity.id})\n\n{metadata(identity)}\n\n{body}\n"


def _records(authored: Authored) -> list[tuple[str, str]]:
    decided = [f"{question} {answer}" for question, answer in authored.decisions]
    listed = [
        ("Decisions", ["The architect decided:"], decided),
        ("Assumptions", [], authored.assumptions or ("None: the intent leaves nothing open.",)),
        (
            "No Longer Served",
            ["Served by the last release and not by this one:"],
            authored.removed,
        ),
    ]
    return [
        (title, "\n\n".join([*lead, bullets([_flat(line) for line in lines])]))
        for title, lead, lines in listed
        if lines
    ]


def _flat(text: str) -> str:
    """On one line, so that it stays one bullet and can start neither a heading nor a fence."""
    return " ".join(text.split())


def authored_sections(markdown: str) -> list[tuple[str, str]]:
    """Level 2 headings outside of code, each with its text; a fence that stays open is closed at the end."""
    sections: list[tuple[str, list[str]]] = []
    fence = ""
    for line in markdown.splitlines():
        mark = line.lstrip()[:3]
        if mark in _FENCES and (not fence or mark == fence):
            fence = "" if fence else mark
        if line.startswith("## ") and not fence:
            sections.append((line[3:].strip(), []))
        elif sections:
            sections[-1][1].append(line)
    if fence and sections:
        sections[-1][1].append(fence)
    return [(title, _text(lines)) for title, lines in sections]


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines).strip()
