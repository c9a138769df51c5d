"""JSON replies, encoded in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response


class Json(Response):
    """A JSON body; NaN and infinities become null, so that every reply is JSON."""

    media_type = "application/json"

    def __init__(
        self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        body = content if isinstance(content, bytes) else to_json(content, inf_nan_mode="null")
        super().__init__(body, status_code, headers)
