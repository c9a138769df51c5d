"""The sandbox of a machine on which no walls stand: it refuses, with the reason and the way out."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from executor.errors import Permanent
from executor.sandbox.base import RunningService, SandboxCommand, SandboxResult


class RefusingSandbox:
    """Runs nothing. `refusal` is what the start-up self-test found."""

    kind = "none"

    def __init__(self, refusal: Permanent) -> None:
        self.refusal = refusal

    async def run(self, command: SandboxCommand) -> SandboxResult:
        """Raise Permanent."""
        raise self.refusal

    def serve(self, command: SandboxCommand) -> AbstractAsyncContextManager[RunningService]:
        """Raise Permanent."""
        raise self.refusal
