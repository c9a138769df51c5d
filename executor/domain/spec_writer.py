"""The SPEC written from the intent by rule: no model, the same words for the same request."""

from __future__ import annotations

from dataclasses import dataclass

from executor.domain.droplet import DropletIdentity
from executor.domain.spec import Resource
from executor.domain.spec_draft import draft_notes
from executor.domain.spec_gaps import gaps
from executor.domain.spec_reader import SECTION, as_json
from executor.domain.spec_resources import Understanding, understand
from executor.domain.spec_sections import (
    business_endpoints,
    capabilities,
    contract_endpoints,
    dependencies,
    example_usage,
    file_structure,
    metadata,
    optimizations,
    purpose,
    tech_stack,
)
from executor.domain.spec_text import block, bullets

NO_MODEL = "No model was used: this SPEC was written by rule from the nouns and fields that the intent names."


@dataclass(frozen=True, slots=True)
class SpecRequest:
    """What a SPEC is written from.

    `previous_resources` are those of the last release, which a new one keeps; `feedback` is what people and
    repairs said, oldest first; `draft` is the output of fp-tools, of which the useful lines are kept.
    """

    identity: DropletIdentity
    intent: str
    previous_resources: tuple[Resource, ...] = ()
    feedback: tuple[str, ...] = ()
    draft: str = ""


def write_spec(request: SpecRequest) -> str:
    """Return the SPEC as Markdown in the form that scores 100 by `score_spec` and reads back.

    Nothing in the intent, the feedback or the draft can add a heading, a metadata line or a code fence.
    """
    identity = request.identity
    known = understand(request.intent, identity.name, request.previous_resources)
    sections = [
        ("Purpose", purpose(identity, request.intent, known.resources)),
        ("Capabilities", capabilities(known.resources)),
        ("UDC Endpoints", contract_endpoints(identity)),
        ("Dependencies", dependencies()),
        ("Business Logic Endpoints", business_endpoints(known.resources)),
        (SECTION, _resources(known.resources)),
        ("Assumptions", bullets((NO_MODEL, *known.assumptions))),
        ("Left Out", _left_out(request, known)),
        ("Optimization Opportunities", optimizations()),
        ("Tech Stack", tech_stack()),
        ("File Structure", file_structure()),
        ("Example Usage", example_usage(identity, known.resources)),
        ("Architect Intent", block(request.intent)),
        *_draft(request),
    ]
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections)
    return f"# SPEC: {identity.title} (droplet {identity.id})\n\n{metadata(identity)}\n\n{body}\n"


def _resources(resources: tuple[Resource, ...]) -> str:
    return f"What the droplet stores, for programs to read.\n\n```json\n{as_json(resources)}\n```"


def _left_out(request: SpecRequest, known: Understanding) -> str:
    found = gaps(request.intent, known.unused, request.feedback)
    return bullets(
        (*found, "Any behaviour beyond creating, reading, changing and deleting the resources above.")
    )


def _draft(request: SpecRequest) -> list[tuple[str, str]]:
    notes = draft_notes(request.draft, request.intent)
    return [("Notes From fp-tools", notes)] if notes else []
