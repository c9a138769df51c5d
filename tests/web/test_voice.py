"""Saying what is wanted: the words and the build that they would start are shown, and nothing starts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from executor.adapters.transcription import Transcriber
from executor.domain.spoken import intent_of
from tests.fakes.transcription import FakeTranscription
from tests.web.conftest import Serving, Site, serving

AUDIO = b"OggS" + bytes(500)


@pytest.fixture
async def heard() -> AsyncIterator[FakeTranscription]:
    async with FakeTranscription("sk-voice") as server:
        yield server


@pytest.fixture
async def site(tmp_path: Path, heard: FakeTranscription) -> AsyncIterator[Site]:
    async with aiohttp.ClientSession() as session:
        transcriber = Transcriber(session, heard.url, "whisper-1", "sk-voice", "en", timeout=2.0)
        async with serving(tmp_path, api={"transcriber": transcriber}, voice={"largest": 100_000}) as running:
            yield running


async def say(site: Site, audio: bytes = AUDIO, media: str = "audio/webm;codecs=opus") -> tuple[int, Any]:
    headers = {"Content-Type": media}
    async with site.client.post(f"{site.url}/executor/voice", data=audio, headers=headers) as reply:
        return reply.status, await reply.json()


async def test_the_words_come_back_with_the_build_that_they_would_start_and_nothing_starts(site, heard):
    status, reply = await say(site)
    assert status == 200
    assert reply["words"] == "FPAI, build the Coordinator Droplet to automate Step 3"
    assert reply["intent"] == "Build the Coordinator Droplet to automate Step 3"
    assert (reply["proposal"]["droplet_name"], reply["proposal"]["droplet_id"]) == ("coordinator", 13)
    assert (await site.get("/executor/builds"))[1] == []
    (form,) = heard.heard
    assert (form["audio"], form["media"], form["model"], form["language"]) == (
        AUDIO,
        "audio/webm",
        "whisper-1",
        "en",
    )
    status, started, _ = await site.post("/executor/build-droplet", reply["confirm"]["body"])
    assert (status, started["droplet_name"]) == (202, "coordinator")


@pytest.mark.parametrize(
    ("words", "intent"),
    [
        ("FPAI, build me a droplet that counts birds.", "Build a droplet that counts birds."),
        ("Hey F.P.A.I., please build the Coordinator Droplet", "Build the Coordinator Droplet"),
        ("fpai build Analytics Engine", "Build Analytics Engine"),
        ("Could you make me a shop", "Make a shop"),
        ("Build a pair of FPAI tools", "Build a pair of FPAI tools"),
        ("FPAI.", ""),
    ],
)
def test_the_wake_word_and_courtesies_are_no_part_of_the_intent(words, intent):
    assert intent_of(words) == intent


async def test_silence_and_an_empty_recording_start_nothing_and_say_so(site, heard):
    heard.says = "   "
    status, reply = await say(site)
    assert (status, reply["error"]["code"]) == (400, "INVALID_INPUT")
    assert "nothing was heard" in reply["error"]["message"]
    assert (await say(site, b""))[0] == 400


@pytest.mark.parametrize(
    "media", ["application/json", "text/plain", "audio/midi", "multipart/form-data; boundary=x", ""]
)
async def test_only_audio_that_the_server_knows_is_taken(site, heard, media):
    status, reply = await say(site, media=media)
    assert (status, reply["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert heard.heard == []


async def test_a_recording_beyond_the_limit_is_413(site, heard):
    assert (await say(site, bytes(100_001)))[0] == 413
    assert heard.heard == []


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (web.Response(status=500), 503),
        (web.Response(status=429), 503),
        (web.Response(status=404), 502),
        (web.Response(text="<html>"), 502),
        (web.json_response({"text": None}), 502),
        (web.json_response([]), 502),
        (web.Response(status=413), 400),
        (web.Response(status=307, headers={"Location": "http://10.0.0.1"}), 502),
    ],
)
async def test_a_server_that_is_not_well_is_said_in_words(site, heard, answer, status):
    heard.answer = answer
    code, reply = await say(site)
    assert code == status
    assert reply["error"]["message"] and reply["error"]["details"]["hint"]


async def test_a_wrong_key_and_a_server_that_is_away(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    async with FakeTranscription("another") as server, aiohttp.ClientSession() as session:
        wrong = Transcriber(session, f"{server.url}/inference", "m", "sk-voice")
        async with serving(tmp_path / "a", api={"transcriber": wrong}) as site:
            status, reply = await say(site)
            assert (status, "VOICE_API_KEY" in reply["error"]["message"]) == (502, True)
        away = Transcriber(session, "http://127.0.0.1:9", "m")
        async with serving(tmp_path / "b", api={"transcriber": away}) as site:
            assert (await say(site))[0] == 503


async def test_what_the_server_says_is_cut_and_stays_text(site, heard):
    heard.says = "Build <script>alert(1)</script> " + "word " * 5000
    status, reply = await say(site)
    assert (status, len(reply["words"]) <= 10_000) == (200, True)


async def test_without_a_server_the_route_says_how_to_get_one(serve: Serving):
    async with serve() as site:
        status, reply = await say(site)
        assert (status, reply["error"]["code"]) == (404, "VOICE_NOT_CONFIGURED")
        assert "[voice] url" in reply["error"]["details"]["hint"]
