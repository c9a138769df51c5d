"""Whether the configured model is still served: looked up beside the start, never in its way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from executor.adapters.model_catalog import ModelFacts
from executor.domain.conversation import Heard, ModelReply, ModelRequest, ModelService
from executor.errors import Permanent

log = structlog.get_logger(__name__)
_AGAIN_SECONDS = 24 * 3600.0
_SOON_SECONDS = 600.0

LookUp = Callable[[str], Awaitable[ModelFacts | None]]


class ModelWatch:
    """A ModelService that refuses a retired model, and knows what the service's catalogue says of the others.

    A look-up that fails changes nothing and is tried again.
    """

    def __init__(self, service: ModelService, look_up: LookUp, models: tuple[str, ...]) -> None:
        self._service = service
        self._look_up = look_up
        self._models = models
        self._known: dict[str, ModelFacts] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should know: a model that retires soon, or that nobody has heard of."""
        return tuple(facts.warning for facts in self._known.values() if facts.warning)

    def refusal(self, model: str) -> str:
        """Why a model cannot be used, empty if nothing is known against it."""
        facts = self._known.get(model)
        return f"The model {model} is retired; no build can use it." if facts and facts.retired else ""

    async def run(self) -> None:
        """Look up now, and every day for as long as the daemon runs."""
        while True:
            for model in self._models:
                await self._learn(model)
            known = len(self._known) == len(self._models)
            await asyncio.sleep(_AGAIN_SECONDS if known else _SOON_SECONDS)

    async def reply(self, request: ModelRequest, heard: Heard) -> ModelReply:
        """Ask the service; raises Permanent with code MODEL_RETIRED instead where the model is retired."""
        if refusal := self.refusal(request.model):
            raise Permanent(
                refusal,
                hint="Set [model] model to one that is served, restart the daemon, and retry the build.",
                code="MODEL_RETIRED",
            )
        return await self._service.reply(request, heard)

    async def aclose(self) -> None:
        """End the service's connections."""
        await self._service.aclose()

    async def _learn(self, model: str) -> None:
        facts = await self._look_up(model)
        if facts is None:
            return
        is_news = self._known.get(model) != facts
        self._known[model] = facts
        if is_news and facts.retired:
            log.error("model_retired", model=model, reason=self.refusal(model))
        elif is_news and facts.warning:
            log.warning("model_warning", model=model, reason=facts.warning)
