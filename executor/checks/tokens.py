"""RS256 tokens for the contract's authentication checks: a key pair made for one run of the service."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


@dataclass(frozen=True, slots=True)
class TokenMaker:
    """`public_pem` is what the droplet is told; the private half never leaves the daemon."""

    key: rsa.RSAPrivateKey
    public_pem: str

    @classmethod
    def new(cls) -> TokenMaker:
        """Generate a key pair."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return cls(key, key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())

    def good(self) -> str:
        """A token as the ecosystem issues it (U9)."""
        return self._signed(_claims(60))

    def expired(self) -> str:
        """The same, an hour too old."""
        return self._signed(_claims(-3600))

    def endless(self) -> str:
        """A good signature over claims that lack `exp`."""
        return self._signed({name: value for name, value in _claims(60).items() if name != "exp"})

    def unsigned(self) -> str:
        """Algorithm `none`."""
        return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(_claims(60))}."

    def symmetric(self) -> str:
        """HS256 with the public key as its secret: the classic confusion of algorithms."""
        text = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(_claims(60))}"
        mac = hmac.new(self.public_pem.encode(), text.encode(), hashlib.sha256).digest()
        return f"{text}.{_base64(mac)}"

    def foreign(self) -> str:
        """Signed by somebody else's key."""
        return TokenMaker.new().good()

    def _signed(self, claims: dict[str, Any]) -> str:
        text = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
        return f"{text}.{_base64(self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _claims(lifetime: int) -> dict[str, Any]:
    now = int(time.time())
    names = {"service_id": "verifier", "service_name": "verifier", "capabilities": ["verify"]}
    return {**names, "iat": now - 7200 if lifetime < 0 else now, "exp": now + lifetime}


def _part(value: object) -> str:
    return _base64(json.dumps(value).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
