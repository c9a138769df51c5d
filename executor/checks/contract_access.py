"""The rules that a service with a key configured keeps: who is let in, and who is not."""

from __future__ import annotations

from executor.checks.contract_answers import GETS, MESSAGE_B
from executor.checks.contract_operations import Operation, of_business, operations
from executor.checks.probe import Answer, Probe
from executor.checks.rules import judged
from executor.checks.tokens import TokenMaker
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Finding

# /capabilities may stay open: the contract's own example leaves it so.
_GUARDED = ("/state", "/dependencies", "/message")


async def check_access(probe: Probe, tokens: TokenMaker, identity: DropletIdentity) -> tuple[Finding, ...]:
    """Ask with no token, a good one and five that look good, and judge U2's open half, U8 and U9."""
    prefix = f"/{identity.name}"
    health = [await probe.ask("GET", f"{place}/health") for place in ("", prefix)]
    shut = [f"/health without a token: {a.words}" for a in health if a.status != 200]
    return (
        judged("U2a", "Health needs no token", shut),
        judged(
            "U8", "With a key configured, all but /health need a token", await _open(probe, tokens, prefix)
        ),
        judged("U9", "Only a valid RS256 token is taken", await _wrong_tokens(probe, tokens)),
    )


async def _open(probe: Probe, tokens: TokenMaker, prefix: str) -> list[str]:
    """What answers anything but 401 without a token."""
    contract = [f"{place}{path}" for place in ("", prefix) for path in (*GETS, "/message")]
    openapi = await probe.ask("GET", "/openapi.json", token=tokens.good())
    own = of_business(operations(openapi), contract)
    guarded = [Operation(p, "POST" if p.endswith("/message") else "GET") for p in contract if _is_guarded(p)]
    problems = []
    for operation in (*guarded, *own):
        body: dict[str, str] | None = {} if operation.takes_body else None
        answer = await probe.ask(operation.method, operation.address("1"), body=body)
        if answer.status != 401:
            problems.append(f"{operation.method} {operation.path} without a token: {answer.words}")
    return problems


async def _wrong_tokens(probe: Probe, tokens: TokenMaker) -> list[str]:
    refused = {
        "an unsigned token": tokens.unsigned(),
        "an HS256 token": tokens.symmetric(),
        "an expired token": tokens.expired(),
        "a token that never expires": tokens.endless(),
        "somebody else's token": tokens.foreign(),
    }
    problems = []
    for what, token in refused.items():
        for path, answer in (await _all(probe, token)).items():
            if path in _GUARDED and answer.status != 401:
                problems.append(f"{path} with {what}: {answer.words}")
    good = await _all(probe, tokens.good())
    return problems + [f"{path} with a good token: {a.words}" for path, a in good.items() if a.status != 200]


async def _all(probe: Probe, token: str) -> dict[str, Answer]:
    answers = {path: await probe.ask("GET", path, token=token) for path in GETS}
    return {**answers, "/message": await probe.ask("POST", "/message", body=MESSAGE_B, token=token)}


def _is_guarded(path: str) -> bool:
    return path.endswith(_GUARDED)
