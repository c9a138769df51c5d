"""The ecosystem's spec-verifier: what it thinks of a SPEC (ecosystem.md section 7). An opinion, no gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from executor.adapters.http import JsonService
from executor.domain.findings import Finding, Result, shown_text
from executor.errors import ExecutorError

_TITLE = "What the spec-verifier thinks of the SPEC"
_PARTS = ("completeness", "clarity", "udc_compliance", "build_readiness")
_MOST_SAID = 5


class SpecVerifier:
    """One spec-verifier, asked once for each SPEC; `timeout` is in seconds, for the whole answer."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, *, timeout: float = 10.0) -> None:
        self._service = JsonService(
            session, base_url, name="spec-verifier", setting="[spec] verifier_url", timeout=timeout
        )

    async def opinion(self, spec: str) -> Finding:
        """V1, always a note: validity, score, errors, or why nothing was heard. Raises no ExecutorError."""
        try:
            reply = await self._service.call("POST", "/verify", {"spec_content": spec})
        except ExecutorError as error:
            return _note(f"not heard: {error.message}")
        return _note(_told(reply.body))


def _note(text: str) -> Finding:
    return Finding("V1", _TITLE, Result.NOTE, shown_text(text))


def _told(body: Mapping[str, Any]) -> str:
    score, valid = body.get("score"), body.get("valid")
    if not isinstance(score, Mapping) or not isinstance(valid, bool):
        return "not heard: the spec-verifier's answer holds no verdict"
    parts = ", ".join(f"{name} {score[name]}" for name in _PARTS if name in score)
    said = [f"{'valid' if valid else 'not valid'}, {score.get('overall', '?')} of 100 ({parts})"]
    for kind in ("errors", "warnings"):
        items = body.get(kind)
        if isinstance(items, list) and items:
            said.append(f"{kind}: {'; '.join(map(str, items[:_MOST_SAID]))}")
    return "; ".join(said)
