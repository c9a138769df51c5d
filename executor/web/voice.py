"""Saying what is wanted: audio in, the words and the build that they would start out. Nothing starts here."""

from __future__ import annotations

import shlex

from starlette.requests import Request
from starlette.responses import Response

from executor.domain.spoken import intent_of
from executor.errors import Permanent, Transient
from executor.web.api import Api, Transcribes
from executor.web.bodies import invalid, parse, read_raw
from executor.web.envelope import Refusal, request_id_of
from executor.web.replies import Json
from executor.web.schemas import SubmitBody


class Voice:
    """POST /executor/voice. `media` are the content types that the transcriber takes."""

    def __init__(self, api: Api, transcriber: Transcribes | None, media: tuple[str, ...]) -> None:
        self._api = api
        self._transcriber = transcriber
        self._media = media

    async def hear(self, request: Request) -> Response:
        """The words as heard, and the build that confirming them would start.

        Raises Refusal 404 where no server is configured, 415 for what is no audio, 413 for too much of it,
        502 and 503 for a server that is not well; Invalid when nothing was heard.
        """
        if self._transcriber is None:
            raise _not_configured()
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in self._media:
            raise _no_audio(self._media)
        audio = await read_raw(request, self._api.settings.voice.largest)
        if not audio:
            raise invalid(["body"], "the recording is empty")
        try:
            words = await self._transcriber.words(audio, media)
        except Transient as error:
            raise Refusal(503, "VOICE_AWAY", error.message, error.hint, {"retry-after": "5"}) from error
        except Permanent as error:
            raise Refusal(502, "VOICE_MISCONFIGURED", error.message, error.hint) from error
        intent = intent_of(words)
        if not intent:
            raise invalid(["body"], "nothing was heard; say it again, closer to the microphone")
        return Json({"words": words, "intent": intent, **await self._proposal(request, intent)})

    async def _proposal(self, request: Request, intent: str) -> dict[str, object]:
        body = parse(SubmitBody, {"architect_intent": intent})
        asked = self._api.submit_request(intent=body.architect_intent, request_id=request_id_of(request))
        return {
            "proposal": await self._api.commands.preview(asked),
            "confirm": {
                "method": "POST",
                "url": f"{self._api.base_url}/executor/build-droplet",
                "body": {"architect_intent": body.architect_intent},
                "command": f"fpai build {shlex.quote(body.architect_intent)}",
            },
        }


def _not_configured() -> Refusal:
    return Refusal(
        404,
        "VOICE_NOT_CONFIGURED",
        "This daemon has nobody to listen: [voice] url is empty. Nothing was started.",
        hint="Run a transcription server, such as `whisper-server -m MODEL --port 8081` of whisper.cpp,"
        ' and set [voice] url = "http://127.0.0.1:8081/inference".',
    )


def _no_audio(media: tuple[str, ...]) -> Refusal:
    return Refusal(
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        "The body has to be audio, and the Content-Type has to say which.",
        hint=f"One of {', '.join(media)}.",
    )
