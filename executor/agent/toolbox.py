"""The tools over a workspace whose dependencies may change while the model works."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from executor.agent.tools import ToolResult, Tools
from executor.errors import Invalid, NotFound, ReleaseAtFault
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.venv import VenvCache
from executor.sandbox.workspace import Workspace

REQUIREMENTS = "requirements.txt"


class WorkspaceTools:
    """Runs each tool with a venv of the requirements as they are; `refused` says what may not be installed.

    Requirements that cannot be had leave the last venv in place, and the result says why.
    """

    def __init__(
        self,
        *,
        sandbox: Sandbox,
        venvs: VenvCache,
        workspace: Callable[[], Path],
        limits: Limits,
        owner: int | None,
        refused: Callable[[str], str],
    ) -> None:
        self._sandbox = sandbox
        self._venvs = venvs
        self._workspace = workspace
        self._limits = limits
        self._owner = owner
        self._refused = refused
        self._text: str | None = None
        self._venv: Path | None = None

    async def run(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Run one tool; what the model did wrong is a result, not an error."""
        root = self._workspace()
        problem = await self._follow_requirements(root)
        if self._venv is None:
            return ToolResult(f"There is no interpreter for this workspace: {problem}", is_error=True)
        tools = Tools(
            sandbox=self._sandbox, workspace=root, venv=self._venv, limits=self._limits, owner=self._owner
        )
        result = await tools.run(name, arguments)
        if not problem:
            return result
        return ToolResult(f"{result.text}\n\n{REQUIREMENTS}: {problem}", result.is_error, result.full_output)

    async def _follow_requirements(self, root: Path) -> str:
        """Prepare the venv that the requirements ask for; returns what stands against it."""
        try:
            text = (await asyncio.to_thread(Workspace(root, self._owner).read, REQUIREMENTS)).decode(
                "utf-8", "replace"
            )
        except (Invalid, NotFound) as error:
            return error.message
        if text == self._text:
            return ""
        if problem := self._refused(text):
            return problem
        try:
            self._venv = await self._made(text)
        except ReleaseAtFault as error:
            return f"{error.message} {error.log[-800:]}"
        self._text = text
        return ""

    async def _made(self, text: str) -> Path:
        with tempfile.TemporaryDirectory(prefix="fpai-") as directory:
            requirements = Path(directory) / REQUIREMENTS
            requirements.write_text(text, "utf-8")
            return await self._venvs.get(requirements)
