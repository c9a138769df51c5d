"""What the open pages are sent: messages, and the memory of what one page has been given."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_CLOCK = re.compile(r'(data-since="[^"]*">)[^<]*')
# An event and not a comment: the page itself has to notice when nothing comes any more.
STILL = "event: still\ndata: {}\n\n"


class Sent:
    """What one page has been given, so that only what is different is sent."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def changed(self, parts: Mapping[str, str]) -> list[str]:
        """The messages for the parts that differ; a clock that the page counts itself is no difference."""
        new = []
        for name, html in parts.items():
            still = _CLOCK.sub(r"\1", html)
            if self._known.get(name) != still:
                self._known[name] = still
                new.append(event("part", {"id": name, "html": html}))
        return new


def event(name: str, data: Mapping[str, Any]) -> str:
    """One message as it goes over the wire."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
