"""A rendered droplet to spoil, and real walls and environments to judge it in."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from executor.agent.scaffold import scaffold
from executor.agent.template import render_template, write_file
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Finding, Result
from executor.domain.spec_reader import read_resources
from executor.domain.spec_writer import SpecRequest, write_spec
from executor.sandbox.base import Sandbox
from executor.sandbox.choose import choose_sandbox
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache, find_uv

IDENTITY = DropletIdentity(
    13, "library", "0.1.0", "Build a Library that stores books with title, author and year", 18513
)


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Places that nobody else has, removed after the last test."""
    made = Places.of(tmp_path_factory.mktemp("checks") / "state")
    yield made
    for root in {made.root, made.sockets}:
        if root.exists():
            remove_tree_now(root)


@pytest.fixture(scope="session")
def sandbox(places: Places) -> Sandbox:
    """The walls that a daemon would choose here."""
    return asyncio.run(choose_sandbox("auto", places))


@pytest.fixture(scope="session")
def venvs(places: Places) -> VenvCache:
    """One cache of environments for the whole session."""
    return VenvCache(places, find_uv())


@pytest.fixture(scope="session")
def template(places: Places) -> Path:
    """The skeleton and what the rule-based provider adds, where walls can reach it: all rules pass."""
    root = places.scratch("template")
    spec = write_spec(SpecRequest(identity=IDENTITY, intent=IDENTITY.purpose))
    render_template(IDENTITY, created="2026-01-01", into=root)
    write_file(root, "docs/SPEC.md", spec)
    scaffold(read_resources(spec), IDENTITY, root)
    return root


@pytest.fixture(scope="session")
def venv(venvs: VenvCache, template: Path) -> Path:
    """The environment of the template's requirements."""
    return asyncio.run(venvs.get(template / "requirements.txt"))


@pytest.fixture(scope="session")
def identity() -> DropletIdentity:
    """Who the template says it is."""
    return IDENTITY


@pytest.fixture
def droplet(template: Path, places: Places) -> Iterator[Path]:
    """A copy of the template to spoil, where the walls can reach it."""
    copy = places.scratch("droplet")
    shutil.copytree(template, copy, dirs_exist_ok=True)
    yield copy
    remove_tree_now(copy)


@pytest.fixture
def edit(droplet: Path) -> Callable[[str, str, str], None]:
    """Replaces text that has to be there in one file of the droplet."""

    def replace(name: str, old: str, new: str) -> None:
        text = (droplet / name).read_text()
        assert old in text, f"{name} does not hold {old!r}"
        (droplet / name).write_text(text.replace(old, new))

    return replace


@pytest.fixture(scope="session")
def failed() -> Callable[[Iterable[Finding]], dict[str, str]]:
    """The evidence of failed rules by their ids."""
    return lambda findings: {f.rule: f.evidence for f in findings if f.result is Result.FAIL}
