"""Decisions from Slack, however they come in: by signed request (slack_hook.py) or over Socket Mode."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import structlog

from executor.adapters.slack_api import SlackApi, may_answer, post
from executor.adapters.slack_form import revise_form
from executor.adapters.slack_message import closed
from executor.adapters.slack_text import escaped
from executor.domain.build import Build
from executor.domain.gates import Decision, open_gate_id
from executor.errors import ExecutorError, Invalid
from executor.web.api import Commands
from executor.web.envelope import Refusal
from executor.web.slack_payload import FIELD, FORM, INPUT, LONGEST_FEEDBACK, Click, read_click

log = structlog.get_logger(__name__)
PATIENCE = 2.0
"""Seconds in which a decision is waited for; Slack gives up after three. What takes longer is told later."""
_SAID = {Decision.APPROVE: "Approved", Decision.REJECT: "Rejected", Decision.REVISE: "Sent back"}


class Builds(Protocol):
    """Where builds are found."""

    async def get(self, build_id: str) -> Build:
        """The build. Raises NotFound."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """One `[notify.NAME]` of kind slack. Without a `channel` it is wherever the incoming webhook posts.

    `api` opens forms; `keeps_messages` says that the outbox changes messages once they are settled.
    """

    name: str
    channel: str
    approvers: frozenset[str]
    api_url: str
    api: SlackApi | None = None
    keeps_messages: bool = False


class SlackClicks:
    """Checks who pressed what where, decides through the engine's commands, and says what came of it."""

    def __init__(
        self,
        commands: Commands,
        builds: Builds,
        desks: Sequence[Desk],
        session: aiohttp.ClientSession,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._commands = commands
        self._builds = builds
        self._desks = tuple(desks)
        self._session = session
        self._patience = patience
        self._tasks: set[asyncio.Task[Any]] = set()

    async def handle(self, payload: Mapping[str, Any]) -> dict[str, Any] | None:
        """Decide, within `patience`; returns what Slack is to be answered, None for an empty answer.

        Raises Invalid for a payload that is malformed.
        """
        click = read_click(payload)
        if click is None:
            return None
        work = self._spawn(self._outcome(click))
        await asyncio.wait({work}, timeout=self._patience)
        if not work.done():
            self._spawn(self._tell_late(click, work))
            return None
        problem = work.result()
        if click.is_form:
            return _in_form(problem) if problem else None
        if problem:
            self._spawn(self._say(click, problem))
        return None

    async def aclose(self) -> None:
        """Let what is under way come to its end, for as long as Slack would wait."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._patience)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _outcome(self, click: Click) -> str:
        """What to tell the person alone; empty when the message itself shows it."""
        try:
            return await self._decide(click)
        except ExecutorError as error:
            log.info("slack_click_refused", build_id=click.build_id, user=click.user, code=error.code)
            return f"{error} Nothing was changed."
        except Exception:
            log.exception("slack_click_failed", build_id=click.build_id)
            return "The daemon met a fault of its own; look at the build's page before you press again."

    async def _decide(self, click: Click) -> str:
        desks = self._desks_of(click)
        build = await self._builds.get(click.build_id)
        desk = next((desk for desk in desks if desk.name in build.notify_channels), None)
        if desk is None:
            raise _not_here(f"Build {build.id} does not report to this channel.")
        was_open = open_gate_id(build) == click.gate_id
        if click.decision is Decision.REVISE and not click.is_form and was_open:
            return await self._show_form(click, desk, build)
        if click.is_form and not click.feedback:
            raise Invalid("There is nothing in it.", hint="Say what should be different.")
        await self._commands.approve(
            build.id,
            checkpoint=click.checkpoint,
            decision=click.decision.value,
            feedback=click.feedback,
            gate_id=click.gate_id,
            by=f"slack:{click.user}",
        )
        if not was_open:
            return f"It was {_SAID[click.decision].lower()} before; nothing changed."
        if not desk.keeps_messages:
            self._spawn(self._close(click))
        return ""

    def _desks_of(self, click: Click) -> list[Desk]:
        """The desks of the channel where this user may decide. Raises Refusal when there is none."""
        names = {click.channel, click.channel_name, f"#{click.channel_name}"} - {"", "#"}
        here = [d for d in self._desks if d.channel in names] or [d for d in self._desks if not d.channel]
        if not here:
            raise _not_here("This channel is none of those under [notify.NAME] in executor.toml.")
        if found := [desk for desk in here if click.user in desk.approvers]:
            return found
        tables = ", ".join(f"[notify.{desk.name}]" for desk in here)
        raise Refusal(
            403, "NOT_AN_APPROVER", f"Your id, {click.user}, is not among the approvers of {tables}."
        )

    async def _show_form(self, click: Click, desk: Desk, build: Build) -> str:
        if desk.api is None:
            return f"A form needs SLACK_BOT_TOKEN. Use the page, or `fpai revise {build.id}`."
        about = f"{build.droplet_name} #{build.droplet_id}: what should be different? ({build.id})"
        form = revise_form(
            about, click.memo, callback=FORM, block=INPUT, field=FIELD, longest=LONGEST_FEEDBACK
        )
        await desk.api.call("views.open", trigger_id=click.trigger_id, view=form)
        return ""

    async def _tell_late(self, click: Click, work: asyncio.Task[str]) -> None:
        if problem := await work:
            await self._say(click, problem)

    async def _say(self, click: Click, text: str) -> None:
        """To the person alone."""
        message = {"response_type": "ephemeral", "replace_original": False, "text": escaped(text, 2900)}
        await self._respond(click, message)

    async def _close(self, click: Click) -> None:
        """Take the buttons off a message that nothing else changes."""
        said = _SAID[click.decision]
        await self._respond(click, {"replace_original": True, **closed(click.blocks, said, click.user)})

    async def _respond(self, click: Click, message: Mapping[str, Any]) -> None:
        if not any(may_answer(click.response_url, desk.api_url) for desk in self._desks):
            log.warning("slack_answer_unsent", reason="the response_url is none of Slack's")
            return
        with suppress(ExecutorError):  # a courtesy: what was decided is in the build's events all the same
            await post(self._session, click.response_url, message)


def _not_here(message: str) -> Refusal:
    return Refusal(403, "NOT_HERE", message, hint="Decide on the page.")


def _in_form(problem: str) -> dict[str, Any]:
    return {"response_action": "errors", "errors": {INPUT: problem[:300]}}
