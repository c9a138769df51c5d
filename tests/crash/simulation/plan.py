"""What a seed decides before anything happens; what is drawn on the way comes from streams of its own."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from executor.engine.requests import SubmitRequest
from executor.store.orders import Order

_HOUR, _DAY = 3600.0, 86400.0
_NAMES = ("books", "orders", "mail")
_MODES = ("auto", "auto", "final", "checkpoints")


@dataclass(frozen=True)
class Plan:
    """Times are virtual seconds since the world began.

    `trouble` is how likely a request to the world goes wrong, `lifespans` are the callbacks that successive
    processes have before they are killed (None: until they are stopped), `jumps` move the wall clock.
    """

    submits: tuple[tuple[float, SubmitRequest], ...]
    visits: tuple[float, ...]
    trouble: float
    max_concurrent: int
    lifespans: tuple[int | None, ...]
    stops: tuple[float, ...]
    jumps: tuple[tuple[float, float], ...] = field(default=())
    full: tuple[tuple[float, float], ...] = field(default=())


def plan_of(seed: int) -> Plan:
    """The plan of one world."""
    chance = random.Random(f"plan {seed}")
    builds = chance.choice((1, 1, 1, 2, 2, 3, 4, 6))
    begins = sorted(chance.uniform(0, 120) for _ in range(builds))
    visits = chance.randrange(0, 8 * builds)
    return Plan(
        submits=tuple((at, _submit(chance, number)) for number, at in enumerate(begins)),
        visits=tuple(sorted(chance.uniform(0, 600) for _ in range(visits))),
        trouble=chance.choice((0.0, 0.05, 0.15, 0.3)),
        max_concurrent=chance.choice((1, 2, 4)),
        lifespans=tuple(_lifespan(chance) for _ in range(chance.randrange(0, 9))),
        stops=tuple(sorted(chance.uniform(0, 400) for _ in range(chance.choice((0, 0, 1, 3))))),
        jumps=tuple((chance.uniform(0, 500), _jump(chance)) for _ in range(chance.choice((0, 1, 2)))),
        full=tuple(_full(chance) for _ in range(chance.choice((0, 0, 0, 1, 2)))),
    )


def _submit(chance: random.Random, number: int) -> SubmitRequest:
    name, key = chance.choice(_NAMES), f"submit-{number}"
    mode = chance.choice(_MODES)
    has_order = chance.random() < 0.4
    words: dict[str, Any] = {
        "budget_usd": chance.choice((None, None, 1.0, 8.0)),
        "notify_channels": ("hook",) if chance.random() < 0.5 else (),
        "auto_approve": mode == "auto" and chance.random() < 0.4,
        "order": Order("reply", key, "http://asker/", {"variant": "a"}) if has_order else None,
    }
    return SubmitRequest(
        f"Build {name.title()} Droplet, number {number}",
        droplet_name=name,
        approval_mode=mode,
        idempotency_key=key,
        body_digest=key,
        request_id=key,
        **words,
    )


def _lifespan(chance: random.Random) -> int | None:
    """Half of the kills come early: while the process recovers from the one before."""
    kind = chance.random()
    if kind < 0.45:
        return chance.randrange(1, 80)
    return int(chance.expovariate(1 / 500)) + 1 if kind < 0.9 else None


def _jump(chance: random.Random) -> float:
    return chance.choice((-1, 1)) * chance.choice((1.0, 90.0, _HOUR, 2 * _DAY, 400 * _DAY))


def _full(chance: random.Random) -> tuple[float, float]:
    begin = chance.uniform(0, 300)
    return begin, begin + chance.choice((0.01, 0.5, 5.0, 40.0))
