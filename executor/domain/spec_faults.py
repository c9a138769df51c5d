"""Where a SPEC cannot be built or tested as it stands: what its points do not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator

from executor.domain.spec_endpoints import endpoints_of
from executor.domain.spec_form import read_sections

BUSINESS = "Business Logic Endpoints"
_SERVED_ALREADY = re.compile(
    r"^###\s+(?:\d+\.\s+)?`?((?:GET|POST)\s+"
    r"/(?:health|capabilities|state|dependencies|message|metrics|openapi\.json))`?\s*$",
    re.MULTILINE,
)
_REQUIREMENT = re.compile(r"^[ \t]*(?:[-*][ \t]+)?(?:\*\*)?(R\d+)\b", re.MULTILINE)
_SUCCESS = re.compile(r"\b2\d\d\b")
_PARAMETER = re.compile(r"\{[^}]*\}|(?<=/)id(?![\w-])|:\w+")


def faults(spec: str) -> tuple[str, ...]:
    """One sentence for each thing that whoever builds or tests by this SPEC would stumble over."""
    return (*_endpoint_faults(spec), *_requirement_faults(spec))


def dropped(served: str, spec: str, removed: tuple[str, ...]) -> tuple[str, ...]:
    """`METHOD /path` of the endpoints of an earlier SPEC that a SPEC neither has nor names in `removed`."""
    kept = {_shape(endpoint) for endpoint in endpoints_of(spec)}
    named = [_shape(reason) for reason in removed]
    return tuple(
        endpoint
        for endpoint in endpoints_of(served)
        if _shape(endpoint) not in kept and not any(_names(reason, _shape(endpoint)) for reason in named)
    )


def _endpoint_faults(spec: str) -> Iterator[str]:
    section = read_sections(spec).get(BUSINESS, "")
    if not endpoints_of(section):
        yield f'{BUSINESS} names no endpoint; write each as "### 1. POST /books".'
    for call in _SERVED_ALREADY.findall(section):
        yield f"{call} is served by the skeleton already; leave it out or choose another path."
    for part in re.split(r"^(?=###\s)", section, flags=re.MULTILINE):
        if (named := endpoints_of(part)) and not _SUCCESS.search(part):
            yield f"{named[0]} names no status of success (200, 201, 202 or 204)."


def _requirement_faults(spec: str) -> Iterator[str]:
    numbers = _REQUIREMENT.findall(spec)
    if not numbers:
        yield 'No requirement is numbered; start each with "- **R1**", "- **R2**" and so on.'
    for twin in sorted({number for number in numbers if numbers.count(number) > 1}):
        yield f"The number {twin} begins two requirements; each has a number of its own."


def _shape(text: str) -> str:
    """With every path parameter alike, however it is called; `/books/id` is how SPECs by rule write it."""
    return _PARAMETER.sub("{}", text)


def _names(reason: str, endpoint: str) -> bool:
    """True if the endpoint stands in the text, and not only as the start of a longer path."""
    return re.search(re.escape(endpoint) + r"(?![\w/{-])", reason) is not None
