"""The operator's own commands around a deploy: `[hooks] pre_deploy` and `post_deploy`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from executor.adapters.programs import run_program
from executor.domain.step import StepContext
from executor.errors import ExecutorError, Permanent
from executor.redaction import hidden
from executor.targets.base import Release

_PASSED_ON = ("PATH", "HOME", "LANG")
_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class DeployHooks:
    """Each is a list of words, run on this machine; empty means none. `timeout` is in seconds."""

    pre_deploy: tuple[str, ...] = ()
    post_deploy: tuple[str, ...] = ()
    timeout: float = 60.0

    async def before(self, context: StepContext, release: Release, target: str) -> None:
        """Run pre_deploy. Raises Permanent when it ends with another code than 0: nothing is deployed."""
        if self.pre_deploy:
            await self._once(context, "pre", self.pre_deploy, _told(release, target, ""))

    async def after(self, context: StepContext, release: Release, target: str, url: str) -> None:
        """Run post_deploy. The release is live already: a failure is said in the log and changes nothing."""
        if not self.post_deploy:
            return
        try:
            await self._once(context, "post", self.post_deploy, _told(release, target, url))
        except ExecutorError as error:
            context.log(f"{error.message} The release is live all the same.", "warning")

    async def _once(
        self, context: StepContext, when: str, argv: tuple[str, ...], told: Mapping[str, str]
    ) -> None:
        key = f"hook/{when}/{told['FPAI_RELEASE']}/{context.build.attempt}"

        async def probe() -> Mapping[str, Any] | None:
            return None  # nobody can tell whether it ran: FPAI_HOOK_KEY lets the command itself know a repeat

        async def act() -> Mapping[str, Any]:
            context.progress(f"running the {when}-deploy hook")
            return {"printed": await self._run(when, argv, {**told, "FPAI_HOOK_KEY": key})}

        result = await context.effect(key, probe=probe, act=act)
        if result["printed"]:
            context.log(f"{when}-deploy hook: {result['printed']}")

    async def _run(self, when: str, argv: tuple[str, ...], told: Mapping[str, str]) -> str:
        env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        done = await run_program(argv, env={**env, **told}, timeout=self.timeout, limit=64 << 10)
        printed = hidden(done.stdout.decode("utf-8", "replace").strip())[-_SHOWN:]
        if done.code != 0:
            raise Permanent(
                f"The {when}-deploy hook ended with exit code {done.code}: {done.error_text or printed}",
                hint=f"Mend what it says, or [hooks] {when}_deploy; `fpai retry` goes on from this step.",
                code="HOOK_REFUSED",
            )
        return printed


def _told(release: Release, target: str, url: str) -> dict[str, str]:
    return {
        "FPAI_BUILD": release.build_id,
        "FPAI_RELEASE": release.id,
        "FPAI_DROPLET": release.droplet_name,
        "FPAI_DROPLET_ID": str(release.droplet_id),
        "FPAI_VERSION": release.version,
        "FPAI_COMMIT": release.commit,
        "FPAI_TARGET": target,
        "FPAI_URL": url,
    }
