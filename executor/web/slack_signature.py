"""Slack's signature: HMAC-SHA256 over the raw body and its time, fresh, and taken once (trust.md)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from executor.web.envelope import Refusal

WINDOW = 300
"""Seconds that a request may be old, or ahead of our clock."""


class SlackSignatures:
    """Checks requests with one signing secret; `clock` is the wall's, in seconds since the epoch.

    What was taken is remembered while it would be fresh. A restart forgets it; a decision that comes again
    then is still answered as the repeat that it is (engine/decisions.py).
    """

    def __init__(self, secret: str, clock: Callable[[], float]) -> None:
        self._secret = secret.encode()
        self._clock = clock
        self._taken: dict[bytes, int] = {}

    def check(self, body: bytes, timestamp: str, signature: str) -> None:
        """Take a request once. Raises Refusal 401 for one that is forged, stale or replayed."""
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise _refused("it has no time")
        now = self._clock()
        if abs(now - int(timestamp)) > WINDOW:
            raise _refused(f"it is more than {WINDOW} seconds off this machine's clock")
        expected = self._signature(body, timestamp)
        if not hmac.compare_digest(expected, signature.encode()):
            raise _refused("the signature is not the one that SLACK_SIGNING_SECRET makes")
        self._taken = {seen: at for seen, at in self._taken.items() if now - at <= WINDOW}
        if expected in self._taken:
            raise _refused("it was taken before")
        self._taken[expected] = int(timestamp)

    def _signature(self, body: bytes, timestamp: str) -> bytes:
        signed = b"v0:" + timestamp.encode() + b":" + body
        return b"v0=" + hmac.new(self._secret, signed, hashlib.sha256).hexdigest().encode()


def _refused(why: str) -> Refusal:
    return Refusal(
        401,
        "BAD_SIGNATURE",
        f"The request was not taken as Slack's: {why}. Nothing was decided.",
        hint="The signing secret is on the app's page, under Basic Information; the clock has to be right.",
    )
