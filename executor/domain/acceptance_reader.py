"""Reading hidden acceptance tests from JSON; whatever could not be carried out is refused here, once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from executor.domain.acceptance import (
    AcceptanceSet,
    Amendment,
    Call,
    Check,
    Part,
    Requirement,
    Rule,
    Save,
    Scenario,
)
from executor.domain.acceptance_names import refuse_unknown_names
from executor.domain.acceptance_pattern import refuse_costly
from executor.errors import Invalid

MOST_CALLS = 60
MOST_CHECKS = 30
MOST_BODY = 64 << 10
LONGEST_WAIT = 5.0
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")
_MOST_TEXT = 2000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,80}")
# Headers that say where a request goes or how it is framed are the executor's own.
_OWN_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "upgrade",
        "te",
        "expect",
    }
)


def read_set(text: str) -> AcceptanceSet:
    """What `AcceptanceSet.as_json` wrote. Raises Invalid when it is anything else."""
    try:
        record = json.loads(text)
        return AcceptanceSet(
            spec_sha256=str(record["spec_sha256"]),
            requirements=tuple(read_requirement(r) for r in record["requirements"]),
            scenarios=tuple(
                read_scenario(s, str(s["key"]), reviewed=bool(s["reviewed"])) for s in record["scenarios"]
            ),
            heard=int(record["heard"]),
            whole=bool(record["whole"]),
            amendments=tuple(Amendment(**a) for a in record["amendments"]),
            unusable=tuple(map(str, record["unusable"])),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Invalid(f"The stored acceptance tests cannot be read: {error}.") from error


def read_requirement(record: Mapping[str, Any]) -> Requirement:
    """A requirement; its texts are shortened, never refused."""
    return Requirement(_text(record["id"], 40), _text(record["text"], 500))


def read_scenario(record: Mapping[str, Any], key: str, *, reviewed: bool = False) -> Scenario:
    """A scenario that can be carried out. Raises Invalid telling what is wrong with it."""
    calls = tuple(_call(call, n) for n, call in enumerate(record["calls"], 1))
    if not 1 <= len(calls) <= MOST_CALLS:
        raise Invalid(f"it has {len(calls)} calls; 1 to {MOST_CALLS} are possible")
    refuse_unknown_names(calls)
    requirement, title = _text(record["requirement"], 40), _text(record["title"], 200)
    return Scenario(key, requirement, title, calls, bool(record["fresh"]), reviewed)


def _text(value: Any, most: int) -> str:
    """On one line, shortened, and as UTF-8 can hold it."""
    return " ".join(str(value).split())[:most].encode("utf-8", "replace").decode()


def _call(record: Mapping[str, Any], number: int) -> Call:
    try:
        return _checked(record)
    except Invalid as error:
        raise Invalid(f"call {number}: {error.message}") from error


def _checked(record: Mapping[str, Any]) -> Call:
    method, path, wait = str(record["method"]).upper(), str(record["path"]), float(record["wait"])
    _require(method in METHODS, f"the method {method[:20]!r} is none of {', '.join(METHODS)}")
    _require(path.startswith(("/", "${")), f"the path {path[:80]!r} does not start with /")
    _require(
        _is_plain(path) and "#" not in path, f"the path {path[:80]!r} holds white space, # or is too long"
    )
    _require(0 <= wait <= LONGEST_WAIT, f"it waits {wait:g} s; at most {LONGEST_WAIT:g} s are possible")
    body, raw = str(record["body"]), str(record["raw"])
    _require(not (body and raw), "it has both a body and a raw body")
    _require(len(body) + len(raw) <= MOST_BODY, f"its body is longer than {MOST_BODY} characters")
    if body:
        _shallow(read_json(body, "its body"), "its body")
    return Call(
        method=method,
        path=path,
        status=_statuses(record["status"]),
        query=_pairs(record["query"]),
        headers=_headers(record["headers"]),
        body=body,
        raw=raw,
        wait=wait,
        save=tuple(_save(save) for save in _few(record["save"], "saved values")),
        checks=tuple(_check(check) for check in _few(record["checks"], "checks")),
    )


def _statuses(listed: Sequence[Any]) -> tuple[int, ...]:
    statuses = tuple(int(status) for status in listed)
    _require(bool(statuses), "no status is expected")
    _require(all(100 <= s <= 599 for s in statuses), f"{statuses} are no HTTP statuses")
    _require(len(statuses) <= 4, "more than four statuses would be right")
    return statuses


def _pairs(listed: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    """Names and values: objects as authors write them, or pairs as they are stored."""
    pairs = [(p["name"], p["value"]) if isinstance(p, Mapping) else tuple(p) for p in _few(listed, "pairs")]
    _require(all(len(str(part)) <= _MOST_TEXT for pair in pairs for part in pair), "a value is too long")
    return tuple((str(name), str(value)) for name, value in pairs)


def _headers(listed: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    headers = _pairs(listed)
    for name, value in headers:
        _require(_HEADER.fullmatch(name) is not None, f"{name[:80]!r} is no header's name")
        _require(name.lower() not in _OWN_HEADERS, f"the header {name} is the executor's own")
        _require(value.isprintable(), f"the header {name} holds control characters")
    return headers


def _save(record: Mapping[str, Any]) -> Save:
    name, at, part = str(record["name"]), str(record["at"]), _part(record)
    _require(_NAME.fullmatch(name) is not None, f"a value cannot be saved as {name[:60]!r}")
    _require(name not in {"unique", "now", "today"}, f"${{{name}}} is the executor's own")
    _place(at, part)
    _require("*" not in at, f"{at} is not one value")
    return Save(name, at, part)


def _check(record: Mapping[str, Any]) -> Check:
    rule: Rule | None = next((known for known in get_args(Rule) if known == record["rule"]), None)
    at, part, value = str(record["at"]), _part(record), record["value"]
    if rule is None:
        raise Invalid(f"the check {str(record['rule'])[:40]!r} is none of {', '.join(get_args(Rule))}")
    _place(at, part)
    _shallow(value, "a check's value")
    if rule == "length":
        _require(type(value) is int and value >= 0, f"a length is a whole number, not {value!r}")
    if rule in {"min", "max"}:
        _require(type(value) in {int, float, str}, f"a bound is a number or a text, not {value!r}")
    if rule == "type":
        _require(value in TYPES, f"{value!r} is none of the types {', '.join(TYPES)}")
    if rule == "matches":
        refuse_costly(value)
    return Check(rule, at, value, part)


def _part(record: Mapping[str, Any]) -> Part:
    part: Part | None = next((known for known in get_args(Part) if known == record["part"]), None)
    if part is None:
        raise Invalid(f"{str(record['part'])[:40]!r} is no part of an answer ({', '.join(get_args(Part))})")
    return part


def _place(at: str, part: Part) -> None:
    _require(len(at) <= 300, "a pointer is longer than 300 characters")
    if part == "json":
        _require(at == "" or at.startswith("/"), f"{at!r} is no JSON pointer: it starts with / or is empty")
    if part == "header":
        _require(_HEADER.fullmatch(at) is not None, f"{at!r} is no header's name")


def _few(listed: Sequence[Any], what: str) -> Sequence[Any]:
    _require(len(listed) <= MOST_CHECKS, f"it has more than {MOST_CHECKS} {what}")
    return listed


def read_json(text: str, what: str) -> Any:
    """The value that JSON text stands for. Raises Invalid, naming `what`, when it stands for none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{what} is not JSON: {error}") from error


def _shallow(value: Any, what: str, levels: int = 20) -> None:
    """What is walked through later may not be deeper than a call stack."""
    _require(levels > 0, f"{what} is nested too deeply")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        _shallow(one, what, levels - 1)


def _is_plain(path: str) -> bool:
    return len(path) <= _MOST_TEXT and path.isprintable() and " " not in path


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise Invalid(problem)
