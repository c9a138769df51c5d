"""Which fields a thing has: their names made safe, their types guessed from the name."""

from __future__ import annotations

import keyword
import re

from executor.domain.spec import FieldType, ResourceField
from executor.domain.words import word_set, words

LONGEST = 40
# Every stored thing has these from the droplet itself.
GIVEN_FIELDS = frozenset({"id", "created_at", "updated_at"})
# Names that pydantic's BaseModel uses itself; a field of that name would hide them.
_TAKEN = word_set(
    """
    copy dict json schema construct validate fields parse_obj parse_raw parse_file from_orm
    update_forward_refs schema_json self cls none true false
    """
)
_INTEGER = word_set(
    """
    count quantity qty year years age number_of amount_of stock pages page position rank size priority
    level minutes seconds hours days months weeks likes views votes stars calories
    """
)
_NUMBER = word_set(
    """
    price amount value score cost total weight height width length rate ratio percent percentage
    latitude longitude lat lon lng balance temperature humidity budget salary distance speed duration
    average fee tax discount usd eur grade rating
    """
)
_BOOLEAN = word_set(
    """
    enabled active done completed complete finished available published paid archived read verified
    approved public private urgent locked deleted optional favorite favourite
    """
)
_DATETIME = word_set("date datetime timestamp deadline birthday birthdate due when")
_INSTANTS = word_set("start end begin arrival departure due event check pickup delivery")
_TEXT = word_set(
    """
    description notes note body content text comment comments summary message bio details instructions
    ingredients abstract review remarks transcript
    """
)
_WRITTEN: dict[str, FieldType] = {
    "integer": "integer",
    "int": "integer",
    "float": "number",
    "decimal": "number",
    "boolean": "boolean",
    "bool": "boolean",
    "string": "string",
    "str": "string",
    "datetime": "datetime",
}


def safe_name(name: str, suffix: str = "value") -> str:
    """A snake_case identifier of at most 40 characters that no keyword and no pydantic attribute uses."""
    clean = "_".join(words(name))[:LONGEST].strip("_")
    if not clean or not clean[0].isalpha():
        clean = f"{suffix}_{clean}".strip("_")[:LONGEST]
    if keyword.iskeyword(clean) or clean in _TAKEN or clean.startswith("model_"):
        clean = f"{clean[: LONGEST - len(suffix) - 1]}_{suffix}".removeprefix("model_")
    return clean


def is_safe_name(name: str) -> bool:
    """True for a name that safe_name would leave as it is."""
    return bool(re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name)) and safe_name(name) == name


def guess_type(name: str) -> FieldType:
    """The type that a field of this name usually has; string when the name does not tell."""
    parts = name.split("_")
    if parts[0] in {"is", "has", "can"} or parts[-1] in _BOOLEAN:
        return "boolean"
    if (parts[-1] in {"at", "on"} and len(parts) > 1) or parts[-1] in _DATETIME or _is_instant(parts):
        return "datetime"
    if parts[-1] in _NUMBER:
        return "number"
    if parts[-1] in _INTEGER or "_".join(parts[:2]) in _INTEGER:
        return "integer"
    return "text" if parts[-1] in _TEXT else "string"


def _is_instant(parts: list[str]) -> bool:
    """A start time is an instant; a cooking time is a duration and stays text."""
    return parts[-1] == "time" and (len(parts) == 1 or parts[0] in _INSTANTS)


def make_field(phrase: list[str], *, required: bool) -> ResourceField | None:
    """A field from a few words ("due date", "integer year"); None for what the droplet gives itself."""
    written = next((_WRITTEN[word] for word in phrase if word in _WRITTEN), None) if len(phrase) > 1 else None
    kept = [word for word in phrase if word not in _WRITTEN or written is None]
    if not kept:
        return None
    name = safe_name(" ".join(kept))
    if name in GIVEN_FIELDS:
        return None
    return ResourceField(name, written or guess_type(name), required=required)
