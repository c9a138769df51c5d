"""The Apprentice's hands: the API's two client tools, working on one workspace behind the walls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from executor.agent.tool_bash import BashTool
from executor.agent.tool_editor import EditorTool
from executor.agent.tool_forms import BASH, EDITOR, TOOL_FORMS
from executor.agent.tool_result import ToolResult
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.workspace import Workspace

__all__ = ["TOOL_FORMS", "ToolResult", "Tools", "touches_nothing"]


class Tools:
    """Runs `bash` in the sandbox and `str_replace_based_edit_tool` on the files themselves.

    `limits` bound one command, whose time is 120 s at most; `owner` is the uid that runs behind the walls.
    """

    def __init__(
        self, *, sandbox: Sandbox, workspace: Path, venv: Path, limits: Limits, owner: int | None
    ) -> None:
        self._bash = BashTool(sandbox, workspace, venv, limits)
        self._editor = EditorTool(Workspace(workspace, owner))

    async def run(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Run one tool. What the model did wrong is a result with `is_error`; only our own failures raise."""
        if name == BASH:
            return await self._bash.run(arguments)
        if name == EDITOR:
            return await self._editor.run(arguments)
        known = ", ".join(str(form["name"]) for form in TOOL_FORMS)
        return ToolResult(f"There is no tool {name[:80]!r}. There are: {known}.", is_error=True)


def touches_nothing(name: str, arguments: Mapping[str, Any]) -> bool:
    """True for a call that only looks, so that it may run beside others of its kind."""
    return name == EDITOR and arguments.get("command") == "view"
