"""The repository's shape: the files, the labels and the pins that the ecosystem looks for."""

from __future__ import annotations

import re
from pathlib import Path

from executor.checks.dependencies import PIN, entries
from executor.checks.legible import check_legible
from executor.checks.rules import judged
from executor.checks.sources import SourceFile
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Finding

# ecosystem.md sections 5 (Structure Scan) and 10 (package layout).
REQUIRED_FILES = (
    "app/__init__.py", "app/main.py", "app/models.py", "app/config.py", "tests/conftest.py",
    "tests/test_health.py", "tests/test_api.py", "docs/SPEC.md", "requirements.txt", "Dockerfile",
    "README.md", "HANDOFF.md", ".gitignore", ".env.example",
)  # fmt: skip
IGNORED = (".env", ".env.*", "*.key", "*.pem", "credentials.json", "secrets/", "!.env.example")
README_SECTIONS = (
    "Overview", "Installation", "Usage", "API Endpoints", "Configuration", "Development", "Testing",
    "Deployment",
)  # fmt: skip
ENDPOINTS = ("/health", "/capabilities", "/state", "/dependencies", "/message")
ENVIRONMENT = (
    "REGISTRY_URL", "ORCHESTRATOR_URL", "SERVICE_NAME", "SERVICE_PORT", "DROPLET_ID", "ENVIRONMENT",
    "LOG_LEVEL",
)  # fmt: skip

_HOSTS = frozenset({".github", ".gitea", ".forgejo"})


def check_structure(
    root: Path, files: tuple[SourceFile, ...], identity: DropletIdentity
) -> tuple[Finding, ...]:
    """The rules F1 to F3, U15, U16, U19, S2 (.gitignore), S12 (pins), and C11's files."""
    text = {file.name: file.text for file in files}
    missing = [name for name in REQUIRED_FILES if not (root / name).is_file()]
    readme = text.get("README.md", "")
    ignored = {line.strip() for line in text.get(".gitignore", "").splitlines()}
    config = text.get("app/config.py", "")
    return (
        judged("F1", "The files of the package layout are there", [f"{name} is missing" for name in missing]),
        judged("F3", "Nothing in the repository runs where it is published", _workflows(root)),
        check_legible(root),
        judged(
            "U15",
            "The Dockerfile carries the droplet's labels",
            _labels(text.get("Dockerfile", ""), identity),
        ),
        judged(
            "U16",
            "The settings are read from the contract's environment names",
            [f"{name} is not read" for name in ENVIRONMENT if name.lower() not in config.lower()],
        ),
        judged(
            "U19",
            "The README documents the five endpoints and has its sections",
            [f"{e} is not named" for e in ENDPOINTS if e not in readme]
            + [
                f"no section {s}"
                for s in README_SECTIONS
                if not re.search(rf"^#+ {s}\b", readme, re.MULTILINE)
            ],
        ),
        judged(
            "S2",
            "Secrets cannot be committed by accident",
            [f"{i} is not ignored" for i in IGNORED if i not in ignored],
        ),
        judged("S12", "Every requirement is pinned exactly", _unpinned(text.get("requirements.txt", ""))),
    )


def _labels(dockerfile: str, identity: DropletIdentity) -> list[str]:
    joined = re.sub(r"\\\n", " ", dockerfile)
    labels = dict(
        re.findall(r'([a-z][a-z0-9_.]*)="([^"]*)"', "\n".join(re.findall(r"(?m)^LABEL .*$", joined)))
    )
    wanted = {
        "droplet.id": str(identity.id),
        "droplet.name": identity.name,
        "droplet.version": identity.version,
        "droplet.udc_compliant": "true",
    }
    problems = [
        f"{key} is {labels.get(key)!r}, not {value!r}"
        for key, value in wanted.items()
        if labels.get(key) != value
    ]
    if not labels.get("droplet.capabilities"):
        problems.append("droplet.capabilities is missing")
    if "HEALTHCHECK" not in joined:
        problems.append("there is no HEALTHCHECK")
    return problems


def _unpinned(requirements: str) -> list[str]:
    lines = entries(requirements)
    if not lines:
        return ["requirements.txt names nothing"]
    return [f"{line!r} is not NAME==VERSION" for line in lines if not PIN.fullmatch(line)]


def _workflows(root: Path) -> list[str]:
    """Workflows are run by the host of the repository, outside every wall and with its tokens."""
    found = [path for host in root.glob(".*") if host.name.lower() in _HOSTS for path in host.glob("*/*")]
    return [
        f"{path.relative_to(root).as_posix()} would run on the repository's host; remove it"
        for path in sorted(found)
        if path.parent.name.lower() in {"workflows", "actions"}
    ]
