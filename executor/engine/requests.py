"""What a caller may ask of the engine, and what it answers to a submit."""

from __future__ import annotations

from dataclasses import dataclass

from executor.domain.build import Build
from executor.store.orders import Order


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """One intent as it came in, already checked field by field at the edge.

    `key_seconds` is how long the idempotency key holds, None for good; `order` says whom to tell when the
    build has ended.
    """

    intent: str
    droplet_id: int | None = None
    droplet_name: str | None = None
    approval_mode: str | None = None
    notify_channels: tuple[str, ...] = ()
    auto_approve: bool = False
    budget_usd: float | None = None
    target: str | None = None
    idempotency_key: str = ""
    key_seconds: float | None = None
    body_digest: str = ""
    request_id: str = ""
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class SubmitReply:
    """The stored build; `replayed` when the idempotency key had been seen with this body."""

    build: Build
    estimated_completion: float
    warnings: tuple[str, ...]
    replayed: bool
