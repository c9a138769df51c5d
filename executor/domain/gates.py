"""Gates: where a person decides, under which mode, and what each decision leads to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from executor.domain.build import BUILD_STEP, SPEC_STEP, VERIFY_STEP, ApprovalMode, Build, State


class Checkpoint(StrEnum):
    """The wire words of the architect's document."""

    SPEC_GENERATED = "spec_generated"
    BUILT = "built"
    DEPLOYED = "deployed"


class Decision(StrEnum):
    """What a person can say at a gate."""

    APPROVE = "approve"
    REJECT = "reject"
    REVISE = "revise"


_GATE_AFTER: dict[ApprovalMode, dict[int, Checkpoint]] = {
    ApprovalMode.AUTO: {},
    ApprovalMode.CHECKPOINTS: {SPEC_STEP: Checkpoint.SPEC_GENERATED, VERIFY_STEP: Checkpoint.BUILT},
    ApprovalMode.FINAL: {VERIFY_STEP: Checkpoint.BUILT},
}
REVISE_TO = {Checkpoint.SPEC_GENERATED: SPEC_STEP, Checkpoint.BUILT: BUILD_STEP}
ASKS = {
    Checkpoint.SPEC_GENERATED: "Is this SPEC what you meant? Approving starts the build.",
    Checkpoint.BUILT: "The droplet is built and verified. Approving deploys it.",
    Checkpoint.DEPLOYED: "The release is live. Approving accepts it, rejecting rolls it back.",
}
CONSEQUENCES: Mapping[Checkpoint, tuple[str, str, str]] = {
    Checkpoint.SPEC_GENERATED: (
        "The build starts from this SPEC.",
        "The SPEC is written again with your words.",
        "The build ends; nothing was built.",
    ),
    Checkpoint.BUILT: (
        "It is deployed and registered.",
        "It goes back to the build step with your words.",
        "The build ends; nothing is deployed.",
    ),
    Checkpoint.DEPLOYED: (
        "The release is accepted and stays.",
        "A new build of this droplet starts with your words; this release serves until it is done.",
        "The release and its registration are taken back; an earlier release serves again, if there is one.",
    ),
}
"""What approve, revise and reject do at each gate, in this order."""


def gate_after(mode: ApprovalMode, step: int) -> Checkpoint | None:
    """The gate that a build in this mode meets after this step, if any (interfaces.md, Gates)."""
    return _GATE_AFTER[mode].get(step)


def open_gate(build: Build) -> Mapping[str, Any] | None:
    """The gate, or the review, at which a decision is wanted now; None when there is none."""
    if build.state is State.WAITING_APPROVAL:
        return build.hold
    is_pending = build.state is State.COMPLETE and (build.review or {}).get("decision") == "pending"
    return build.review if is_pending else None


def open_gate_id(build: Build) -> str | None:
    """The id of that opening."""
    return (open_gate(build) or {}).get("gate_id")


def gate_id(build_id: str, checkpoint: Checkpoint, subject: str, seq: int) -> str:
    """Name one opening of one gate, so that a decision can only ever mean what its author saw.

    `subject` is the digest of what is being judged: a SPEC version, a commit, a release.
    """
    text = f"{build_id}\n{checkpoint}\n{subject}\n{seq}"
    return f"{checkpoint}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
