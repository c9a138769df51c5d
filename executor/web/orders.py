"""Orders by message, checked by the same rules as POST /executor/build-droplet."""

from __future__ import annotations

from typing import Any

from executor.domain.orders import FoundOrder
from executor.errors import Invalid
from executor.web.bodies import parse
from executor.web.schemas import SubmitBody


def submit_fields(order: FoundOrder) -> dict[str, Any]:
    """The order as the engine's SubmitRequest takes it.

    Raises Invalid that names each wrong field by the place where the sender wrote it.
    """
    try:
        body = parse(SubmitBody, dict(order.fields))
    except Invalid as error:
        raise at_its_place(error, order) from error
    return wanted(body)


def wanted(body: SubmitBody) -> dict[str, Any]:
    """What a submit asks for, by the names of the engine's SubmitRequest."""
    return {
        "intent": body.architect_intent,
        "droplet_id": body.droplet_id,
        "droplet_name": body.droplet_name,
        "approval_mode": body.approval_mode,
        "notify_channels": tuple(body.notify_channels),
        "auto_approve": body.auto_approve,
        "budget_usd": body.budget_usd,
        "target": body.target,
    }


def at_its_place(error: Invalid, order: FoundOrder) -> Invalid:
    """The same error, naming each field by the place where the sender wrote it."""
    fields = []
    for field in error.details.get("fields", ()):
        name, *rest = field["loc"] or [""]
        place = order.places.get(name, ("intent",) if name == "architect_intent" else (name,))
        fields.append({"loc": ["payload", *place, *rest], "msg": field["msg"]})
    named = ", ".join(sorted({".".join(map(str, field["loc"])) for field in fields}))
    return Invalid(
        f"The order was not taken, because this is not valid: {named}. Nothing was started.",
        hint="details.fields says what is wrong; /docs shows the fields of POST /executor/build-droplet.",
        details={"fields": fields},
    )
