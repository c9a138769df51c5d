"""What people say to a build: approve, answer, budget, cancel, retry, rollback."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from executor.domain.build import FIRST_STEP, LAST_STEP, Build
from executor.web import queries
from executor.web.api import Api
from executor.web.bodies import invalid, parse, read_json
from executor.web.lookup import find_build
from executor.web.replies import Json
from executor.web.schemas import AnswerBody, ApproveBody, BudgetBody, EmptyBody, RetryBody, RollbackBody
from executor.web.status import StatusDocuments


class Decisions:
    """Each answers with the build's status document as it is after the decision was stored."""

    def __init__(self, api: Api, documents: StatusDocuments) -> None:
        self._api = api
        self._documents = documents

    async def approve(self, request: Request) -> Response:
        """Decide at the open gate, else at the review."""
        build_id = await self._build_id(request)
        body = parse(ApproveBody, await read_json(request))
        build = await self._api.commands.approve(
            build_id,
            checkpoint=body.checkpoint,
            decision=body.decision.value,
            feedback=body.feedback,
            gate_id=body.gate_id,
        )
        return self._answer(build)

    async def answer(self, request: Request) -> Response:
        """Answer the open questions."""
        build_id = await self._build_id(request)
        body = parse(AnswerBody, await read_json(request))
        return self._answer(await self._api.commands.answer(build_id, body.answers))

    async def budget(self, request: Request) -> Response:
        """Raise the budget."""
        build_id = await self._build_id(request)
        body = parse(BudgetBody, await read_json(request))
        return self._answer(await self._api.commands.top_up(build_id, body.usd))

    async def cancel(self, request: Request) -> Response:
        """Stop the build."""
        build_id = await self._build_id(request)
        parse(EmptyBody, await read_json(request))
        return self._answer(await self._api.commands.cancel(build_id))

    async def retry(self, request: Request) -> Response:
        """Queue the build again, from the step in the body or the query."""
        build_id = await self._build_id(request)
        body = parse(RetryBody, await read_json(request))
        asked = queries.optional_whole(request, "from_step", low=FIRST_STEP, high=LAST_STEP)
        if asked is not None and body.from_step not in {None, asked}:
            raise invalid(["from_step"], "the body and the query name different steps")
        return self._answer(await self._api.commands.retry(build_id, body.from_step or asked))

    async def rollback(self, request: Request) -> Response:
        """Withdraw the build's release."""
        build_id = await self._build_id(request)
        body = parse(RollbackBody, await read_json(request))
        return self._answer(await self._api.commands.rollback(build_id, body.to))

    async def _build_id(self, request: Request) -> str:
        """An unknown build is 404 whatever the body says."""
        return (await find_build(self._api, request.path_params["build_id"])).id

    def _answer(self, build: Build) -> Response:
        return Json(self._documents.document(build))
