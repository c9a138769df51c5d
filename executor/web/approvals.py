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
from executor.domain.events import Event
from executor.domain.gates import Decision, open_gate_id
from executor.domain.notice import NoticeKind, notice_of
from executor.domain.notice_words import facts_of, headline
from executor.errors import ExecutorError, NotFound
from executor.web.api import Api
from executor.web.envelope import status_of
from executor.web.forms import read_form
from executor.web.lookup import find_build
from executor.web.pages import Pages

_LONGEST = 10_000
_DECIDES = frozenset(
    {"approved", "review_approved", "build_rejected", "rollback_started", "revision_requested"}
)
_SAID = {"approve": "Approved.", "reject": "Rejected.", "revise": "Sent back with your words."}


class Approvals:
    """GET and POST /a/{token}."""

    def __init__(self, api: Api, pages: Pages) -> None:
        self._api = api
        self._pages = pages
        self._links = ApprovalLinks(api.state_key)

    async def show(self, request: Request) -> Response:
        """What is asked, with the evidence; or what was decided since."""
        approval = self._links.read(request.path_params["token"])
        if approval is None:
            return self._unknown(request)
        try:
            build = await find_build(self._api, approval.build_id)
        except NotFound:
            return self._unknown(request)
        return await self._shown(request, build, approval)

    async def decide(self, request: Request) -> Response:
        """Take the decision of the form, unless the gate has been decided already."""
        approval = self._links.read(request.path_params["token"])
        if approval is None:
            return self._unknown(request)
        form = await read_form(request)
        decision, feedback = form.get("decision", ""), form.get("feedback", "").strip()[:_LONGEST]
        build = await find_build(self._api, approval.build_id)
        if decision not in set(Decision):
            return await self._shown(request, build, approval, "Press one of the buttons.", 400)
        if decision == Decision.REVISE and not feedback:
            return await self._shown(request, build, approval, "A revision needs your words.", 400)
        if open_gate_id(build) != approval.gate_id:
            return await self._shown(request, build, approval)
        try:
            build = await self._api.commands.approve(
                build.id,
                checkpoint=approval.checkpoint,
                decision=decision,
                feedback=feedback,
                gate_id=approval.gate_id,
                by=f"mail:{approval.to}",
            )
        except ExecutorError as error:
            problem = " ".join(filter(None, (error.message, error.hint)))
            return await self._shown(request, build, approval, problem, status_of(error))
        return self._pages.render(
            request, "approval_done.html", said=_SAID[decision], build_id=build.id, name=build.droplet_name
        )

    async def _shown(
        self, request: Request, build: Build, approval: Approval, problem: str = "", status: int = 200
    ) -> Response:
        if open_gate_id(build) != approval.gate_id:
            decided = await self._decided(build, approval)
            return self._pages.render(
                request,
                "approval_closed.html",
                410,
                build_id=build.id,
                name=build.droplet_name,
                decided=decided,
            )
        notice = _notice(build, approval, self._api.base_url)
        return self._pages.render(
            request,
            "approval.html",
            status,
            headline=headline(notice),
            facts=list(facts_of(notice)),
            intent=build.intent,
            asks=notice["asks"],
            evidence=_evidence(notice["evidence"]),
            review=approval.checkpoint == "deployed",
            can_revise=self._api.provider != "scaffold",
            problem=problem,
            build_id=build.id,
        )

    async def _decided(self, build: Build, approval: Approval) -> str:
        """What was decided about that opening, and by whom, as far as the events say."""
        events = await self._api.store.builds.events(build.id, 0, 5000)
        for event in reversed(events):
            if (
                event.event_type in _DECIDES
                and event.data.get("gate_id", approval.gate_id) == approval.gate_id
            ):
                by = event.data.get("by")
                return f"{event.message} {f'Decided by {by}.' if by else ''}".strip()
        return f"The build is {build.state.value.replace('_', ' ')} now."

    def _unknown(self, request: Request) -> Response:
        message = "This link was not made by this daemon, or its signing key has changed since."
        return self._pages.render(request, "missing.html", 404, message=message)


def _notice(build: Build, approval: Approval, base_url: str) -> dict[str, Any]:
    kind = NoticeKind.COMPLETED if approval.checkpoint == "deployed" else NoticeKind.GATE_OPENED
    event = Event(build.id, build.last_seq, "", build.step, build.attempt, 0, "", build.updated_at, {})
    return notice_of(build, event, kind, base_url)


def _evidence(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The step's own numbers and words, without what only programs read."""
    plain = ((name, value) for name, value in found.items() if isinstance(value, (str, int, float)))
    return [(name.replace("_", " "), str(value)[:300]) for name, value in plain if value not in {"", 0}][:12]
