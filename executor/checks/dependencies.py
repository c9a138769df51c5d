"""Which packages a droplet may name: a name that nobody vouches for may be misspelt, or squatted.

A requirement that is refused here is refused before any index is asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from executor.checks.rules import judged
from executor.domain.findings import Finding
from executor.resources import config_dir

PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[A-Za-z0-9,._ -]+\])?==[A-Za-z0-9.+!_-]+(\s*;.*)?(\s+#.*)?"
)


def check_packages(requirements: str, packages: Iterable[str]) -> Finding:
    """S12d: each line is NAME==VERSION, and each name is the template's or one of `packages`."""
    allowed = _allowed(packages)
    found = [(line, PIN.fullmatch(line)) for line in entries(requirements)]
    odd = [repr(line[:120]) for line, pin in found if pin is None or "://" in line]
    names = {_normal(pin["name"]) for _, pin in found if pin}
    problems = []
    if foreign := sorted(names - allowed):
        problems.append(f"not allowed: {', '.join(foreign)[:400]}; allowed are: {', '.join(sorted(allowed))}")
    if odd:
        problems.append(f"not of the form NAME==VERSION: {', '.join(odd)[:400]}")
    return judged("S12d", "Only packages that are allowed are required", problems, f"{len(names)} packages")


def foreign_packages(requirements: str, packages: Iterable[str]) -> tuple[str, ...]:
    """The names that are neither the template's nor among `packages`, sorted."""
    pins = (PIN.fullmatch(line) for line in entries(requirements))
    return tuple(sorted({_normal(pin["name"]) for pin in pins if pin} - _allowed(packages)))


def entries(requirements: str) -> list[str]:
    """The lines that say something. None is joined to the next: a resolver might join them otherwise."""
    lines = (line.strip() for line in requirements.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def template_packages() -> frozenset[str]:
    """The packages that every droplet may name, since its template does."""
    text = (config_dir() / "template" / "requirements.txt").read_text("utf-8")
    pins = (PIN.fullmatch(line) for line in entries(text))
    return frozenset(_normal(pin["name"]) for pin in pins if pin)


def _allowed(packages: Iterable[str]) -> frozenset[str]:
    return template_packages() | {_normal(name) for name in packages}


def _normal(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
