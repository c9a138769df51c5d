"""The eight steps of the loop, and the way back, made from the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from executor.adapters.fp_tools import FpTools
from executor.adapters.git import Git
from executor.agent.acceptance_author import AcceptanceAuthor
from executor.agent.access import ModelAccess
from executor.agent.budget import SpendingLimits
from executor.agent.spec_author import SpecAuthor
from executor.domain.prices import PricePerMillion
from executor.domain.step import Step
from executor.outside import Outside, repositories_of, sandbox_limits
from executor.settings import Configuration
from executor.steps.apprentice import ApprenticeBuildStep
from executor.steps.build import ScaffoldBuildStep
from executor.steps.deploy import DeployStep
from executor.steps.hidden_tests import HiddenTests
from executor.steps.hooks import DeployHooks
from executor.steps.intent import IntentStep
from executor.steps.package import PackageStep
from executor.steps.register import RegisterStep
from executor.steps.report import ReportStep
from executor.steps.spec import SpecStep
from executor.steps.verify import VerifyStep
from executor.steps.withdraw import WithdrawRelease
from executor.store.store import Store

# The executor registers what it deploys; a droplet that did so too would write the entry a second time.
RELEASE_ENV = {"ENVIRONMENT": "production", "LOG_LEVEL": "INFO", "REGISTER": "false"}


def steps_of(configuration: Configuration, store: Store, world: Outside) -> Sequence[Step]:
    """The eight, in order."""
    settings = configuration.settings
    git, repositories, places = Git(), repositories_of(configuration), world.places
    fp_tools = FpTools(Path(settings.spec.fp_tools)) if settings.spec.fp_tools else None
    access = _access(configuration, store, world)
    return (
        IntentStep(store.droplets, world.registry, settings.server.droplet_id, settings.deploy.port_range),
        SpecStep(
            git,
            repositories,
            places,
            fp_tools,
            settings.spec.min_score,
            SpecAuthor(access) if access else None,
        ),
        PackageStep(git, repositories, places, access is not None, world.publisher),
        _build_step(configuration, world, access),
        VerifyStep(git, repositories, places, world.verifier, _hidden_tests(world, access)),
        DeployStep(
            git=git,
            repositories=repositories,
            places=places,
            targets=world.targets,
            droplets=store.droplets,
            release_env=RELEASE_ENV,
            keep=settings.deploy.keep,
            hooks=DeployHooks(**settings.hooks.model_dump()),
        ),
        RegisterStep(world.registry, store.droplets),
        ReportStep(
            configuration.base_url,
            store.droplets,
            settings.github.owner,
            bool(configuration.secrets.get("GITHUB_TOKEN")),
            world.publisher,
        ),
    )


def _build_step(configuration: Configuration, world: Outside, access: ModelAccess | None) -> Step:
    git, repositories, settings = Git(), repositories_of(configuration), configuration.settings
    if access is None or world.with_model is None:
        return ScaffoldBuildStep(git, repositories, world.places, world.publisher)
    return ApprenticeBuildStep(
        git=git,
        repositories=repositories,
        places=world.places,
        sandbox=world.sandbox,
        venvs=world.with_model.venvs,
        limits=sandbox_limits(settings),
        access=access,
        verifier=world.verifier,
        packages=frozenset(settings.sandbox.packages),
        max_iterations=settings.builds.max_iterations,
        publisher=world.publisher,
    )


def _access(configuration: Configuration, store: Store, world: Outside) -> ModelAccess | None:
    if world.with_model is None:
        return None
    model, builds = configuration.settings.model, configuration.settings.builds
    return ModelAccess(
        turns=store.turns,
        service=world.with_model.service,
        prices={name: PricePerMillion(**price.model_dump()) for name, price in model.prices.items()},
        limits=SpendingLimits(model.max_turns, builds.budget_tokens),
        model=model.model,
        stronger_model=model.stronger_model,
        effort=model.effort,
        max_tokens=model.max_tokens,
    )


def _hidden_tests(world: Outside, access: ModelAccess | None) -> HiddenTests | None:
    if access is None or world.with_model is None:
        return None
    return HiddenTests(AcceptanceAuthor(access), world.with_model.hidden_tests)


def withdrawal_of(configuration: Configuration, store: Store, world: Outside) -> WithdrawRelease:
    """The way back: what a rejected or rolled back build goes through."""
    return WithdrawRelease(
        git=Git(),
        repositories=repositories_of(configuration),
        places=world.places,
        targets=world.targets,
        droplets=store.droplets,
        registry=world.registry,
        release_env=RELEASE_ENV,
        publisher=world.publisher,
    )
