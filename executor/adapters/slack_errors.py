"""Slack's refusals, sorted by what is to be done next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import aiohttp

from executor.errors import ExecutorError, Permanent, Transient
from executor.redaction import hidden

_LATER = frozenset(
    {
        "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable",
        "request_timeout", "team_added_to_org", "accesslimited", "message_limit_exceeded", "rollup_error",
    }
)  # fmt: skip
_ANEW = (
    "Set the token anew; on the app's page, SLACK_BOT_TOKEN is under OAuth & Permissions and SLACK_APP_TOKEN"
    " under Basic Information."
)
_NEW_WEBHOOK = "Make a new incoming webhook on the app's page and set SLACK_WEBHOOK_URL."
_INVITE = "Check `channel` under [notify.NAME], and invite the app there: /invite @APP."
_HINTS = {
    **dict.fromkeys(("invalid_auth", "not_authed", "account_inactive"), _ANEW),
    **dict.fromkeys(("token_revoked", "token_expired"), _ANEW),
    **dict.fromkeys(("channel_not_found", "not_in_channel", "is_archived", "channel_is_archived"), _INVITE),
    **dict.fromkeys(("restricted_action", "action_prohibited"), "Ask the workspace's admin."),
    **dict.fromkeys(("no_service", "no_service_id", "no_active_hooks", "no_team"), _NEW_WEBHOOK),
    "invalid_token": _NEW_WEBHOOK,
    "missing_scope": "Give the app the scope chat:write and install it again.",
    "not_allowed_token_type": "SLACK_BOT_TOKEN begins with xoxb-, SLACK_APP_TOKEN with xapp-.",
    "expired_trigger_id": "Press the button again.",
}


def refusal(error: str, status: int, retry_after: str = "") -> ExecutorError:
    """The error of an answer: `error` is Slack's word, `retry_after` its header in seconds.

    Transient for a rate limit, trouble of Slack's own and 5xx, else Permanent with what to do.
    """
    word = hidden(error.strip())[:60] or str(status)
    if status in {408, 425, 429} or status >= 500 or word in _LATER:
        seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
        return Transient(f"Slack cannot take it now ({word}).", retry_after=seconds)
    return Permanent(f"Slack refuses it: {word}.", hint=_HINTS.get(word, ""), details={"error": word})


def header(headers: Mapping[str, str], name: str) -> str:
    """A header whatever its case."""
    return next((value for key, value in headers.items() if key.lower() == name), "")


@contextmanager
def no_answer() -> Iterator[None]:
    """Turn what a network does into Transient, and an address that is none into Permanent."""
    try:
        yield
    except (aiohttp.InvalidURL, aiohttp.ClientSSLError) as error:
        raise Permanent(f"Slack cannot be called ({type(error).__name__}).") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Transient(f"Slack does not answer ({type(error).__name__}).") from error
