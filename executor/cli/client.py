"""Plain blocking HTTP to the daemon.

The rule that outgoing HTTP is aiohttp is the daemon's, where one loop serves everybody. A command line makes
one call, or reads one stream, and must start in a blink: the standard library's client is the right size.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from executor.cli import exits
from executor.cli.address import Address
from executor.cli.exits import CliError

_SAME_ANSWER_TRIES = 3
FOREIGN = "HTTP_ERROR"
"""The code of an error whose body is not the executor's envelope."""


class Unreachable(CliError):
    """No connection, or it broke before the answer was there."""


class Refused(CliError):
    """The daemon answered with an error; `status` and `code` are its own words."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message, exit_code=exits.for_reply(status), **more)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Reply:
    """A 2xx answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises CliError when it is not, for then this is no executor."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise CliError(
                "The answer is not JSON, so this is probably not the executor.",
                hint="Check --url, FPAI_URL or the [server] table of executor.toml.",
                exit_code=exits.UNREACHABLE,
            ) from error


class Daemon:
    """The daemon's HTTP interface; `timeout` is in seconds for connecting and for each read."""

    def __init__(self, address: Address, timeout: float = 30.0) -> None:
        self.address = address
        self._timeout = timeout
        self._parts = urlsplit(address.url)
        if self._parts.scheme not in {"http", "https"} or not self._parts.hostname:
            raise CliError(f"{address.url!r} is not an http address.", hint="Give --url http://HOST:PORT.")

    def get(self, path: str, *, accept: str = "application/json", **query: Any) -> Reply:
        """GET `path`; empty query values are left out. Raises Unreachable or Refused."""
        given = {key: str(value) for key, value in query.items() if value not in (None, "")}
        return self._call("GET", path + (f"?{urlencode(given)}" if given else ""), {"Accept": accept})

    def send(self, method: str, path: str, body: object = None) -> Reply:
        """POST or DELETE with a JSON body. Raises Unreachable or Refused."""
        return self._call(method, path, {"Accept": "application/json"}, body)

    def submit(self, path: str, body: object) -> Reply:
        """POST under a fresh Idempotency-Key, so that a lost answer is asked for again, never built twice."""
        headers = {"Accept": "application/json", "Idempotency-Key": secrets.token_hex(16)}
        for _ in range(_SAME_ANSWER_TRIES - 1):
            with contextlib.suppress(Unreachable):
                return self._call("POST", path, headers, body)
        return self._call("POST", path, headers, body)

    @contextlib.contextmanager
    def stream(self, path: str, headers: Mapping[str, str], silence: float) -> Iterator[HTTPResponse]:
        """Open a long answer; `silence` is the longest pause in seconds before the link counts as lost."""
        connection = self._connect(silence)
        try:
            response = self._exchange(connection, "GET", path, headers, None)
            if response.status != 200:
                raise refusal(response.status, response.read())
            yield response
        finally:
            connection.close()

    def _call(self, method: str, path: str, headers: Mapping[str, str], body: object = None) -> Reply:
        connection = self._connect(self._timeout)
        try:
            response = self._exchange(connection, method, path, headers, body)
            content = self._read(response)
        finally:
            connection.close()
        if not 200 <= response.status < 300:
            raise refusal(response.status, content)
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, content)

    def _connect(self, timeout: float) -> HTTPConnection:
        kind = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
        return kind(str(self._parts.hostname), self._parts.port, timeout=timeout)

    def _exchange(
        self, connection: HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: object
    ) -> HTTPResponse:
        sent = dict(headers)
        if self.address.token:
            sent["Authorization"] = f"Bearer {self.address.token}"
        payload = None if body is None else json.dumps(body).encode()
        if payload is not None:
            sent["Content-Type"] = "application/json"
        try:
            connection.request(method, self._parts.path + path, body=payload, headers=sent)
            return connection.getresponse()
        except (OSError, HTTPException, ValueError) as error:
            raise self._unreachable(error) from error

    def _read(self, response: HTTPResponse) -> bytes:
        try:
            return response.read()
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Unreachable:
        reason = (
            "it did not answer in time" if isinstance(error, socket.timeout) else str(error) or repr(error)
        )
        return Unreachable(
            f"The daemon at {self.address.url} cannot be reached: {reason}.",
            hint="Start it with `fpai serve`, or name another one with --url or FPAI_URL.",
            exit_code=exits.UNREACHABLE,
        )


def segment(text: str) -> str:
    """Quote text as one path segment, so that a name can never become another path."""
    return quote(text, safe="")


def refusal(status: int, body: bytes) -> Refused:
    """Read the error envelope (interfaces.md, Errors); a foreign body becomes a plain sentence."""
    try:
        error = json.loads(body)["error"]
        details = error.get("details") or {}
        message = str(error["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return Refused(status, FOREIGN, f"The daemon answered HTTP {status}.", hint=_hint(status))
    fields = [f"{_loc(item.get('loc'))}: {item.get('msg')}" for item in details.get("fields") or []]
    new = [field for field in fields if field not in message]
    return Refused(
        status,
        str(error.get("code", "")),
        "\n  ".join([message, *new]),
        hint=str(details.get("hint") or _hint(status, details)),
        request_id=str(error.get("request_id") or ""),
    )


def _loc(loc: object) -> str:
    return ".".join(str(part) for part in loc) if isinstance(loc, list) else str(loc)


def _hint(status: int, details: Mapping[str, Any] | None = None) -> str:
    if status == 401:
        return "Set FPAI_TOKEN to the daemon's [server] token."
    if details and details.get("free_id"):
        return f"Free: --droplet-id {details['free_id']} --name {details.get('free_name', '')}".rstrip()
    return "Is this address the executor's?" if details is None else ""
