"""POST /hooks/slack: presses of buttons and forms that were sent, as Slack signs them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from executor.errors import Invalid
from executor.web.api import Api
from executor.web.bodies import read_raw
from executor.web.envelope import Refusal
from executor.web.replies import Json
from executor.web.slack_signature import SlackSignatures


class SlackHook:
    """Takes what is signed, fresh and new; there is nothing at its address without SLACK_SIGNING_SECRET."""

    def __init__(self, api: Api) -> None:
        self._clicks = api.clicks
        secret = api.slack_signing_secret
        self._signatures = SlackSignatures(secret, time.time) if secret else None

    async def receive(self, request: Request) -> Response:
        """Answer within Slack's three seconds: empty, or what is wrong with a form."""
        if self._clicks is None or self._signatures is None:
            raise _not_configured()
        body, headers = await read_raw(request), request.headers
        timestamp = headers.get("x-slack-request-timestamp", "")
        self._signatures.check(body, timestamp, headers.get("x-slack-signature", ""))
        answer = await self._clicks.handle(_payload(body))
        return Response() if answer is None else Json(answer)


def _payload(body: bytes) -> Mapping[str, Any]:
    try:
        (text,) = parse_qs(body.decode(), strict_parsing=True, max_num_fields=10)["payload"]
        payload = json.loads(text)
    except (ValueError, KeyError, RecursionError) as error:
        raise Invalid("The body holds no payload of Slack's interactivity.") from error
    if not isinstance(payload, dict):
        raise Invalid("The payload is not a JSON object.")
    return payload


def _not_configured() -> Refusal:
    return Refusal(
        404,
        "NOT_CONFIGURED",
        "This daemon takes nothing from Slack, since it has no signing secret to tell Slack by.",
        hint="Set SLACK_SIGNING_SECRET (the app's page, Basic Information) and restart; or set"
        " SLACK_APP_TOKEN, and clicks arrive over Socket Mode without any address.",
    )
