"""Links in mails that show one opening of one gate, and let whoever holds them decide there, once.

The link carries what it is about and a signature, so nothing has to be stored. It is used up by the decision:
a gate that was decided has another id or none (domain/gates.py).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class Approval:
    """What a link is about: a build, the opening of a gate, and to whom it was sent."""

    build_id: str
    checkpoint: str
    gate_id: str
    to: str


class ApprovalLinks:
    """Signs and reads the tokens of `/a/{token}`; `key` is the state directory's."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.new(key, b"approval links", hashlib.sha256).digest()

    def token(self, approval: Approval) -> str:
        """The token of an approval: the same one each time."""
        text = json.dumps(astuple(approval), separators=(",", ":")).encode()
        return f"{_encoded(text)}.{_encoded(self._mac(text))}"

    def read(self, token: str) -> Approval | None:
        """What a token is about; None unless this daemon signed it."""
        text, _, mac = token.partition(".")
        try:
            signed = _decoded(text)
            if not hmac.compare_digest(_decoded(mac), self._mac(signed)):
                return None
        except (ValueError, binascii.Error):
            return None
        return Approval(*json.loads(signed))

    def _mac(self, text: bytes) -> bytes:
        return hmac.new(self._key, text, hashlib.sha256).digest()


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
