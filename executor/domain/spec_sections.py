"""The text of a SPEC's sections. Titles and forms are those of spec_form.py; no line starts with a lone #."""

from __future__ import annotations

from executor.domain.droplet import DropletIdentity
from executor.domain.spec import Resource
from executor.domain.spec_examples import endpoint_list, example_body
from executor.domain.spec_text import bullets, inline
from executor.domain.words import plural

_CONTRACT = (
    ("GET /health", "Answers without a token whether the droplet works, its version and the running release.",
     '{"status": "active", "service": "NAME", "version": "VERSION", "timestamp": "2026-01-31T12:00:00Z"}'),
    ("GET /capabilities", "Names features, dependencies and every public endpoint.",
     '{"version": "VERSION", "features": [], "dependencies": [], "udc_version": "1.0", "metadata": {}}'),
    ("GET /state", "Reports uptime, requests and resources, at most five seconds old.",
     '{"status": "active", "uptime_seconds": 60, "requests_total": 3, "errors_last_hour": 0}'),
    ("GET /dependencies", "Reports which other services are connected, and what is lost without them.",
     '{"required": [], "optional": [{"name": "registry", "status": "available"}], "missing": []}'),
    ("POST /message", "Takes a message from another service and answers at once.",
     '{"received": true, "trace_id": "abc", "processed_at": "2026-01-31T12:00:00Z", "result": "success"}'),
)  # fmt: skip


def metadata(identity: DropletIdentity) -> str:
    """The labelled lines that have to stand among the first twenty."""
    return (
        f"**Service Name:** {identity.name}\n**Droplet ID:** {identity.id}\n"
        f"**Version:** {inline(identity.version, 40)}\n**TIER:** 2 (Domain)\n**Port:** {identity.port}\n"
        "**UDC Version:** 1.0"
    )


def _many(resource: Resource) -> str:
    return plural(resource.name.replace("_", " "))


def purpose(identity: DropletIdentity, intent: str, resources: tuple[Resource, ...]) -> str:
    """What the droplet is for: what it stores, and the architect's words."""
    kept = ", ".join(map(_many, resources)) or "nothing of its own"
    return (
        f"{identity.title} is droplet {identity.id} of the ecosystem. It stores {kept} and serves other "
        "droplets and people over HTTP, beside the five endpoints of the droplet contract.\n\n"
        f"The architect asked for: {inline(intent)}"
    )


def capabilities(resources: tuple[Resource, ...]) -> str:
    """What it can do, one bullet a resource and then what every droplet can."""
    lines = [
        f"Create, list, read, change and delete {_many(r)} under /{r.plural}, every field "
        f"checked: {', '.join(f.name for f in r.fields)}"
        for r in resources
    ]
    return bullets(
        [
            *lines,
            "Keep everything in SQLite, so that a restart and a new release lose nothing",
            "Answer the five endpoints of the droplet contract at the root and under its own name",
            "Check RS256 tokens on everything but /health once a public key is configured",
        ]
    )


def contract_endpoints(identity: DropletIdentity) -> str:
    """The five endpoints in the numbered form that the verifier counts."""
    parts = [
        f"### {n}. {call}\n\n{text} Also under /{identity.name}.\n\n```json\n{body}\n```"
        for n, (call, text, body) in enumerate(_CONTRACT, 1)
    ]
    text = "\n\n".join(parts)
    return text.replace('"NAME"', f'"{identity.name}"').replace('"VERSION"', f'"{identity.version}"')


def dependencies() -> str:
    """Bold names in bullets below Required and Optional, as the verifier wants them."""
    return (
        "### Required\n\n- **SQLite** keeps the data; it is part of Python, no service is needed.\n\n"
        "### Optional\n\n- **Registry** makes the droplet known by name; without it the droplet serves too.\n"
        "- **Orchestrator** receives its status and routes calls; without it the droplet still serves."
    )


def business_endpoints(resources: tuple[Resource, ...]) -> str:
    """Every endpoint of every resource, with a body for the one that creates."""
    calls = [(call, text, r) for r in resources for call, text in endpoint_list(r)]
    return "\n\n".join(
        f"### {n}. {call}\n\n{text}"
        + (f"\n\n```json\n{example_body(r)}\n```" if call.startswith("POST") else "")
        for n, (call, text, r) in enumerate(calls, 1)
    )


def optimizations() -> str:
    """What to improve once the droplet is in use."""
    return bullets(
        [
            "Indexes on the fields that callers turn out to filter by",
            "PostgreSQL instead of SQLite once several copies of the droplet have to share its data",
            "Cache headers on collections that change seldom",
        ]
    )


def tech_stack() -> str:
    """The libraries of the droplet template."""
    return bullets(
        [
            "Python 3.11, FastAPI, Uvicorn",
            "Pydantic 2 and pydantic-settings",
            "SQLite in WAL mode",
            "pytest, ruff",
        ]
    )


def file_structure() -> str:
    """The repository's layout."""
    return (
        "```text\napp/main.py\napp/config.py\napp/models.py\napp/resources/\ntests/\ndocs/SPEC.md\n"
        "docs/foundation-files/\nDockerfile\nrequirements.txt\nREADME.md\nHANDOFF.md\n```"
    )


def example_usage(identity: DropletIdentity, resources: tuple[Resource, ...]) -> str:
    """Two calls that work against a running droplet."""
    address = f"http://localhost:{identity.port}"
    lines = [f"curl {address}/health"]
    lines += [
        f"curl -X POST {address}/{r.plural} -H 'Content-Type: application/json' -d '{example_body(r)}'"
        for r in resources[:1]
    ]
    return "```bash\n" + "\n".join(lines) + "\n```"
