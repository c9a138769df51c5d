"""`bash` of the Messages API: every call is a fresh shell behind the walls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from executor.agent.tool_arguments import Arguments
from executor.agent.tool_output import head_and_tail, plain
from executor.agent.tool_result import ToolResult
from executor.errors import Invalid
from executor.redaction import hidden
from executor.sandbox.base import Bind, Limits, Sandbox, SandboxCommand, SandboxResult

LONGEST_SECONDS = 120.0
"""Wall time of one command; a suite that takes longer is to be run in parts."""
LARGEST_OUTPUT = 1 << 20
"""Bytes of output that are kept in full, 1 MiB."""
LONGEST_COMMAND = 100_000
"""Bytes; Linux takes no argument of more than 128 KiB."""
_ENV = {
    "PATH": "/venv/bin:/usr/bin:/bin",
    "VIRTUAL_ENV": "/venv",
    "PYTHONDONTWRITEBYTECODE": "1",
    "TERM": "dumb",
    "PAGER": "cat",
}
_FRESH = (
    "Every call starts a fresh shell in /ws: directories, variables and functions do not carry over. Put them"
    " in front of the command that needs them, as in `cd app && ls`."
)
_STATE = re.compile(
    r"\s*(cd|pushd|popd|export|declare|alias|set|shopt|source|\.|unset|umask)(\s[^;&|\n]*)?\s*"
)
_AND = re.compile(r"&&|;|\n")
_BACKGROUND = re.compile(r"[^&>|]&\s*$")
_KILLED = 137


class BashTool:
    """Runs one command after another in one workspace. No network, no keys, nothing survives the call."""

    def __init__(self, sandbox: Sandbox, workspace: Path, venv: Path, limits: Limits) -> None:
        self._sandbox = sandbox
        self._binds = (Bind(workspace, "/ws", writable=True), Bind(venv, "/venv"))
        self._limits = replace(
            limits,
            wall_seconds=min(limits.wall_seconds, LONGEST_SECONDS),
            output_bytes=LARGEST_OUTPUT,
        )

    async def run(self, given: Mapping[str, Any]) -> ToolResult:
        """Run `command`, or answer `restart`. Raises as the sandbox does when nothing can be walled."""
        arguments = Arguments("bash", given)
        if given.get("restart") is True and not arguments.has("command"):
            return ToolResult(f"There is no shell to restart. {_FRESH}")
        try:
            command = _checked(arguments.text("command"))
        except Invalid as error:
            return ToolResult(str(error), is_error=True)
        result = await self._sandbox.run(
            SandboxCommand(("/usr/bin/bash", "-c", command), self._binds, env=_ENV, limits=self._limits)
        )
        return self._answer(command, result)

    def _answer(self, command: str, result: SandboxResult) -> ToolResult:
        # The walls keep every secret from the command; should one of them ever fail, it ends here.
        output = hidden(result.output)
        shown = head_and_tail(output, result.output_bytes)
        notes = [f"[{note}]" for note in (*self._ending(result), *_advice(command))]
        text = "\n".join(part for part in (plain(shown).rstrip("\n"), *notes) if part)
        full = "" if shown == output else plain(output)
        return ToolResult(text or "(no output, exit code 0)", bool(result.note), full)

    def _ending(self, result: SandboxResult) -> list[str]:
        if result.timed_out:
            return [
                f"Stopped after {self._limits.wall_seconds:g} s, the limit of one call, and everything that"
                " it started with it. Run it in parts, such as one test file at a time, or find what hangs by"
                " `timeout 20 ...`."
            ]
        if result.note:
            return [result.note]
        if result.exit_code == _KILLED:
            mib = self._limits.memory_bytes >> 20
            return [
                f"exit code {_KILLED}: killed, most likely because it needed more than {mib} MiB of memory"
            ]
        return [f"exit code {result.exit_code}"] if result.exit_code else []


def _checked(command: str) -> str:
    if not command.strip():
        raise Invalid("bash: the argument `command` is empty. Nothing was done.")
    if "\0" in command:
        raise Invalid("bash: a NUL character stands in `command`, which no shell can take. Nothing was done.")
    if len(command.encode()) > LONGEST_COMMAND:
        raise Invalid(
            f"bash: `command` is longer than {LONGEST_COMMAND:,} bytes. Nothing was done.",
            hint="Write the text to a file with str_replace_based_edit_tool, then run that file.",
        )
    return command


def _advice(command: str) -> list[str]:
    """What the model may believe wrongly after this command."""
    if all(_STATE.fullmatch(part) for part in _AND.split(command) if part.strip()):
        return [_FRESH]
    if _BACKGROUND.search(command):
        return ["What runs in the background ends with the call; use it within the same call."]
    return []
