"""Bounded types for what callers send, and the bases of the models that use them."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

MAX_INTEGER: Final = 2**63 - 1
MAX_SHORT: Final = 500
MAX_LONG: Final = 20_000


def _only_text(value: object) -> object:
    """Refuse numbers, which would be read as seconds since 1970."""
    if isinstance(value, str | datetime):
        return value
    raise ValueError("must be text such as 2026-01-31T12:00:00Z")


def _in_utc(value: datetime) -> datetime:
    """Return the moment in UTC; one without a zone is taken to be in UTC already."""
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is out of range") from error


FilledText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SHORT)]
ShortText = Annotated[str, StringConstraints(max_length=MAX_SHORT)]
LongText = Annotated[str, StringConstraints(max_length=MAX_LONG)]
Integer = Annotated[int, Field(strict=True, ge=-MAX_INTEGER, le=MAX_INTEGER)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Boolean = Annotated[bool, Field(strict=True)]
StoredBoolean = bool
UtcTime = Annotated[datetime, BeforeValidator(_only_text), AfterValidator(_in_utc)]


class Strict(BaseModel):
    """Base of what callers send: a field nobody knows is refused."""

    model_config = ConfigDict(extra="forbid")


class Partial(Strict):
    """Base of changes: fields left out stay as they are, required ones may not become null."""

    _never_null: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _keeps_required_fields(self) -> Self:
        for name in sorted(self.model_fields_set & self._never_null):
            if getattr(self, name) is None:
                shown = type(self).model_fields[name].alias or name
                raise ValueError(f"{shown} may not be null")
        return self
