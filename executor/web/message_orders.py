"""What an order by message says beside the build: which message it is, and whom to tell of the end."""

from __future__ import annotations

import re

from executor.adapters.safe_address import AddressRules, UnsafeAddress
from executor.domain.orders import FoundOrder
from executor.errors import Invalid
from executor.store.orders import Order
from executor.web.bodies import digest
from executor.web.schemas import MessageBody

REPLY = "reply"
RETRY_SECONDS = 60.0
"""An order without any id that comes again within this time is the same one: the core Orchestrator sends a
request three times within 18 s (ecosystem.md, 3.1)."""
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")


def order_key(body: MessageBody, found: FoundOrder) -> tuple[str, str, float | None]:
    """The idempotency key of an order, the digest of what is ordered, and how long the key holds.

    A task's or message's id stands for one order for good. A trace may hold several, so it counts with what
    is ordered. The space in each key keeps it apart from every Idempotency-Key header.
    """
    sender = _sender(body)
    ordered = digest(dict(found.fields))
    if found.task_id:
        return f"message {sender} task {found.task_id}", ordered, None
    if body.message_id:
        return f"message {sender} id {body.message_id}", ordered, None
    if body.trace_id:
        return f"message {sender} trace {body.trace_id} {ordered}", ordered, None
    return f"message {sender} says {ordered}", ordered, RETRY_SECONDS


def reply_order(body: MessageBody, found: FoundOrder, rules: AddressRules) -> Order | None:
    """Whom to tell when the build has ended; None when nobody asked.

    Raises Invalid for an address that nothing may be sent to.
    """
    place = ["reply_to"] if body.reply_to else ["payload", "reply_to"]
    address = body.reply_to or found.reply_to
    if not address:
        return None
    if isinstance(address, int) and not isinstance(address, bool):
        address = str(address)  # numbered droplets name each other by number
    if not isinstance(address, str):
        raise _unusable(place, "an address or the name of a service is expected")
    if not _SERVICE.fullmatch(address):
        try:
            rules.check(address)
        except UnsafeAddress as error:
            raise _unusable(place, str(error)) from error
    form = {"variant": _variant(body), "sender": body.from_service or body.source, "trace_id": body.trace_id}
    return Order(REPLY, body.trace_id or body.message_id or found.task_id, address, form)


def _variant(body: MessageBody) -> str:
    if body.udc_version is not None:
        return "c"
    return "a" if body.from_service and body.source is None else "b"


def _sender(body: MessageBody) -> str:
    return str(body.from_service or body.source or "")


def _unusable(place: list[str], why: str) -> Invalid:
    return Invalid(
        f"The order was not taken: {'.'.join(place)}: {why} Nothing was started.",
        hint="Give an address on a public host, one of [orchestrator] reply_hosts, or a registered name.",
        details={"fields": [{"loc": place, "msg": why}]},
    )
