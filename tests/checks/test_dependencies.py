"""A package that nobody vouches for is refused by its name, and no index ever hears of it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from executor.checks.dependencies import check_packages
from executor.checks.verifier import Verifier
from executor.domain.droplet import DropletIdentity
from executor.domain.findings import Depth, Result, VerifierReport
from executor.resources import config_dir
from executor.sandbox.base import Limits, Sandbox
from executor.sandbox.places import Places
from executor.sandbox.venv import VenvCache, find_uv
from tests.proof.ledger import Ledger

THREAT = "squatted packages"


class Index:
    """A package index on loopback that has what it is given and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.files: dict[str, bytes] = {}
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        project, name = request.path.rstrip("/").split("/")[-1], request.path.removeprefix("/files/")
        if name in self.files:
            return web.Response(body=self.files[name])
        found = [file for file in self.files if file.startswith(f"{project}-")]
        links = "".join(f'<a href="/files/{file}">{file}</a>' for file in found)
        return web.Response(text=links, content_type="text/html", status=200 if found else 404)


@pytest.fixture
async def index() -> AsyncIterator[Index]:
    made, app = Index(), web.Application()
    app.router.add_get("/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/simple"
    yield made
    await runner.cleanup()


@pytest.fixture
def requirements() -> str:
    return (config_dir() / "template/requirements.txt").read_text()


def test_the_templates_requirements_are_allowed(requirements: str):
    finding = check_packages(requirements, ())
    assert (finding.rule, finding.result) == ("S12d", Result.PASS)


def test_another_name_is_refused_and_what_is_allowed_is_said(requirements: str, ledger: Ledger):
    finding = check_packages(requirements + "fastapl==1.0\n", ())
    assert finding.result is Result.FAIL
    assert "not allowed: fastapl;" in finding.evidence
    assert "fastapi, " in finding.evidence and "uvicorn" in finding.evidence
    ledger.tried("unknown packages", threat=THREAT)


def test_a_configured_name_is_allowed_however_it_is_written(requirements: str):
    more = requirements + "Ruamel_YAML[jinja2]==0.18  # to read\n"
    assert check_packages(more, ()).result is Result.FAIL
    assert check_packages(more, ["ruamel.yaml"]).result is Result.PASS


@pytest.mark.parametrize(
    "line",
    [
        "fastapi", "fastapi>=0.1", "fastapi==0.*", "fastapi===0.165.0", "fastapi==1,==2",
        "fastapi @ https://example.com/fastapi.whl", "https://example.com/fastapi.whl", "./fastapi",
        "-r other.txt", "-c other.txt", "-e .", "--index-url https://example.com", "-i https://example.com",
        "--extra-index-url=https://example.com", "--find-links .", "--no-binary :all:", "--pre",
        "fastapi==0.165.0 --index-url https://example.com", "fastapi==0.165.0 \\",
        "fastapi==0.165.0 ; python_version > '3' # https://example.com",
    ],
)  # fmt: skip
def test_only_a_name_and_its_exact_version_are_followed(line: str, ledger: Ledger):
    finding = check_packages(f"{line}\n", ())
    assert finding.result is Result.FAIL
    assert "NAME==VERSION" in finding.evidence
    ledger.tried("requirements that are no plain package", threat=THREAT)


def test_a_name_behind_a_comment_that_ends_in_a_backslash_is_seen(ledger):
    assert "evil" in check_packages("# harmless \\\nevil==1.0\n", ()).evidence
    ledger.tried("hidden packages", threat=THREAT)


async def verified(
    index: Index, droplet: Path, parts: dict[str, Any], packages: frozenset[str], approved: frozenset[str]
) -> VerifierReport:
    venvs = VenvCache(parts["places"], find_uv(), environ={"UV_DEFAULT_INDEX": index.url})
    verifier = Verifier(venvs=venvs, limits=Limits(), packages=packages, **parts["walls"])
    return await verifier.verify(
        source=droplet, commit="c", identity=parts["identity"], notify=lambda *_: None, depth=Depth.ROUND,
        approved=approved,
    )  # fmt: skip


@pytest.fixture
def parts(places: Places, sandbox: Sandbox, identity: DropletIdentity) -> dict[str, Any]:
    return {"places": places, "identity": identity, "walls": {"sandbox": sandbox, "places": places}}


SQUATTED = frozenset({"fastapl"})


@pytest.mark.parametrize(
    ("packages", "approved", "asked"),
    [(frozenset(), frozenset(), False), (SQUATTED, frozenset(), True), (frozenset(), SQUATTED, True)],
    ids=["refused", "configured", "approved"],
)
async def test_an_index_is_never_asked_for_a_refused_name(
    packages: frozenset[str],
    approved: frozenset[str],
    asked: bool,
    index: Index,
    droplet: Path,
    parts: dict[str, Any],
    ledger: Ledger,
):
    (droplet / "requirements.txt").write_text("fastapl==1.0\n")
    report = await verified(index, droplet, parts, packages, approved)
    failed = {finding.rule for finding in report.failures}
    assert ("S12v" in failed, "S12d" in failed) == (asked, not asked)
    assert bool(index.asked) is asked
    assert report.output == {}
    ledger.tried("squatted packages on an index", threat=THREAT)


def sdist(name: str, marker: Path) -> bytes:
    """A source distribution that builds without further packages, and leaves a mark when it does."""
    backend = f"from pathlib import Path\n\nPath({str(marker)!r}).write_text('ran')\n"
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {"pyproject.toml": project, "backend.py": backend}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for file, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{file}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


async def test_a_source_distribution_is_never_built(
    index: Index, droplet: Path, parts: dict[str, Any], tmp_path: Path, ledger: Ledger
):
    index.files["fastapl-1.0.tar.gz"] = sdist("fastapl", tmp_path / "mark")
    (droplet / "requirements.txt").write_text("fastapl==1.0\n")
    report = await verified(index, droplet, parts, SQUATTED, frozenset())
    evidence = next(finding.evidence for finding in report.failures if finding.rule == "S12v")
    assert "no wheel" in evidence.lower() or "no usable wheels" in evidence.lower()
    assert not (tmp_path / "mark").exists()
    ledger.tried("source distributions", threat=THREAT)
