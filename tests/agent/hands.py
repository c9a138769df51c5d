"""The tools over a real workspace behind real walls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor.agent.tool_forms import EDITOR
from executor.agent.tools import ToolResult, Tools
from executor.sandbox.base import Limits
from executor.sandbox.bubblewrap import BubblewrapSandbox
from executor.sandbox.cgroups import Cgroups
from executor.sandbox.ownership import remove_tree_now
from executor.sandbox.places import Places


@dataclass
class Hands:
    """One workspace and its tools; `limits` may be changed before a call."""

    places: Places
    limits: Limits

    @property
    def root(self) -> Path:
        return self.places.workspace("build-1")

    async def run(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        tools = Tools(
            sandbox=BubblewrapSandbox(self.places, Cgroups.discover()),
            workspace=self.root,
            venv=self.venv,
            limits=self.limits,
            owner=self.places.sandbox_uid,
        )
        return await tools.run(name, arguments)

    async def bash(self, command: str) -> ToolResult:
        return await self.run("bash", {"command": command})

    async def edit(self, command: str, path: str, **arguments: Any) -> ToolResult:
        return await self.run(EDITOR, {"command": command, "path": path, **arguments})

    def read(self, name: str) -> str:
        return (self.root / name).read_bytes().decode()

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_bytes(text.encode())

    @property
    def venv(self) -> Path:
        made = self.places.venvs / "v"
        if not made.exists():
            (made / "bin").mkdir(parents=True)
            (made / "bin" / "in-the-venv").write_text("#!/bin/sh\necho from the venv\n")
            (made / "bin" / "in-the-venv").chmod(0o755)
        return made


@contextmanager
def open_hands(state_dir: Path) -> Iterator[Hands]:
    """Tools in places of their own, removed afterwards."""
    places = Places.of(state_dir)
    yield Hands(places, Limits(wall_seconds=60))
    if places.root.exists():
        remove_tree_now(places.root)
