"""Who a droplet is: the values that the template, the SPEC, the release and the registry share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DropletIdentity:
    """`name` is lower case, letters, digits and hyphens, at most 40 characters; it starts with a letter."""

    id: int
    name: str
    version: str
    purpose: str
    port: int

    @property
    def slug(self) -> str:
        """The repository's name in the ecosystem: droplet-NUMBER-NAME."""
        return f"droplet-{self.id}-{self.name}"

    @property
    def title(self) -> str:
        """The name as people write it: `analytics-engine` is Analytics Engine."""
        return " ".join(word.capitalize() for word in self.name.split("-"))
