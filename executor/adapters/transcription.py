"""Speech to text by any server with OpenAI's transcription API (whisper.cpp's, vLLM's, OpenAI's own)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from executor.errors import Invalid, Permanent, Transient

_PATH = "/v1/audio/transcriptions"
_LONGEST_ANSWER = 256 << 10
LONGEST_WORDS = 10_000
_EXTENSIONS = {
    "audio/webm": "webm",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mp4": "m4a",
    "audio/x-m4a": "m4a",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
}
MEDIA = tuple(_EXTENSIONS)


@dataclass(frozen=True, slots=True)
class Transcriber:
    """`url` is the server's address, or the whole address where it names a path; `timeout` is in seconds."""

    session: aiohttp.ClientSession
    url: str
    model: str
    key: str = ""
    language: str = ""
    timeout: float = 60.0

    async def words(self, audio: bytes, media: str) -> str:
        """What was said, cut to 10,000 characters; empty when nothing was heard.

        `media` is one of MEDIA. Raises Transient when the server is away, busy or too slow, Permanent when it
        refuses the key or answers what is no transcription, Invalid when it cannot read this recording.
        """
        form = aiohttp.FormData()
        name = f"speech.{_EXTENSIONS[media]}"
        form.add_field("file", audio, filename=name, content_type=media)
        form.add_field("model", self.model)
        form.add_field("response_format", "json")
        if self.language:
            form.add_field("language", self.language)
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        try:
            async with self.session.post(
                self._address(), data=form, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                status, body = answer.status, await answer.content.read(_LONGEST_ANSWER)
        except aiohttp.InvalidURL as error:
            raise Permanent(f"[voice] url is no address: {self.url}.", hint=_HINT) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Transient(
                f"The transcription server does not answer ({type(error).__name__}); nothing was started.",
                hint="Say it again later, or type it.",
            ) from error
        _refuse(status)
        return _text(body)

    def _address(self) -> str:
        has_path = urlsplit(self.url).path.strip("/")
        return self.url if has_path else self.url.rstrip("/") + _PATH


_HINT = "Look at [voice] in executor.toml; until then, type the intent."


def _refuse(status: int) -> None:
    if status in {401, 403}:
        raise Permanent("The transcription server refuses VOICE_API_KEY.", hint=_HINT)
    if status in {400, 413, 415, 422}:
        raise Invalid(
            f"The transcription server cannot read this recording ({status}); nothing was started.",
            hint="Say it again, shorter, or type it.",
        )
    if status in {408, 429} or status >= 500:
        raise Transient(
            f"The transcription server answers {status}; nothing was started.",
            hint="Say it again later, or type it.",
        )
    if status != 200:
        raise Permanent(f"The transcription server answers {status} at this address.", hint=_HINT)


def _text(body: bytes) -> str:
    try:
        answer: Any = json.loads(body)
    except ValueError as error:
        raise Permanent("The transcription server answers no JSON.", hint=_HINT) from error
    text = answer.get("text") if isinstance(answer, dict) else None
    if not isinstance(text, str):
        raise Permanent("The transcription server's answer has no text.", hint=_HINT)
    return " ".join(text.split())[:LONGEST_WORDS]
