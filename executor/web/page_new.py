"""The form for a new build: filled in, previewed, started; with the line that would do the same."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from executor.domain.build import ApprovalMode
from executor.errors import ExecutorError, Invalid
from executor.targets.choice import target_words
from executor.web.api import Api
from executor.web.bodies import digest, parse
from executor.web.envelope import request_id_of, status_of
from executor.web.forms import Form
from executor.web.orders import wanted
from executor.web.pages import Pages
from executor.web.schemas import SubmitBody

_CHANNEL = "channel."
_NAMES = ("intent", "droplet_id", "droplet_name", "mode", "budget_usd", "target", "auto_approve")
_EMPTY = dict.fromkeys(_NAMES, "")
_MODES = {
    ApprovalMode.AUTO: "No gate: it is deployed when every check is green",
    ApprovalMode.CHECKPOINTS: "Ask after the SPEC, and before deploying",
    ApprovalMode.FINAL: "Ask before deploying",
}


class NewBuildPage:
    """GET and POST /new. The form carries an idempotency key, so that sent twice it starts one build."""

    def __init__(self, api: Api, pages: Pages) -> None:
        self._api = api
        self._pages = pages

    async def form(self, request: Request) -> Response:
        """The empty form, or one with the intent of the address."""
        intent = request.query_params.get("intent", "")[:10_000]
        return self._shown(request, {"intent": intent, "mode": self._api.settings.builds.approval_mode})

    async def send(self, request: Request, form: Form) -> Response:
        """Show what would be built, or start it and go to its page."""
        try:
            fields = _fields(form)
            body = parse(SubmitBody, fields)
            asked = self._api.submit_request(
                **wanted(body),
                idempotency_key=f"page-{form.get('key', '')}"[:255] if form.get("key") else "",
                body_digest=digest(fields),
                request_id=request_id_of(request),
            )
            if form.get("do") == "preview":
                return self._shown(request, form, preview=await self._api.commands.preview(asked))
            reply = await self._api.commands.submit(asked)
        except ExecutorError as error:
            return self._shown(request, form, refused=error)
        return RedirectResponse(f"/builds/{reply.build.id}", 303)

    def _shown(
        self,
        request: Request,
        typed: Mapping[str, str],
        *,
        preview: Mapping[str, Any] | None = None,
        refused: ExecutorError | None = None,
    ) -> Response:
        problems = {_place(field["loc"]): field["msg"] for field in _wrong(refused)}
        values = {
            "typed": {**_EMPTY, **typed},
            "chosen": {name for name in self._api.channels if typed.get(f"{_CHANNEL}{name}")},
            "channels": self._api.channels,
            "modes": _MODES,
            "targets": target_words(self._api.settings.deploy),
            "default_target": self._api.settings.deploy.target,
            "default_budget": self._api.settings.builds.budget_usd,
            "hears": self._api.transcriber is not None,
            "key": typed.get("key") or secrets.token_urlsafe(12),
            "preview": preview,
            "problems": problems,
            "refused": None if refused is None or problems else refused,
            **_lines(self._api.base_url, _fields(typed, strict=False)),
        }
        return self._pages.render(request, "new.html", status_of(refused) if refused else 200, **values)


def _fields(form: Mapping[str, str], *, strict: bool = True) -> dict[str, Any]:
    """The form as the body of POST /executor/build-droplet; what was left empty is left out."""
    number, budget = form.get("droplet_id", "").strip(), form.get("budget_usd", "").strip()
    channels = [name.removeprefix(_CHANNEL) for name in form if name.startswith(_CHANNEL)]
    found: dict[str, Any] = {
        "architect_intent": form.get("intent", "").strip(),
        "droplet_id": int(number) if number.isascii() and number.isdigit() else number or None,
        "droplet_name": form.get("droplet_name", "").strip() or None,
        "approval_mode": form.get("mode") or None,
        "notify_channels": channels or None,
        "budget_usd": _number(budget) if budget else None,
        "target": form.get("target") or None,
        "auto_approve": True if form.get("auto_approve") else None,
    }
    if strict and isinstance(found["budget_usd"], str):
        raise _wrong_field("budget_usd", "a number of dollars is expected, such as 5")
    if strict and isinstance(found["droplet_id"], str):
        raise _wrong_field("droplet_id", "a whole number is expected")
    return {name: value for name, value in found.items() if value is not None}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _wrong_field(name: str, message: str) -> Invalid:
    return Invalid(f"{name}: {message}.", details={"fields": [{"loc": [name], "msg": message}]})


def _wrong(refused: ExecutorError | None) -> list[dict[str, Any]]:
    return list(refused.details.get("fields", [])) if refused is not None else []


def _place(loc: list[Any]) -> str:
    return str(loc[0]) if loc else "architect_intent"


def _lines(base_url: str, fields: Mapping[str, Any]) -> dict[str, str]:
    """The same order for a terminal: with curl, and with fpai."""
    intent = str(fields.get("architect_intent") or "Build …")
    body = json.dumps({**fields, "architect_intent": intent}, ensure_ascii=False)
    words = ["fpai", "build", shlex.quote(intent)]
    options = {"droplet_id": "--droplet-id", "droplet_name": "--name", "approval_mode": "--mode",
               "budget_usd": "--budget", "target": "--target"}  # fmt: skip
    for name, option in options.items():
        if name in fields:
            words += [option, shlex.quote(str(fields[name]))]
    for channel in fields.get("notify_channels", ()):
        words += ["--notify", shlex.quote(channel)]
    if fields.get("auto_approve"):
        words.append("--auto-approve")
    curl = f"curl -X POST {base_url}/executor/build-droplet \\\n  -H 'Content-Type: application/json' \\\n"
    return {"curl": f"{curl}  -d {shlex.quote(body)}", "command": " ".join(words)}
