"""What a step needs to hold conversations with a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from executor.agent.budget import SpendingLimits
from executor.agent.conversation import Conversation, Form
from executor.domain.conversation import ModelService
from executor.domain.prices import PriceList
from executor.domain.step import StepContext
from executor.store.turns import Turns


@dataclass(frozen=True, slots=True)
class ModelAccess:
    """The service, where its turns are kept, and the limits. `stronger_model` is empty where none is set.

    `max_tokens` bounds one reply.
    """

    turns: Turns
    service: ModelService
    prices: PriceList
    limits: SpendingLimits
    model: str
    stronger_model: str = ""
    effort: str = ""
    max_tokens: int = 32_000

    async def open(
        self,
        context: StepContext,
        name: str,
        *,
        system: str,
        tools: tuple[Mapping[str, Any], ...] = (),
        output: type[Any] | None = None,
        model: str | None = None,
    ) -> Conversation:
        """Open a conversation of this build by name, with everything that was said in it before."""
        form = Form(name, model or self.model, system, self.max_tokens, tools, self.effort, output)
        known = await self.turns.messages(context.build.id, name)
        return Conversation(context, self, form, known)
