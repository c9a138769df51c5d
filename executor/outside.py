"""The parts that touch the world beyond the state directory, made as the configuration says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import structlog

from executor.adapters.claude import Claude
from executor.adapters.git import Git
from executor.adapters.hosts import swarm_machines
from executor.adapters.machine import Machine
from executor.adapters.model_catalog import ModelFacts, look_up
from executor.adapters.registry_choice import own_registry_of, registry_of
from executor.adapters.registry_entry import Registry
from executor.adapters.spec_verifier import SpecVerifier
from executor.adapters.verifier_service import VerifierService
from executor.agent.model_watch import ModelWatch
from executor.checks.acceptance import AcceptanceRunner
from executor.checks.at_first_use import VerifierAtFirstUse
from executor.errors import Permanent, Transient
from executor.sandbox.base import Limits as SandboxLimits
from executor.sandbox.base import Sandbox
from executor.sandbox.cgroups import Cgroups
from executor.sandbox.choose import choose_sandbox
from executor.sandbox.places import Places
from executor.sandbox.refusing import RefusingSandbox
from executor.sandbox.swarm_jobs import SwarmJobSandbox
from executor.sandbox.venv import VenvCache, find_uv
from executor.settings import Configuration, ConfigurationError
from executor.settings_tables import Settings
from executor.steps.hidden_tests import CarriesOut
from executor.steps.publish import Publisher
from executor.steps.verify import Verifies
from executor.targets.choice import TargetChoice
from executor.targets.factory import targets_of
from executor.targets.launcher import Launcher
from executor.targets.process import ProcessTarget
from executor.targets.systemd import choose_launcher

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WithModel:
    """What is needed beside the rest when a model writes; `hidden_tests` carries out what it never sees."""

    service: ModelWatch
    venvs: VenvCache
    hidden_tests: CarriesOut


@dataclass(frozen=True, slots=True)
class Outside:
    """The parts that touch the world beyond the state directory. Without a model code is made by rule.

    `machines` are those that test runs are sent to; they are let go of at the end. With `own_registry` the
    executor keeps an entry of its own there, and those of the releases that it runs.
    """

    places: Places
    sandbox: Sandbox
    verifier: Verifies
    targets: TargetChoice
    registry: Registry | None
    with_model: WithModel | None = None
    spec_verifier: SpecVerifier | None = None
    publisher: Publisher | None = None
    machines: tuple[Machine, ...] = ()
    own_registry: Registry | None = None


async def real_world(configuration: Configuration, session: aiohttp.ClientSession) -> Outside:
    """The sandbox, the Verifier, the target and the registry of this configuration."""
    settings = configuration.settings
    places = Places.of(configuration.state_dir)
    sandbox, machines = await _sandbox(settings, places)
    venvs = VenvCache(places, find_uv())
    launcher = choose_launcher(places, await asyncio.to_thread(Cgroups.discover))
    _require_token(launcher, settings.server.token)
    process = ProcessTarget(
        places,
        venvs,
        launcher,
        host="127.0.0.1" if settings.deploy.host in settings.deploy.hosts else settings.deploy.host,
        port_range=settings.deploy.port_range,
        probes=settings.deploy.probes,
        deadline=settings.deploy.timeout,
    )
    targets = targets_of(settings, configuration.state_dir, places, lambda: process)
    limits = sandbox_limits(settings)
    packages = frozenset(settings.sandbox.packages)
    opinion = VerifierService(session, settings.verifier.url) if settings.verifier.url else None
    verifier = VerifierAtFirstUse(
        sandbox=sandbox,
        venvs=venvs,
        places=places,
        limits=limits,
        packages=packages,
        second_opinion=opinion,
    )
    with_model = None
    if configuration.has_model:
        hidden = AcceptanceRunner(sandbox=sandbox, venvs=venvs, places=places, limits=limits)
        with_model = WithModel(_model(configuration, session), venvs, hidden)
    spec_verifier = SpecVerifier(session, settings.spec.verifier_url) if settings.spec.verifier_url else None
    publisher = _publisher(configuration, session)
    return Outside(
        places=places,
        sandbox=sandbox,
        verifier=verifier,
        targets=targets,
        registry=registry_of(session, configuration),
        own_registry=own_registry_of(session, configuration),
        with_model=with_model,
        spec_verifier=spec_verifier,
        publisher=publisher,
        machines=machines,
    )


def _publisher(configuration: Configuration, session: aiohttp.ClientSession) -> Publisher | None:
    """Repositories are published where an owner and a token are set."""
    github, token = configuration.settings.github, configuration.secrets.get("GITHUB_TOKEN")
    if not github.owner or not token:
        return None
    from executor.adapters.github import Github  # noqa: PLC0415 - costs a start 0.1 s, and few need it

    service = Github(
        session,
        owner=github.owner,
        private=github.private,
        api_url=github.api_url,
        token=token,
        mark=f"executor-{configuration.settings.server.droplet_id}",
    )
    return Publisher(Git(), service, repositories_of(configuration), token)


def _model(configuration: Configuration, session: aiohttp.ClientSession) -> ModelWatch:
    settings, key = configuration.settings.model, configuration.secrets.get("ANTHROPIC_API_KEY")
    service = Claude(api_key=key, base_url=settings.base_url, timeout=settings.timeout)

    async def known(model: str) -> ModelFacts | None:
        return await look_up(session, model, base_url=settings.base_url, api_key=key)

    models = dict.fromkeys(name for name in (settings.model, settings.stronger_model) if name)
    return ModelWatch(service, known, tuple(models))


def sandbox_limits(settings: Settings) -> SandboxLimits:
    """The bounds of one sandboxed run as configured."""
    return SandboxLimits(
        memory_bytes=settings.sandbox.memory,
        pids=settings.sandbox.pids,
        wall_seconds=settings.sandbox.timeout,
    )


def _require_token(launcher: Launcher, token: str) -> None:
    """Releases that run as the daemon's own uid cannot be told from people at the API (trust.md, walls)."""
    if not launcher.changes_uid and not token:
        raise ConfigurationError(
            "This daemon cannot give releases their own user, so a release could pass for you at the API.",
            hint="Set a token ([server] token or FPAI_SERVER__TOKEN), run as root, or install the units with"
            " `fpai init --systemd`.",
        )


async def _sandbox(settings: Settings, places: Places) -> tuple[Sandbox, tuple[Machine, ...]]:
    """The walls on this machine, and with them the machines that heavy test runs go to, if any do."""
    table = settings.sandbox
    try:
        sandbox = await choose_sandbox(table.kind, places, image=table.image)
    except Permanent as refusal:
        log.error("no_walls", reason=str(refusal))
        return RefusingSandbox(refusal), ()
    if sandbox.kind == "unsafe":
        log.warning("unsafe_sandbox", reason="model-written code runs without walls, as configured")
    if table.tests_on == "here":
        return sandbox, ()
    manager, nodes = swarm_machines(settings.deploy)
    jobs = SwarmJobSandbox(sandbox, manager=manager, nodes=nodes, places=places, image=table.image)
    try:
        await jobs.sweep()
    except Transient as away:
        log.warning("swarm_away", reason=away.message)
    except Permanent as refusal:
        log.error("no_swarm_for_tests", reason=str(refusal))
    return jobs, (manager, *nodes)


def repositories_of(configuration: Configuration) -> Path:
    """Where the droplets' repositories lie."""
    return configuration.state_dir / "repositories"
