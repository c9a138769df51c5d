"""Requests that no client should send, made from a seed: broken framing and hostile fields on real routes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

_METHODS = ["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH", "TRACE", "BREW", "get", "", "P" * 300]
_WORDS = [
    "",
    "0",
    "-1",
    "1e309",
    "NaN",
    "null",
    "true",
    "[]",
    "{}",
    '"',
    "'",
    "\\",
    "%00",
    "%ff%fe",
    "..",
    "../../etc/passwd",
    "a" * 70_000,
    "\u202e",
    "\ud7ff",
    "💥",
    "$(id)",
    "`id`",
    "<script>",
    "{{7*7}}",
    "' OR 1=1 --",
    "\r\nX: y",
    "2147483648",
    "9" * 400,
]
_MEDIA = [
    "application/json",
    "application/json; charset=utf-16",
    "text/plain",
    "multipart/form-data",
    "*/*",
    "a" * 9000,
    "application/x-www-form-urlencoded",
    "audio/webm",
    "",
]


class Fuzzer:
    """Makes one request after another. `routes` are (method, path) with braces for parameters."""

    def __init__(self, seed: int, routes: Sequence[tuple[str, str]], build_id: str) -> None:
        self._chance = random.Random(seed)
        self._routes = list(routes)
        self._build_id = build_id
        self._kinds: list[Callable[[], bytes]] = [
            self._noise,
            self._odd_line,
            self._odd_headers,
            self._odd_length,
            self._odd_chunks,
            self._odd_body,
            self._odd_query,
            self._odd_path,
            self._cut_off,
            self._odd_form,
            self._odd_upgrade,
            self._two_at_once,
        ]

    def request(self) -> bytes:
        """The next one."""
        return self._chance.choice(self._kinds)()

    def _noise(self) -> bytes:
        return self._chance.randbytes(self._chance.randrange(1, 3000)) + b"\r\n\r\n"

    def _odd_line(self) -> bytes:
        method, (_, path) = self._chance.choice(_METHODS), self._route()
        version = self._chance.choice(["HTTP/1.1", "HTTP/9.9", "HTTP/1.0", "", "http/1.1", "HTTP/1.1 extra"])
        return f"{method} {path} {version}\r\nHost: localhost\r\n\r\n".encode()

    def _odd_headers(self) -> bytes:
        lines = []
        for _ in range(self._chance.randrange(1, 120)):
            name = self._chance.choice(
                [
                    "X",
                    "Cookie",
                    "Origin",
                    "Host",
                    "Accept",
                    "If-None-Match",
                    "X-Request-ID",
                    "traceparent",
                    "Last-Event-ID",
                    "Idempotency-Key",
                    "",
                    " ",
                    "\x00",
                    "é",
                ]
            )
            lines.append(f"{name}: {self._word()[:5000]}")
        return self._head(*self._route(), *lines) + b"\r\n"

    def _odd_length(self) -> bytes:
        length = self._chance.choice(
            ["-1", "1e3", "99999999999999999999", "abc", "5, 5", "+5", "0x5", " ", "3"]
        )
        return self._head(*self._route(), f"Content-Length: {length}") + b"\r\n{}"

    def _odd_chunks(self) -> bytes:
        chunks = self._chance.choice(
            [
                b"zz\r\n{}\r\n0\r\n\r\n",
                b"ffffffffffffffffff\r\n",
                b"-1\r\n\r\n",
                b"2\r\n{}",
                b"0\r\nX: y",
                b"2;" + b"a" * 5000 + b"\r\n{}\r\n0\r\n\r\n",
            ]
        )
        head = self._head(
            "POST", self._route()[1], "Transfer-Encoding: chunked", "Content-Type: application/json"
        )
        return head + b"\r\n" + chunks

    def _odd_body(self) -> bytes:
        method, path = self._route()
        body = self._chance.choice(
            [
                self._json(),
                self._json()[:-3],
                self._chance.randbytes(200),
                b"[" * 50_000,
                b"\xef\xbb\xbf{}",
                b'{"a":1,"a":2}',
                b"{" + b'"k":' * 9000,
                b" " * 70_000,
            ]
        )
        return self._with_body(method if method != "GET" else "POST", path, body, "application/json")

    def _odd_query(self) -> bytes:
        names = (
            "after",
            "limit",
            "cursor",
            "status",
            "droplet_id",
            "level",
            "search",
            "version",
            "from_step",
            "dry_run",
            "tab",
        )
        pairs = "&".join(f"{self._chance.choice(names)}={_in_target(self._word())}" for _ in range(5))
        method, path = self._route()
        return self._head(method, f"{path}?{pairs}") + b"\r\n"

    def _odd_path(self) -> bytes:
        _, path = self._chance.choice(self._routes)
        filled = path.replace("{build_id}", _in_target(self._word())).replace(
            "{token}", _in_target(self._word())
        )
        return self._head(self._chance.choice(["GET", "POST", "DELETE"]), filled) + b"\r\n"

    def _cut_off(self) -> bytes:
        whole = self._odd_body()
        return whole[: self._chance.randrange(1, len(whole))]

    def _odd_form(self) -> bytes:
        body = "&".join(f"{self._word()}={self._word()}" for _ in range(4)).encode("utf-8", "replace")[
            :60_000
        ]
        return self._with_body("POST", self._route()[1], body, self._chance.choice(_MEDIA))

    def _odd_upgrade(self) -> bytes:
        protocol, version = (
            self._chance.choice(["websocket", "h2c", "x"]),
            self._chance.choice(["13", "99", ""]),
        )
        lines = [
            "Connection: Upgrade",
            f"Upgrade: {protocol}",
            f"Sec-WebSocket-Key: {self._word()[:99]}",
            f"Sec-WebSocket-Version: {version}",
        ]
        path = self._chance.choice([f"/executor/builds/{self._build_id}/stream", self._route()[1]])
        return self._head("GET", path, *lines) + b"\r\n" + self._chance.randbytes(50)

    def _two_at_once(self) -> bytes:
        return (
            self._with_body("POST", "/executor/build-droplet", b"{}", "application/json") + self._odd_body()
        )

    def _route(self) -> tuple[str, str]:
        method, path = self._chance.choice(self._routes)
        return method, path.replace("{build_id}", self._build_id).replace("{token}", "abc.def")

    def _word(self) -> str:
        return self._chance.choice(_WORDS)

    def _json(self) -> bytes:
        names = (
            "architect_intent",
            "droplet_id",
            "decision",
            "checkpoint",
            "gate_id",
            "usd",
            "answers",
            "from_step",
            "feedback",
            "notify_channels",
            "message_type",
            "payload",
            "trace_id",
            "source",
        )
        value = {self._chance.choice(names): self._value(3) for _ in range(4)}
        return json.dumps(value).encode()

    def _value(self, depth: int) -> object:
        leaf: list[object] = [self._word()[:3000], 1e308, -1, 2**70, None, True, [], {}]
        if depth and self._chance.random() < 0.3:
            return {self._word()[:50]: self._value(depth - 1), "x": [self._value(depth - 1)]}
        return self._chance.choice(leaf)

    def _with_body(self, method: str, path: str, body: bytes, media: str) -> bytes:
        head = self._head(method, path, f"Content-Type: {media}", f"Content-Length: {len(body)}")
        return head + b"\r\n" + body

    def _head(self, method: str, path: str, *lines: str) -> bytes:
        text = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, ""])
        return text.encode("utf-8", "replace")


def _in_target(word: str) -> str:
    return word.replace(" ", "%20").replace("\r", "%0d").replace("\n", "%0a")[:9000]
