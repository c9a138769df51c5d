"""One container that runs, and the docker client that carries its output."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from executor.errors import ExecutorError, NotFound, Permanent, Transient
from executor.sandbox.base import SandboxCommand, SandboxResult
from executor.sandbox.captive import Captive
from executor.sandbox.docker_engine import Engine, engine_error
from executor.unbroken import unbroken

_CLIENT_PATIENCE = 5.0
_NEVER = "0001-01-01"
_KILLED = 137


class HeldContainer:
    """Started when it is made; `remove` kills the container and all in it, and forgets its name."""

    def __init__(
        self, engine: Engine, name: str, output_bytes: int, remove: Callable[[str], Awaitable[None]]
    ) -> None:
        self._engine = engine
        self._name = name
        self._remove = remove
        self._killers: list[Captive] = []
        self._state: Mapping[str, Any] = {}
        self._client = engine.started(name, output_bytes)

    @property
    def exited(self) -> bool:
        """True once the command has ended."""
        return self._client.exited

    @property
    def printed(self) -> int:
        """Bytes printed so far."""
        return self._client.printed

    def output(self) -> str:
        """What was printed so far, head and tail."""
        return self._client.output()

    async def ended(self) -> int:
        """Wait for the client, which ends with the command and with its exit code."""
        return await self._client.ended()

    def kill(self) -> None:
        """Begin to kill the container, without waiting for the end."""
        self._killers.append(self._engine.kill_soon(self._name))

    async def destroy(self) -> None:
        """Kill all of it and return when it is gone; a cancelled caller still waits for that."""
        await unbroken(self._bury())

    def judged(self, result: SandboxResult, command: SandboxCommand) -> SandboxResult:
        """The result by the engine's own account of how the command ended.

        Raises what `check` raises.
        """
        if result.note:
            return result
        self.check()
        code = int(self._state["ExitCode"])
        starved = code == _KILLED and self._state.get("OOMKilled")
        mib = command.limits.memory_bytes >> 20
        note = f"Killed: it needed more than {mib} MiB of memory." if starved else ""
        return replace(result, exit_code=code, note=note)

    def check(self) -> None:
        """Raise Transient or Permanent if the container did not run, or the engine was lost meanwhile."""
        if not self._state:
            return
        if str(self._state["StartedAt"]).startswith(_NEVER):
            raise _at_fault(str(self._state["Error"]) or self.output())
        if self._state["Running"]:
            raise Transient(f"The connection to docker was lost: {self.output()[-400:].strip()}")

    async def _bury(self) -> None:
        try:
            if self._client.exited:
                self._state = await self._engine.state(self._name)
        finally:
            try:
                await self._remove(self._name)
                await self._last_words()
            finally:
                for client in (*self._killers, self._client):
                    await client.destroy()

    async def _last_words(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLIENT_PATIENCE):
                await self._client.ended()


def _at_fault(words: str) -> ExecutorError:
    error = engine_error(words)
    return Permanent(error.message) if isinstance(error, NotFound) else error
