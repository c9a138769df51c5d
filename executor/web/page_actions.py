"""What the forms of a build's page do: the same verbs as the API, answered with the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from executor.domain.build import FIRST_STEP, LAST_STEP, Build
from executor.domain.gates import Checkpoint, Decision
from executor.errors import ExecutorError, Invalid
from executor.web.api import Api
from executor.web.envelope import status_of
from executor.web.forms import Form
from executor.web.lookup import find_build
from executor.web.page_build import BuildPage

_LONGEST = 10_000
_HIGHEST_TOP_UP = 100_000
_SAID = {"approve": "Approved.", "reject": "Rejected.", "revise": "Sent back with your words."}
Act = Callable[[Build, Form], Awaitable[str]]


class PageActions:
    """One POST for each verb; a refusal is shown on the page, with what to do about it."""

    def __init__(self, api: Api, page: BuildPage) -> None:
        self._commands = api.commands
        self._api = api
        self._page = page

    async def decide(self, request: Request, form: Form) -> Response:
        """Approve, reject or revise the opening of the gate that the person looked at."""

        async def act(build: Build, form: Form) -> str:
            decision, checkpoint = form.get("decision", ""), form.get("checkpoint", "")
            if decision not in set(Decision) or checkpoint not in set(Checkpoint):
                raise Invalid("The form names no decision.", hint="Use the buttons of the page.")
            feedback = form.get("feedback", "").strip()[:_LONGEST]
            if decision == Decision.REVISE and not feedback:
                raise Invalid("A revision needs your words.", hint="Say what to change, then press Revise.")
            await self._commands.approve(
                build.id,
                checkpoint=checkpoint,
                decision=decision,
                feedback=feedback,
                gate_id=form.get("gate_id", ""),
                by="page",
            )
            return _SAID[decision]

        return await self._done(request, form, act)

    async def answer(self, request: Request, form: Form) -> Response:
        """Answer the open questions: fields `q.ID`; words of one's own in `t.ID` count before an option."""

        async def act(build: Build, form: Form) -> str:
            chosen, own = _fields(form, "q."), _fields(form, "t.")
            await self._commands.answer(build.id, {**chosen, **own})
            return "Answered. The build goes on."

        return await self._done(request, form, act)

    async def budget(self, request: Request, form: Form) -> Response:
        """Raise the budget by so many dollars."""

        async def act(build: Build, form: Form) -> str:
            try:
                dollars = float(form.get("usd", ""))
            except ValueError:
                dollars = 0.0
            if not 0 < dollars <= _HIGHEST_TOP_UP:
                raise Invalid("A top-up is a number of dollars.", hint="For example 5.")
            await self._commands.top_up(build.id, dollars)
            return f"The budget is ${dollars:.2f} larger."

        return await self._done(request, form, act)

    async def cancel(self, request: Request, form: Form) -> Response:
        """Stop the build."""

        async def act(build: Build, _: Form) -> str:
            await self._commands.cancel(build.id)
            return "Cancelled."

        return await self._done(request, form, act)

    async def retry(self, request: Request, form: Form) -> Response:
        """Go on from a step, by default where it stands."""

        async def act(build: Build, form: Form) -> str:
            step = form.get("from_step", "")
            known = {str(number) for number in range(FIRST_STEP, LAST_STEP + 1)}
            if step and step not in known:
                raise Invalid("There is no such step.", hint="Steps are 1 to 8.")
            await self._commands.retry(build.id, int(step) if step else None)
            return "It is tried again."

        return await self._done(request, form, act)

    async def roll_back(self, request: Request, form: Form) -> Response:
        """Withdraw the build's release; the earlier one, or the one that is named, serves again."""

        async def act(build: Build, form: Form) -> str:
            await self._commands.rollback(build.id, form.get("to", "")[:200] or None)
            return "The release is being taken back."

        return await self._done(request, form, act)

    async def _done(self, request: Request, form: Form, act: Act) -> Response:
        build_id = request.path_params["build_id"]
        try:
            done = await act(await find_build(self._api, build_id), form)
        except ExecutorError as error:
            said = {"message": error.message, "hint": error.hint}
            refused = {"status": status_of(error), "typed": form, **said}
            return await self._page.show(request, refused)
        place = "/" if form.get("back") == "/" else f"/builds/{build_id}"
        return RedirectResponse(f"{place}?{urlencode({'said': done})}", 303)


def _fields(form: Form, prefix: str) -> dict[str, str]:
    """The fields with this prefix that say something."""
    found = {n.removeprefix(prefix): t.strip()[:_LONGEST] for n, t in form.items() if n.startswith(prefix)}
    return {name: text for name, text in found.items() if text}
