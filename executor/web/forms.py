"""Forms of the page: read within bounds, and taken only with the token of the session that was shown them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from executor.web.bodies import read_raw
from executor.web.envelope import Refusal
from executor.web.session import CSRF_FIELD, Sessions

_MEDIA = "application/x-www-form-urlencoded"
_MOST_FIELDS = 200
Form = Mapping[str, str]
Action = Callable[[Request, Form], Awaitable[Response]]


def guarded(sessions: Sessions, action: Action) -> Callable[[Request], Awaitable[Response]]:
    """The handler of a form's POST: `action` is called with the fields once the form is known as our own."""

    async def handle(request: Request) -> Response:
        form = await read_form(request)
        session = sessions.read(dict(request.scope["headers"]))
        if not sessions.is_csrf(session, form.get(CSRF_FIELD, "")):
            raise Refusal(
                403,
                "STALE_FORM",
                "The form does not belong to this session, so nothing was done.",
                hint="Go back, load the page again and send it once more; cookies have to be allowed.",
            )
        return await action(request, form)

    return handle


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; of a name that comes twice, the last.

    Raises Refusal 415 for another content type, 413 above 64 KiB, Invalid for text that is not UTF-8.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != _MEDIA:
        raise Refusal(415, "UNSUPPORTED_MEDIA_TYPE", f"A form has to be sent as {_MEDIA}.")
    raw = await read_raw(request)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except (UnicodeError, ValueError) as error:
        raise Refusal(400, "INVALID_INPUT", "The form is not properly encoded.") from error
    return dict(pairs)
