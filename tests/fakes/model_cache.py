"""The service's prompt cache: what was sent before as a prefix, up to a mark, is read from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.fakes.model_form import blocks

LOOK_BACK = 20


def tokens(value: Any) -> int:
    """A plain measure: four characters of JSON are one token."""
    return -(-len(json.dumps(value)) // 4)


class PrefixCache:
    """Prefixes by digest. A mark writes the prefix that it ends, and reads the longest one behind it."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def usage(self, body: Mapping[str, Any]) -> dict[str, int]:
        """The input figures of this request's usage; what it marks is known from now on."""
        digest = hashlib.sha256(json.dumps([body["model"], body.get("thinking")]).encode())
        sums, ends, total = [], [], 0
        marks: list[int] = []
        for position, (part, marked) in enumerate(_parts(body)):
            digest.update(json.dumps(part, sort_keys=True).encode())
            total += tokens(part)
            sums.append(total)
            ends.append(digest.hexdigest())
            if marked:
                marks.append(position)
        read = max((sums[at] for at in self._hits(ends, marks)), default=0)
        written = max((sums[at] for at in marks), default=0)
        self._known |= {ends[at] for at in marks}
        return {
            "input_tokens": total - max(read, written),
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": max(0, written - read),
        }

    def _hits(self, ends: list[str], marks: list[int]) -> Iterator[int]:
        for mark in marks:
            for at in range(mark, max(-1, mark - LOOK_BACK), -1):
                if ends[at] in self._known:
                    yield at
                    break


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[Any, bool]]:
    """Tools, system, messages, in the order of the prefix; a mark is no part of what it marks."""
    said = [(message["role"], block) for message in body["messages"] for block in blocks(message["content"])]
    named = [("tool", tool) for tool in body.get("tools") or []]
    named += [("system", block) for block in blocks(body.get("system") or [])]
    named += said
    last = len(named) - 1 if body.get("cache_control") else -1
    for position, (role, block) in enumerate(named):
        bare = {key: value for key, value in block.items() if key != "cache_control"}
        yield (role, bare), bool(block.get("cache_control")) or position == last
