"""A scaffolded droplet with its environment and its walls: what the Verifier is given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from executor.agent.scaffold import scaffold
from executor.agent.template import render_template, write_file
from executor.domain.droplet import DropletIdentity
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


@dataclass(frozen=True, slots=True)
class Droplet:
    """Its source, its venv, and the walls that a daemon would choose here."""

    places: Places
    sandbox: Sandbox
    source: Path
    venv: Path


@asynccontextmanager
async def droplet(state_dir: Path) -> AsyncIterator[Droplet]:
    """Write it and make its environment; everything is removed afterwards."""
    places = Places.of(state_dir)
    try:
        source = places.scratch("droplet")
        spec = write_spec(SpecRequest(identity=IDENTITY, intent=IDENTITY.purpose))
        render_template(IDENTITY, created="2026-01-01", into=source)
        write_file(source, "docs/SPEC.md", spec)
        scaffold(read_resources(spec), IDENTITY, source)
        venv = await VenvCache(places, find_uv()).get(source / "requirements.txt")
        yield Droplet(places, await choose_sandbox("auto", places), source, venv)
    finally:
        for root in {places.root, places.sockets}:
            remove_tree_now(root)
