"""The tokens that the Verifier shows to a service, as any RS256 library reads them."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from executor.checks.tokens import TokenMaker


@pytest.fixture(scope="module")
def maker() -> TokenMaker:
    return TokenMaker.new()


def part(token: str, index: int) -> dict[str, Any]:
    return json.loads(raw(token, index))


def raw(token: str, index: int) -> bytes:
    text = token.split(".")[index]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verify(token: str, pem: str) -> None:
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, RSAPublicKey)
    key.verify(raw(token, 2), token.rpartition(".")[0].encode(), PKCS1v15(), SHA256())


def test_a_good_token_carries_the_ecosystems_claims_and_signature(maker: TokenMaker):
    token = maker.good()
    verify(token, maker.public_pem)
    claims = part(token, 1)
    assert part(token, 0)["alg"] == "RS256"
    assert claims.keys() == {"service_id", "service_name", "capabilities", "iat", "exp"}
    assert claims["iat"] <= time.time() < claims["exp"]


def test_an_expired_and_an_endless_token_are_well_signed(maker: TokenMaker):
    verify(maker.expired(), maker.public_pem)
    verify(maker.endless(), maker.public_pem)
    claims = part(maker.expired(), 1)
    assert claims["iat"] < claims["exp"] < time.time()
    assert "exp" not in part(maker.endless(), 1)


def test_a_foreign_token_is_good_but_for_its_key(maker: TokenMaker):
    token = maker.foreign()
    assert part(token, 1)["exp"] > time.time()
    with pytest.raises(InvalidSignature):
        verify(token, maker.public_pem)


def test_the_confusing_ones_name_other_algorithms(maker: TokenMaker):
    assert part(maker.unsigned(), 0)["alg"] == "none" and maker.unsigned().endswith(".")
    assert part(maker.symmetric(), 0)["alg"] == "HS256"
