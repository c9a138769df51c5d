"""The operations that a running service says it has, and ways to ask for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from executor.checks.probe import Answer

_METHODS = ("get", "post", "put", "patch", "delete")
_MOST = 40
_PARAMETER = re.compile(r"\{[^{}/]*\}")


@dataclass(frozen=True, slots=True, order=True)
class Operation:
    """One method on one path, which may hold parameters in braces."""

    path: str
    method: str

    @property
    def takes_body(self) -> bool:
        """True for methods that carry one."""
        return self.method in {"POST", "PUT", "PATCH"}

    def address(self, value: str) -> str:
        """The path with `value` for every parameter."""
        return _PARAMETER.sub(lambda _: value, self.path)


def operations(openapi: Answer) -> tuple[Operation, ...]:
    """What an OpenAPI document lists, in order of path; nothing where it cannot be read."""
    paths = openapi.object.get("paths")
    if not isinstance(paths, dict):
        return ()
    found = {
        Operation(path, method.upper())
        for path, item in paths.items()
        if path.startswith("/") and path.isprintable() and isinstance(item, dict)
        for method in _METHODS
        if method in item
    }
    return tuple(sorted(found))


def of_business(found: Iterable[Operation], contract: Iterable[str]) -> tuple[Operation, ...]:
    """Those that are the droplet's own, not the contract's: at most forty are tried."""
    known = {*contract, "/metrics", "/openapi.json"}
    return tuple(operation for operation in found if operation.path not in known)[:_MOST]
