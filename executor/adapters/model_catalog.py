"""What the model API says of a model: one plain GET, without the SDK, that never stops anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
import structlog

log = structlog.get_logger(__name__)

PUBLIC_API = "https://api.anthropic.com"
SOON = timedelta(days=60)
_VERSION = "2026-10-21"
_MOST_BYTES = 1 << 20
_CHOOSE = "Set [model] model to another one."


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model of the catalogue.

    `lifecycle` is active, deprecated or retired, empty where the API names none, and `unknown` for a model
    that it does not know. `max_tokens` (of one reply) and `max_input_tokens` are 0 where not named. `warning`
    is a sentence for a person, empty when all is well; `retired` says that no call of it can succeed.
    """

    id: str
    lifecycle: str = ""
    retires_at: datetime | None = None
    max_tokens: int = 0
    max_input_tokens: int = 0
    warning: str = ""
    retired: bool = False


async def look_up(
    session: aiohttp.ClientSession,
    model: str,
    *,
    base_url: str = "",
    api_key: str = "",
    timeout: float = 10.0,
    now: datetime | None = None,
) -> ModelFacts | None:
    """Ask once about `model`; None for no answer, or one that cannot be read. Never raises.

    `base_url` empty is Anthropic's API. The answer may take `timeout` seconds.
    """
    try:
        status, body = await _asked(session, model, base_url or PUBLIC_API, api_key, timeout)
        if status == 404:
            return _unknown(model)
        if status != 200:
            log.info("model_look_up_failed", model=model, status=status)
            return None
        return _facts(model, json.loads(body), now or datetime.now(UTC))
    except Exception as error:
        # Whatever it is, builds go on without these facts. Not its words: a wrong header is quoted in them.
        log.info("model_look_up_failed", model=model, reason=type(error).__name__)
        return None


async def _asked(
    session: aiohttp.ClientSession, model: str, base_url: str, key: str, timeout: float
) -> tuple[int, bytes]:
    headers = {"anthropic-version": _VERSION}
    if key.strip():
        headers["authorization"] = f"Bearer {key.strip()}"
    async with session.get(
        f"{base_url.rstrip('/')}/v1/models/{quote(model, safe='')}",
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=timeout),
        allow_redirects=False,
    ) as response:
        body = bytearray()
        async for chunk in response.content.iter_chunked(1 << 16):
            body += chunk
            if len(body) > _MOST_BYTES:
                raise ValueError("the answer is no description of one model")
        return response.status, bytes(body)


def _unknown(model: str) -> ModelFacts:
    warning = f"The model API does not know the model {model}; builds that need it will fail. {_CHOOSE}"
    return ModelFacts(model, lifecycle="unknown", warning=warning)


def _facts(model: str, body: Mapping[str, Any], now: datetime) -> ModelFacts:
    """Raises for a body of another form."""
    lifecycle, retires_at = str(body.get("lifecycle") or ""), _moment(body.get("retires_at"))
    retired = _is_retired(lifecycle, retires_at, now)
    return ModelFacts(
        id=str(body["id"]) if body.get("id") else model,
        lifecycle=lifecycle,
        retires_at=retires_at,
        max_tokens=int(body.get("max_tokens") or 0),
        max_input_tokens=int(body.get("max_input_tokens") or 0),
        warning=_warning(model, lifecycle, retires_at, now, retired),
        retired=retired,
    )


def _is_retired(lifecycle: str, retires_at: datetime | None, now: datetime) -> bool:
    """The lifecycle says it: a deprecated model whose date is past is overdue and still answers.

    So has it the API's reference (ModelInfo.retires_at). Where it says neither, the date has to do.
    """
    if lifecycle in ("retired", "deprecated"):
        return lifecycle == "retired"
    return retires_at is not None and retires_at <= now


def _warning(model: str, lifecycle: str, at: datetime | None, now: datetime, retired: bool) -> str:
    on = f" on {at:%Y-%m-%d}" if at is not None else ""
    if retired:
        return f"The model {model} was retired{on}; no call of it succeeds. {_CHOOSE}"
    if at is not None and at <= now:
        return f"The model {model} was to be retired{on} and may stop answering any day. {_CHOOSE}"
    if at is not None and (at - now <= SOON or lifecycle == "deprecated"):
        return f"The model {model} will be retired{on}. {_CHOOSE}"
    if lifecycle == "deprecated":
        return f"The model {model} is deprecated and will be retired. {_CHOOSE}"
    return ""


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
