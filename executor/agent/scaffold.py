"""Provider `scaffold`: turns the SPEC's resources into a working droplet by rules, without a model.

It is honest rather than clever: it stores and serves the resources, tests that, and says what it left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from executor.agent.scaffold_code import resource_files
from executor.agent.scaffold_docs import (
    RECORD,
    handoff_section,
    read_record,
    readme_section,
    record_text,
    with_label,
    with_section,
)
from executor.agent.scaffold_plan import Plan, PlannedResource, make_plan
from executor.agent.scaffold_tests import test_files
from executor.agent.template import write_file
from executor.domain.droplet import DropletIdentity
from executor.domain.spec import Resource
from executor.errors import Permanent

RESOURCES = "app/resources"


@dataclass(frozen=True, slots=True)
class ScaffoldResult:
    """`files` are relative names, sorted; `left_out` are sentences; `endpoints` read `METHOD /path`."""

    files: tuple[str, ...]
    left_out: tuple[str, ...]
    endpoints: tuple[str, ...]


def scaffold(resources: tuple[Resource, ...], identity: DropletIdentity, workspace: Path) -> ScaffoldResult:
    """Add code, tests and documentation for `resources` to the rendered template in `workspace`.

    The same arguments over the same workspace give the same bytes, however often it runs. Resources of an
    earlier release stay, and stay documented. Raises Permanent when the workspace holds no droplet.
    """
    if not (workspace / RESOURCES / "__init__.py").is_file():
        raise Permanent(
            f"There is no droplet template in {workspace.name}, so the scaffold has nothing to add to.",
            hint="Render the template into the workspace first.",
        )
    earlier = read_record(_text(workspace, RECORD))
    plan = make_plan(resources, earlier, _foreign(workspace, frozenset(earlier)))
    everything = {**earlier, **{resource.module: resource for resource in plan.resources}}
    left_out = _left_out(plan)
    files = _documents(workspace, identity, list(everything.values()), left_out)
    for resource in plan.resources:
        files |= resource_files(resource) | test_files(resource)
    for name, text in sorted(files.items()):
        write_file(workspace, name, text)
    endpoints = tuple(endpoint for resource in plan.resources for endpoint in resource.endpoints)
    return ScaffoldResult(tuple(sorted(files)), left_out, endpoints)


def _foreign(workspace: Path, ours: frozenset[str]) -> frozenset[str]:
    """Return what is under app/resources and was not written by an earlier scaffold."""
    entries = (workspace / RESOURCES).iterdir()
    names = {entry.stem for entry in entries if entry.is_dir() or entry.suffix == ".py"}
    return frozenset(names - ours - {"__init__", "__pycache__"})


def _left_out(plan: Plan) -> tuple[str, ...]:
    built = (
        "Of the purpose only the storing and serving of the resources was built; rules, calculations and "
        "workflows that the SPEC describes in words were not."
    )
    nothing = (
        "Of the purpose nothing was built: no resource could be made from the SPEC, so the droplet serves "
        "its contract alone."
    )
    return (
        built if plan.resources else nothing,
        "Relations between resources, unique values, search and filters were not built.",
        "Calls to other services and work on a schedule were not built.",
        "Who may do what was not built: every caller that is let in may do everything.",
        *plan.notes,
    )


def _documents(
    workspace: Path, identity: DropletIdentity, resources: list[PlannedResource], left_out: tuple[str, ...]
) -> dict[str, str]:
    ordered = sorted(resources, key=lambda one: one.module)
    readme = readme_section(identity, ordered, left_out)
    features = {resource.path: resource for resource in ordered}
    return {
        RECORD: record_text(ordered),
        "README.md": with_section(_text(workspace, "README.md"), readme),
        "HANDOFF.md": with_section(_text(workspace, "HANDOFF.md"), handoff_section(left_out)),
        "Dockerfile": with_label(_text(workspace, "Dockerfile"), features),
    }


def _text(workspace: Path, name: str) -> str:
    path = workspace / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""
