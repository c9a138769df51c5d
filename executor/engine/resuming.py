"""From where a build may go on: a retry passes no gate that nobody approved, and no release that is gone."""

from __future__ import annotations

from collections.abc import Iterator

from executor.domain.build import DEPLOY_STEP, FIRST_STEP, LAST_STEP, Build
from executor.errors import Conflict, Invalid

UNAPPROVED = "unapproved_after"
"""The fact that names the step whose gate is open; an approval clears it."""


def step_to_resume(build: Build, asked: int | None) -> int:
    """The step that a retry starts at: the one asked for, else the latest that may run.

    Raises Invalid for a number that is no step, Conflict for a step that was not reached, that lies behind
    a gate without approval, or that needs a release which was taken back.
    """
    if asked is not None and not FIRST_STEP <= asked <= LAST_STEP:
        message = f"from_step is {FIRST_STEP} to {LAST_STEP}"
        raise Invalid(
            f"There is no step {asked}.", details={"fields": [{"loc": ["from_step"], "msg": message}]}
        )
    latest, code, why = min(_bounds(build))
    if asked is not None and asked > latest:
        raise Conflict(
            f"Build {build.id} {why}; it cannot start at step {asked}.",
            hint=f"`fpai retry {build.id} --from {latest}`, or from an earlier step.",
            code=code,
        )
    return asked or latest


def _bounds(build: Build) -> Iterator[tuple[int, str, str]]:
    yield build.step, "STEP_NOT_REACHED", f"has come to step {build.step}"
    if (gated := build.facts.get(UNAPPROVED)) is not None:
        yield int(gated), "NOT_APPROVED", "was not approved at its gate"
    if build.step > DEPLOY_STEP and not build.has_deployment:
        yield DEPLOY_STEP, "NOT_DEPLOYED", "has no release any more"
