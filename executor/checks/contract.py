"""The droplet contract, probed on the running service (ecosystem.md section 1)."""

from __future__ import annotations

from dataclasses import dataclass

from executor.checks.both import both
from executor.checks.contract_access import check_access
from executor.checks.contract_answers import check_answers
from executor.checks.contract_bodies import check_logs
from executor.checks.contract_service import Subject, served
from executor.checks.rules import judged
from executor.checks.tokens import TokenMaker
from executor.domain.findings import Finding

__all__ = ["ContractVerdict", "Subject", "check_contract"]


@dataclass(frozen=True, slots=True)
class ContractVerdict:
    """How the running service answered; `output` is what it printed."""

    findings: tuple[Finding, ...]
    output: str


async def check_contract(subject: Subject) -> ContractVerdict:
    """Start the service twice, open and with a key, and judge U1 to U10, U12, U17, S7 and S9.

    What the droplet does wrong is a failed rule. Raises Transient or Permanent for this machine's trouble.
    """
    (findings, output), locked = await both(_open(subject), _locked(subject, TokenMaker.new()))
    return ContractVerdict((*findings, *locked), output)


async def _open(subject: Subject) -> tuple[tuple[Finding, ...], str]:
    async with served(subject, {}) as running:
        if running.probe is None:
            findings: tuple[Finding, ...] = (judged("U1", "All five endpoints answer", [running.problem]),)
        else:
            findings = await check_answers(running.probe, subject.identity)
            findings = (*findings, check_logs(running.service.output()))
        return findings, running.service.output()


async def _locked(subject: Subject, tokens: TokenMaker) -> tuple[Finding, ...]:
    async with served(subject, {"JWT_PUBLIC_KEY": tokens.public_pem}) as running:
        if running.probe is None:
            return (judged("U8", "The service starts with a key configured", [running.problem]),)
        return await check_access(running.probe, tokens, subject.identity)
