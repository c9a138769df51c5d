"""The limits of a build's spending, read from its own row before each model call (trust.md, money)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from executor.domain.build import Build
from executor.domain.step import StepContext
from executor.errors import BudgetSpent

NOTICES = (50, 80, 100)
MORE_TURNS, MORE_TOKENS = "turns_allowed", "tokens_allowed"
"""Facts: what a person allowed beyond the configured limits by letting the build go on."""


@dataclass(frozen=True, slots=True)
class SpendingLimits:
    """Limits of every build beside its own budget in dollars; 0 tokens means no limit."""

    max_turns: int
    budget_tokens: int = 0


def refuse_when_spent(build: Build, limits: SpendingLimits) -> None:
    """Raise BudgetSpent when a limit is reached; its `details` hold the facts that would raise the limit."""
    facts = build.facts
    spent, turns, tokens = facts.get("cost_usd", 0.0), facts.get("turns", 0), facts.get("tokens", 0)
    if build.budget_usd and spent >= build.budget_usd:
        raise BudgetSpent(
            f"The budget of ${build.budget_usd:.2f} is spent (${spent:.2f}).",
            hint=f"`fpai budget {build.id} 5` adds 5 dollars and the build goes on by itself.",
            details={"needs": "budget"},
        )
    if turns >= facts.get(MORE_TURNS, limits.max_turns):
        raise BudgetSpent(
            f"The model has been called {turns} times, the limit of one build ([model] max_turns).",
            hint="To go on allows as many again.",
            details={"facts": {MORE_TURNS: turns + limits.max_turns}},
        )
    if limits.budget_tokens and tokens >= facts.get(MORE_TOKENS, limits.budget_tokens):
        raise BudgetSpent(
            f"{tokens:,} tokens are used, the limit of one build ([builds] budget_tokens).",
            hint="To go on allows as many again.",
            details={"facts": {MORE_TOKENS: tokens + limits.budget_tokens}},
        )


async def give_notice(context: StepContext) -> None:
    """Write an event when half, four fifths or all of the dollars are spent; once for each budget."""
    build = context.build
    if not build.budget_usd:
        return
    spent = float(build.facts.get("cost_usd", 0.0))
    told = build.facts.get("budget_told") or {}
    already = told.get("percent", 0) if told.get("budget") == build.budget_usd else 0
    reached = max(_reached(spent, build.budget_usd), default=0)
    if reached > already:
        await context.record(
            "budget_notice",
            f"{reached} % of the budget is spent: ${spent:.2f} of ${build.budget_usd:.2f}.",
            {"budget_told": {"budget": build.budget_usd, "percent": reached}},
            data={"percent": reached, "spent_usd": spent, "budget_usd": build.budget_usd},
        )


def _reached(spent: float, budget: float) -> Iterator[int]:
    return (percent for percent in NOTICES if spent >= budget * percent / 100)
