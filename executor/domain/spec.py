"""The SPEC's structured part: what the droplet stores and serves, beside the prose that explains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FieldType = Literal["string", "text", "integer", "number", "boolean", "datetime"]


@dataclass(frozen=True, slots=True)
class ResourceField:
    """One typed attribute of a resource; `name` is snake_case and a valid Python identifier."""

    name: str
    type: FieldType
    required: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of thing that the droplet stores; served as a collection under `/<plural>`."""

    name: str
    plural: str
    description: str
    fields: tuple[ResourceField, ...]


@dataclass(frozen=True, slots=True)
class SpecScore:
    """A SPEC's points by the ecosystem's spec-verifier rules (ecosystem.md section 7), each 0 to 100."""

    completeness: float
    clarity: float
    udc_compliance: float
    build_readiness: float
    overall: float
    errors: tuple[str, ...]
    recommendations: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """No errors; independent of the score, as in the ecosystem's own verifier."""
        return not self.errors
