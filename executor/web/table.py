"""Every route that programs call, as tables; those that people's browsers open are in table_pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from executor.web.access import VOICE
from executor.web.api import Api
from executor.web.artifacts import LEVELS, MEDIA, Artifacts
from executor.web.builds import Builds
from executor.web.contract import Contract
from executor.web.decisions import Decisions
from executor.web.documents import (
    CostDocument,
    DropletDocument,
    EventDocument,
    LogDocument,
    NotificationDocument,
    StartedDocument,
    StatusDocument,
    TurnDocument,
)
from executor.web.droplets import Droplets
from executor.web.envelope import Refusal
from executor.web.messages import Messages
from executor.web.notifications import Notifications
from executor.web.operations import Operation, Parameter
from executor.web.probes import Probes
from executor.web.schemas import (
    AnswerBody,
    ApproveBody,
    BudgetBody,
    EmptyBody,
    MessageBody,
    RetryBody,
    RollbackBody,
    SubmitBody,
)
from executor.web.slack_hook import SlackHook
from executor.web.spending import Spending
from executor.web.sse import Events
from executor.web.status import WORD_STATES, StatusDocuments
from executor.web.voice import Voice

BUILD = "/executor/builds/{build_id}"
_WHOLE = {"type": "integer", "minimum": 0}
_NATURAL = {"type": "integer", "minimum": 1}
_OBJECT: dict[str, Any] = {"type": "object"}
_AFTER = Parameter("after", "Only what comes after this number.", _WHOLE)
_BODY_ERRORS = (400, 404, 409, 413, 415, 503)


def build_operations(api: Api, documents: StatusDocuments) -> list[Operation]:
    """Builds as a whole."""
    builds, events = Builds(api, documents), Events(api)
    status_words = {"type": "string", "enum": list(WORD_STATES)}
    return [
        Operation(
            "GET",
            f"{BUILD}/status",
            builds.status,
            "Where a build stands.",
            "Builds",
            reply=StatusDocument,
            errors=(404,),
        ),
        Operation(
            "POST",
            "/executor/build-droplet",
            builds.submit,
            "Start a build from an intent.",
            "Builds",
            status=202,
            body=SubmitBody,
            body_required=True,
            reply=StartedDocument,
            parameters=(
                Parameter("dry_run", "1 shows what would be built and starts nothing.", {"type": "boolean"}),
                Parameter(
                    "Idempotency-Key",
                    "The same key and body answer again what they answered first.",
                    {"type": "string", "maxLength": 255},
                    "header",
                ),
            ),
            errors=(400, 409, 413, 415, 429, 503),
            also=((200, "With dry_run: what would be built."),),
        ),
        Operation(
            "GET",
            f"{BUILD}/events",
            events.events,
            "A build's events, as JSON or as a stream.",
            "Builds",
            reply=EventDocument,
            many=True,
            media=("application/json", "text/event-stream"),
            parameters=(
                _AFTER,
                Parameter("limit", "At most so many.", _NATURAL),
                Parameter("Last-Event-ID", "Where a broken stream goes on.", _WHOLE, "header"),
            ),
            errors=(400, 404),
        ),
        Operation(
            "GET",
            f"{BUILD}/stream",
            only_websocket,
            "A WebSocket: hello, events, progress.",
            "Builds",
            status=101,
            parameters=(_AFTER,),
            errors=(400, 404, 426),
        ),
        Operation(
            "GET",
            "/executor/builds",
            builds.list,
            "Builds, newest first; Link has the next page.",
            "Builds",
            reply=StatusDocument,
            many=True,
            parameters=(
                Parameter("status", "Only these states; may come more than once.", status_words),
                Parameter("droplet_id", "Only this droplet's.", _NATURAL),
                Parameter("limit", "At most so many, up to 200.", _NATURAL),
                Parameter("cursor", "From the Link header.", {"type": "string"}),
            ),
            errors=(400,),
        ),
    ]


def decision_operations(api: Api, documents: StatusDocuments) -> list[Operation]:
    """What people say to a build."""
    said = Decisions(api, documents)

    def decide(path: str, handler: Any, summary: str, body: Any, **more: Any) -> Operation:
        method = more.pop("method", "POST")
        return Operation(
            method,
            path,
            handler,
            summary,
            "Decisions",
            body=body,
            reply=StatusDocument,
            errors=_BODY_ERRORS,
            **more,
        )

    step = Parameter("from_step", "1 to 8; default the step it stands at.", {**_NATURAL, "maximum": 8})
    return [
        decide(
            f"{BUILD}/approve",
            said.approve,
            "Approve, reject or revise at a gate or the review.",
            ApproveBody,
        ),
        decide(f"{BUILD}/answer", said.answer, "Answer the open questions.", AnswerBody, body_required=True),
        decide(f"{BUILD}/budget", said.budget, "Raise the budget.", BudgetBody, body_required=True),
        decide(f"{BUILD}/retry", said.retry, "Go on from a step.", RetryBody, parameters=(step,)),
        decide(f"{BUILD}/rollback", said.rollback, "Withdraw this build's release.", RollbackBody),
        decide(BUILD, said.cancel, "Cancel a build.", EmptyBody, method="DELETE"),
    ]


def artifact_operations(api: Api) -> list[Operation]:
    """What builds made, and the droplets they made it for."""
    artifacts, droplets, spending = Artifacts(api), Droplets(api), Spending(api)
    version = Parameter("version", "An earlier one; default the newest.", _NATURAL)
    more = {
        "spec": (Parameter("against", "Show what changed since this version.", _NATURAL),),
        "diff": (Parameter("iteration", "The work as it stood after this round.", _NATURAL),),
    }
    texts = [
        Operation(
            "GET",
            f"{BUILD}/{kind}",
            artifacts.kind(kind),
            f"The build's {kind}.",
            "Artifacts",
            reply=_OBJECT,
            media=(media, "application/json"),
            parameters=(version, *more.get(kind, ())),
            errors=(400, 404),
        )
        for kind, media in MEDIA.items()
    ]
    only = Parameter("level", "Only this level.", {"type": "string", "enum": list(LEVELS)})
    search = Parameter("search", "Only lines with this text.", {"type": "string"})
    return [
        *texts,
        Operation(
            "GET",
            f"{BUILD}/log",
            artifacts.log,
            "The build log.",
            "Artifacts",
            reply=LogDocument,
            parameters=(_AFTER, search, only, Parameter("limit", "At most so many.", _NATURAL)),
            errors=(400, 404),
        ),
        Operation(
            "GET",
            f"{BUILD}/turns",
            spending.turns,
            "The model calls of the build, with their tokens and dollars.",
            "Artifacts",
            reply=TurnDocument,
            many=True,
            errors=(404,),
        ),
        Operation(
            "GET",
            f"{BUILD}/notifications",
            Notifications(api).of_build,
            "Whom the build has told of what, and whom it has yet to tell.",
            "Builds",
            reply=NotificationDocument,
            many=True,
            errors=(404,),
        ),
        Operation(
            "GET",
            "/executor/cost",
            spending.cost,
            "What all builds came to: successes, durations, dollars.",
            "Builds",
            reply=CostDocument,
        ),
        Operation(
            "GET",
            "/executor/droplets",
            droplets.list,
            "Droplets with their releases.",
            "Droplets",
            reply=DropletDocument,
            many=True,
        ),
    ]


def contract_operations(contract: Contract, messages: Messages) -> list[Operation]:
    """The droplet contract, twice: variant B at the root, variant A below /executor."""
    operations = []
    for prefix, variant in (("", "b"), ("/executor", "a")):
        reads = (
            ("health", contract.health(variant), "Is it well."),
            ("capabilities", contract.capabilities, "What it can do, with every endpoint."),
            ("state", contract.state, "What it is doing and how it fares."),
            ("dependencies", contract.dependencies, "What it leans on."),
        )
        operations += [
            Operation("GET", f"{prefix}/{name}", handler, summary, "Contract", reply=_OBJECT)
            for name, handler, summary in reads
        ]
        operations.append(
            Operation(
                "POST",
                f"{prefix}/message",
                messages.message(variant),
                "A message to this droplet.",
                "Contract",
                body=MessageBody,
                body_required=True,
                reply=_OBJECT,
                errors=(400, 409, 413, 415, 429, 503),
            )
        )
    return operations


def voice_operations(voice: Voice, media: tuple[str, ...]) -> list[Operation]:
    """Saying what is wanted."""
    return [
        Operation(
            "POST",
            VOICE,
            voice.hear,
            "Audio in; the words and the build that they would start out. Nothing starts.",
            "Builds",
            reply=_OBJECT,
            errors=(400, 404, 409, 413, 415, 502, 503),
            takes=media,
        )
    ]


def daemon_operations(probes: Probes, describe: Callable[[Request], Any], docs: Any) -> list[Operation]:
    """The daemon itself: probes and its own description."""
    html = ("text/html",)
    return [
        Operation("GET", "/livez", probes.livez, "The loop turns.", "Daemon", reply=_OBJECT),
        Operation("GET", "/readyz", probes.readyz, "It takes work.", "Daemon", reply=_OBJECT, errors=(503,)),
        Operation(
            "GET", "/metrics", probes.metrics, "Gauges for Prometheus.", "Daemon", media=("text/plain",)
        ),
        Operation("GET", "/openapi.json", describe, "This description.", "Daemon", reply=_OBJECT),
        Operation("GET", "/docs", docs, "This description, to read.", "Daemon", media=html),
    ]


def hook_operations(hook: SlackHook) -> list[Operation]:
    """What others call, each with a signature of its own."""
    errors = (400, 401, 404, 413)
    return [Operation("POST", "/hooks/slack", hook.receive, "Clicks in Slack.", "Hooks", errors=errors)]


async def only_websocket(_: Request) -> Response:
    """Answer a plain GET on the stream's address."""
    raise Refusal(
        426,
        "UPGRADE_REQUIRED",
        "This address is a WebSocket.",
        hint="Connect with ws://; over plain HTTP the events are served at …/events.",
        headers={"upgrade": "websocket", "connection": "upgrade"},
    )
