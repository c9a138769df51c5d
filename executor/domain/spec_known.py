"""Fields of things that architects often name without saying what they consist of."""

from __future__ import annotations

from executor.domain.spec import ResourceField
from executor.domain.spec_fields import guess_type

# A trailing question mark: the field may be left out.
_KNOWN = {
    "metric": "name value unit? recorded_at?",
    "measurement": "name value unit? recorded_at?",
    "reading": "name value unit? recorded_at?",
    "event": "name source? details? happened_at?",
    "log": "level message_text source? logged_at?",
    "book": "title author year? isbn?",
    "author": "name biography?",
    "todo": "title description? done? due_at?",
    "task": "title description? done? due_at?",
    "reminder": "title notes? due_at?",
    "note": "title body?",
    "user": "name email? active?",
    "customer": "name email? phone?",
    "contact": "name email? phone? notes?",
    "person": "name email? phone?",
    "product": "name description? price quantity?",
    "order": "reference status? total?",
    "invoice": "reference total due_at? paid?",
    "payment": "reference amount currency? paid_at?",
    "expense": "description amount category? spent_at?",
    "bookmark": "title url notes?",
    "link": "title url notes?",
    "recipe": "title ingredients instructions? minutes?",
    "movie": "title director? year?",
    "document": "title content? author?",
    "spec": "title content version?",
    "message": "sender? recipient? body",
    "comment": "author? body",
    "review": "author? rating? body?",
    "weight": "weight recorded_at?",
    "location": "name latitude longitude",
    "booking": "name starts_at ends_at? notes?",
    "reservation": "name starts_at ends_at? notes?",
    "appointment": "title starts_at ends_at? notes?",
}
DEFAULT = "name description?"


def known_fields(name: str) -> tuple[ResourceField, ...]:
    """The usual fields of this thing; a name and a description when it is not known."""
    return tuple(
        ResourceField(word.rstrip("?"), guess_type(word.rstrip("?")), required=not word.endswith("?"))
        for word in _KNOWN.get(name, DEFAULT).split()
    )
