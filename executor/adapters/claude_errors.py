"""What went wrong at the Messages API, sorted by what the build does next."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from executor.domain.retry import LONGEST_RETRY_AFTER
from executor.errors import ContextExceeded, ExecutorError, Permanent, Transient
from executor.redaction import Redactor

_LONGEST_QUOTE = 500
_AGAIN = "The step is tried again by itself, for as long as [model] patience says."
_LATER = frozenset({408, 409, 425, 429})
# An error inside an open stream has status 200; its type says what it would have been.
_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
}
# The service has no code for it, and other endpoints have words of their own.
_TOO_LONG = re.compile(
    r"prompt is too long|exceeds? (the )?(model's )?(maximum )?context|context (length|window|size)", re.I
)
_UNPAID = re.compile(r"credit balance|spend[_ ]limit", re.I)
# Addresses and keys that no request can be made with (httpx2's names of them).
_UNUSABLE = frozenset({"UnsupportedProtocol", "InvalidURL", "LocalProtocolError"})


class ErrorSorter:
    """Turns the SDK's errors into ours; `redactor` hides what the service repeats of the key."""

    def __init__(self, redactor: Redactor, base_url: str) -> None:
        self._redactor = redactor
        self._where = base_url or "the model API"

    def status(self, error: Any, model: str) -> ExecutorError:
        """The error for an answer with an error status, or for an error event inside a stream."""
        status = _STATUS_OF.get(error.type or "", 503) if error.status_code < 300 else error.status_code
        words = self._words(error.api_message or error.message)
        if status in _LATER or status >= 500:
            return Transient(
                f"The model API answers {_named(error)}: {words}.",
                hint=_AGAIN,
                retry_after=retry_after(error.response.headers),
            )
        return self._lasting(status, f"{words} {error.error_code or ''}".strip(), model)

    def connection(self, error: BaseException) -> ExecutorError:
        """The error for no connection, a broken one, or no answer in time."""
        reason = error.__cause__ or error
        if type(reason).__name__ in _UNUSABLE or isinstance(reason, UnicodeError):
            return Permanent(
                f"No request can be made to the model API at {self._where} ({type(reason).__name__}).",
                hint="Put [model] base_url (http:// or https://, then a host) and ANTHROPIC_API_KEY right.",
                code="MODEL_ADDRESS_UNUSABLE",
            )
        words = self._words(f"{type(reason).__name__}: {reason}")
        return Transient(f"The model API at {self._where} does not answer ({words}).", hint=_AGAIN)

    def cut(self, error: BaseException | None, content_type: str) -> Transient:
        """The error for a stream that ended too early or is none."""
        why = f" ({self._words(f'{type(error).__name__}: {error}')})" if error is not None else ""
        if "event-stream" not in content_type:
            why = f": it answers {content_type or 'something'} and not a stream"
        return Transient(
            f"The model API's reply was cut off or malformed{why}. Nothing of it was used.", hint=_AGAIN
        )

    def key_in_a_thought(self) -> Permanent:
        """The error for a signed thought that holds the key: it can be neither kept nor left out."""
        return Permanent(
            f"{self._where} says the key back in a thought of the model; nothing of that reply was kept.",
            hint="No model is shown its key: who answers at [model] base_url looks at it. Replace the key.",
            code="MODEL_SHOWS_KEY",
        )

    def late(self, seconds: float) -> Transient:
        """The error for a reply that is not complete in time."""
        return Transient(
            f"The model API's reply was not complete after {seconds:g} seconds. Nothing of it was used.",
            hint=f"{_AGAIN} [model] timeout bounds one reply.",
        )

    def _lasting(self, status: int, words: str, model: str) -> Permanent:
        if status == 413 or (status in (400, 422) and _TOO_LONG.search(words)):
            return ContextExceeded(f"The conversation does not fit the window of {model}: {words}.")
        if status == 402 or _UNPAID.search(words):
            message, hint, code = _unpaid(model, words, status)
        else:
            message, hint, code = _BY_STATUS.get(status, _refused)(model, words, status)
        return Permanent(message, hint=hint, code=code, details={"status": status})

    def _words(self, text: str) -> str:
        plain = " ".join(self._redactor.text(text).split()).rstrip(".")
        return plain if len(plain) <= _LONGEST_QUOTE else plain[:_LONGEST_QUOTE] + "…"


_Said = tuple[str, str, str]


def _key(_: str, words: str, status: int) -> _Said:
    return (
        f"The model API refuses the key ({status}): {words}.",
        "Set an ANTHROPIC_API_KEY that may use this model, start the daemon anew, and retry the build.",
        "MODEL_KEY_REFUSED",
    )


def _unknown(model: str, words: str, _: int) -> _Said:
    return (
        f"The model API does not know the model {model}, or no longer serves it: {words}.",
        "Set [model] model to one that is served; if it is, [model] base_url may not be a Messages API.",
        "MODEL_UNKNOWN",
    )


def _unpaid(_: str, words: str, status: int) -> _Said:
    return (
        f"The model API does not go on without payment ({status}): {words}.",
        "Add credit or raise the limit at the provider of the model, then retry the build.",
        "MODEL_NOT_PAID",
    )


def _refused(_: str, words: str, status: int) -> _Said:
    return (
        f"The model API refuses the request ({status}): {words}.",
        "Trying again changes nothing: look at [model]; if that is right, it is a fault of the executor.",
        "MODEL_REQUEST_REFUSED",
    )


_BY_STATUS: Mapping[int, Callable[[str, str, int], _Said]] = {401: _key, 403: _key, 404: _unknown}


def _named(error: Any) -> str:
    return error.type or "an error" if error.status_code < 300 else str(error.status_code)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait in seconds that the service asks for, at most an hour; None if it names none that can be read.

    Both forms of the header count (RFC 9110, 10.2.3), and milliseconds under a name of their own.
    """
    asked = _seconds(headers.get("retry-after-ms"))
    seconds = asked / 1000 if asked is not None else _seconds(headers.get("retry-after"))
    if seconds is None:
        seconds = _until(headers.get("retry-after"))
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _seconds(value: str | None) -> float | None:
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return None if math.isnan(seconds) else seconds


def _until(value: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - datetime.now(
        UTC
    ).timestamp()
