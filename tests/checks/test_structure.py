"""The repository's shape: one small edit fails exactly the rule that it breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from executor.checks.sources import read_sources
from executor.checks.structure import check_structure
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Finding

Failed = Callable[[Iterable[Finding]], dict[str, str]]
Replace = Callable[[str, str, str], None]
REPLACED = [
    ("U15", "Dockerfile", 'droplet.id="13"', 'droplet.id="14"'),
    ("U15", "Dockerfile", 'droplet.version="0.1.0"', 'droplet.version="0.2.0"'),
    ("U15", "Dockerfile", 'droplet.udc_compliant="true"', 'droplet.udc_compliant="false"'),
    ("U15", "Dockerfile", "droplet.capabilities", "droplet.abilities"),
    ("U15", "Dockerfile", "HEALTHCHECK", "# no HEALTHCHECK here\nRUN true ||".replace("HEALTHCHECK ", "")),
    ("U16", "app/config.py", "orchestrator_url", "conductor_url"),
    ("U19", "README.md", "/dependencies", "/dependents"),
    ("U19", "README.md", "## Deployment", "## Shipping"),
    ("S2", ".gitignore", "*.pem", "*.pam"),
    ("S12", "requirements.txt", "fastapi==", "fastapi>="),
    ("S12", "requirements.txt", "fastapi==", "--index-url https://packages.example/simple\nfastapi=="),
]


def judge(root: Path, identity: DropletIdentity) -> tuple[Finding, ...]:
    return check_structure(root, read_sources(root), identity)


def test_the_unedited_template_passes_every_rule(template: Path, identity: DropletIdentity, failed: Failed):
    findings = judge(template, identity)
    assert failed(findings) == {}
    assert [f.rule for f in findings] == ["F1", "F3", "F2", "U15", "U16", "U19", "S2", "S12"]


@pytest.mark.parametrize(("rule", "name", "old", "new"), REPLACED)
def test_an_edit_fails_the_rule_that_it_breaks(
    rule: str,
    name: str,
    old: str,
    new: str,
    droplet: Path,
    identity: DropletIdentity,
    edit: Replace,
    failed: Failed,
):
    edit(name, old, new)
    assert list(failed(judge(droplet, identity))) == [rule]


@pytest.mark.parametrize("name", ["tests/test_api.py", "HANDOFF.md", ".env.example"])
def test_a_missing_file_is_named(name: str, droplet: Path, identity: DropletIdentity, failed: Failed):
    (droplet / name).unlink()
    assert failed(judge(droplet, identity)) == {"F1": f"{name} is missing"}


def test_requirements_that_name_nothing_are_not_pinned(
    droplet: Path, identity: DropletIdentity, failed: Failed
):
    (droplet / "requirements.txt").write_text("# nothing\n")
    assert failed(judge(droplet, identity)) == {"S12": "requirements.txt names nothing"}


@pytest.mark.parametrize(
    "name", [".github/workflows/ci.yml", ".GitHub/Workflows/ci.yml", ".gitea/actions/run.yml"]
)
def test_what_the_repositorys_host_would_run_is_refused(name: str, droplet: Path, identity, failed: Failed):
    path = droplet / name
    path.parent.mkdir(parents=True)
    path.write_text("on: push\n")
    assert list(failed(judge(droplet, identity))) == ["F3"]
    path.rename(droplet / "docs" / "ci.yml")
    assert failed(judge(droplet, identity)) == {}
