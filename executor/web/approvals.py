"""Links in mails: a page that shows what is asked, and a form on it that decides, once.

Reading decides nothing, however often a mail's scanner follows the link. The link is its own right: it was
sent to one person, names one opening of one gate, and is used up when that is decided
(domain/approval_link.py).
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from executor.domain.approval_link import Approval, ApprovalLinks
from executor.domain.build import Build
from executor.domain.gates import CONSEQUENCES, Checkpoint, Decision, open_gate_id
from executor.errors import ExecutorError, Invalid, NotFound
from executor.web.api import Api
from executor.web.envelope import status_of
from executor.web.forms import read_form
from executor.web.lookup import find_build
from executor.web.page_gates import Evidence
from executor.web.pages import Pages
from executor.web.status import StatusDocuments

_LONGEST, _MOST_EVENTS = 10_000, 5000
_DECIDES = frozenset(
    {"approved", "review_approved", "build_rejected", "rollback_started", "revision_requested"}
)
_SAID = {"approve": "Approved.", "reject": "Rejected.", "revise": "Sent back with your words."}


class Approvals:
    """GET and POST /a/{token}."""

    def __init__(self, api: Api, pages: Pages, documents: StatusDocuments) -> None:
        self._api = api
        self._pages = pages
        self._documents = documents
        self._evidence = Evidence(api.store)
        self._links = ApprovalLinks(api.state_key)

    async def show(self, request: Request) -> Response:
        """What is asked, with the evidence; or what was decided since."""
        found = await self._found(request)
        return await self._shown(request, *found) if found else self._unknown(request)

    async def decide(self, request: Request) -> Response:
        """Take the decision of the form, unless the gate has been decided already."""
        found = await self._found(request)
        if not found:
            return self._unknown(request)
        build, approval = found
        form = await read_form(request)
        decision, feedback = form.get("decision", ""), form.get("feedback", "").strip()[:_LONGEST]
        if open_gate_id(build) != approval.gate_id:
            return await self._shown(request, build, approval)
        try:
            _check(decision, feedback)
            await self._api.commands.approve(
                build.id,
                checkpoint=approval.checkpoint,
                decision=decision,
                feedback=feedback,
                gate_id=approval.gate_id,
                by=f"mail:{approval.to}",
            )
        except ExecutorError as error:
            told = {"problem": f"{error.message} {error.hint}".strip(), "typed": {"feedback": feedback}}
            build = await find_build(self._api, build.id)
            return await self._shown(request, build, approval, status_of(error), **told)
        return self._filled(request, "approval_done.html", build=build, said=_SAID[decision])

    async def _found(self, request: Request) -> tuple[Build, Approval] | None:
        """What the link is about; None unless this daemon signed it and still has the build."""
        approval = self._links.read(request.path_params["token"])
        try:
            return (await find_build(self._api, approval.build_id), approval) if approval else None
        except NotFound:
            return None

    async def _shown(
        self, request: Request, build: Build, approval: Approval, status: int = 200, **more: Any
    ) -> Response:
        if open_gate_id(build) != approval.gate_id:
            decided = await self._decided(build, approval)
            return self._filled(request, "approval_closed.html", 410, build=build, decided=decided)
        values = {
            "build": self._documents.document(build),
            "evidence": await self._evidence.of(build),
            "consequences": CONSEQUENCES,
            "problem": "",
            **more,
        }
        return self._filled(request, "approval.html", status, **values)

    async def _decided(self, build: Build, approval: Approval) -> str:
        """What was decided about that opening, and by whom, as far as the events say."""
        # Events of a review name no opening: a build has one review at a time, and the last one counts.
        unnamed = approval.gate_id if approval.checkpoint == Checkpoint.DEPLOYED else None
        for event in reversed(await self._api.store.builds.events(build.id, 0, _MOST_EVENTS)):
            about = event.data.get("gate_id", unnamed)
            if event.event_type in _DECIDES and about == approval.gate_id:
                by = event.data.get("by")
                return f"{event.message} {f'Decided by {by}.' if by else ''}".strip()
        return f"The build is {build.state.value.replace('_', ' ')} now."

    def _unknown(self, request: Request) -> Response:
        message = "This link was not made by this daemon, or its signing key has changed since."
        return self._filled(request, "missing.html", 404, message=message)

    def _filled(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A page; what leads to it was meant for one person, not for those who collect pages."""
        answer = self._pages.render(request, template, status, **values)
        answer.headers["x-robots-tag"] = "noindex, nofollow"
        return answer


def _check(decision: str, feedback: str) -> None:
    if decision not in set(Decision):
        raise Invalid("The form names no decision.", hint="Press one of the buttons.")
    if decision == Decision.REVISE and not feedback:
        raise Invalid("A revision needs your words.", hint="Say what to change, then press Revise.")
