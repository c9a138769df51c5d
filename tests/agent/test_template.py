"""The rendered skeleton: the same for the same droplet, sound for any purpose, and working as it stands."""

from __future__ import annotations

import ast
import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executor.agent.template import PLACEHOLDER, markdown_text, render_template, render_text
from executor.domain.droplet import DropletIdentity
from executor.errors import Permanent

HOSTILE = 'Keep "it" \\ of\n """ {{droplet_id}} \' <b> `x` | # \u2028 é 🌊 \x00 TODO password = \'hunter22\''
BARE_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}


def identity(purpose: str = HOSTILE, name: str = "stock-keeper") -> DropletIdentity:
    return DropletIdentity(id=13, name=name, version="0.1.0", purpose=purpose, port=8413)


def render(into: Path, **more: str) -> tuple[str, ...]:
    return render_template(identity(**more), created="2026-11-22", into=into)


def contents(root: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): (path.stat().st_mode, path.read_bytes()) for path in files}


@pytest.fixture(scope="module")
def droplet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rendered")
    render(root)
    return root


def test_the_names_that_are_returned_are_the_files_that_are_there(tmp_path: Path) -> None:
    names = render(tmp_path)
    assert list(names) == sorted(contents(tmp_path))
    assert len(set(names)) == len(names)


def test_the_same_droplet_renders_to_the_same_bytes_and_modes(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    render(one)
    render(two)
    render(two)
    assert contents(one) == contents(two)
    assert {oct(mode & 0o777) for mode, _ in contents(one).values()} == {"0o644"}


def test_the_layout_is_the_ecosystems(tmp_path: Path) -> None:
    names = set(render(tmp_path))
    assert names >= {
        "app/__init__.py",
        "app/main.py",
        "app/models.py",
        "app/config.py",
        "tests/__init__.py",
        "tests/conftest.py",
        "tests/test_health.py",
        "tests/test_api.py",
        "Dockerfile",
        "requirements.txt",
        "README.md",
        "HANDOFF.md",
        ".gitignore",
        ".dockerignore",
        ".env.example",
        "docs/foundation-files/1-UDC_COMPLIANCE.md",
        "docs/foundation-files/5-SECURITY_REQUIREMENTS.md",
    }
    assert len([name for name in names if name.startswith("docs/foundation-files/")]) == 5


def test_no_placeholder_is_left(tmp_path: Path) -> None:
    names = render(tmp_path, purpose="plain")
    left = [name for name in names if PLACEHOLDER.search((tmp_path / name).read_text())]
    assert left == []


def test_the_verifier_finds_the_port_and_the_settings_class(droplet: Path) -> None:
    config = (droplet / "app/config.py").read_text()
    assert re.search(r"port\w*: int = 8413$", config, re.MULTILINE)
    assert "BaseSettings" in config
    assert re.search(
        r"from pydantic import .*|from pydantic import \(", (droplet / "app/models.py").read_text()
    )


def test_nothing_in_the_code_offends_the_verifier(droplet: Path) -> None:
    """The patterns are those of the Verifier's security and quality checks."""
    for path in droplet.rglob("*.py"):
        text = path.read_text()
        assert not re.search(r"\bprint\(|except:|TODO|FIXME|\brequests\.(get|post)", text), path
        assert not re.search(r"f[\"'].*SELECT", text), path
    for path in droplet.rglob("*"):
        if path.is_file() and not re.search("test|example", path.name):
            text = path.read_text()
            assert not re.search(r"(password|secret|api_key)\s*=\s*[\"'][^\"']+[\"']", text, re.I), path
            assert not re.search(r"sk-[A-Za-z0-9]{20}|BEGIN [A-Z ]*PRIVATE KEY", text), path


def test_functions_are_short(droplet: Path) -> None:
    for path in (droplet / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 50, (path.name, node.name)


def test_every_requirement_is_pinned(droplet: Path) -> None:
    lines = [line for line in (droplet / "requirements.txt").read_text().splitlines() if line[:1] != "#"]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in lines)
    assert not [line for line in lines if line.startswith("requests==")]


def test_the_image_has_its_labels_and_a_user_of_its_own(droplet: Path) -> None:
    text = (droplet / "Dockerfile").read_text()
    for label in ('id="13"', 'name="stock-keeper"', 'version="0.1.0"', 'udc_compliant="true"'):
        assert f"droplet.{label}" in text
    assert "\nUSER droplet\n" in text
    assert "\nHEALTHCHECK" in text
    assert text.startswith("FROM python:3.11-slim\n")


def test_the_readme_has_the_sections_and_the_endpoints(droplet: Path) -> None:
    text = (droplet / "README.md").read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == [
        "Overview",
        "Installation",
        "Usage",
        "API Endpoints",
        "Configuration",
        "Development",
        "Testing",
        "Deployment",
    ]
    assert all(path in text for path in ("/health", "/capabilities", "/state", "/dependencies", "/message"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(purpose=st.text(max_size=300) | st.text(alphabet="\"'\\\n`{}#*|<>-=\ud800 a1.", max_size=60))
def test_any_purpose_renders_to_sound_files(tmp_path: Path, purpose: str) -> None:
    render(tmp_path, purpose=purpose)
    stored = json.loads((tmp_path / "app/identity.json").read_text())
    assert stored["purpose"] == purpose.encode("utf-8", "replace").decode()
    for name in ("app/config.py", "app/identity.py", "app/main.py"):
        ast.parse((tmp_path / name).read_text())
    readme = (tmp_path / "README.md").read_text()
    overview = readme.split("## Overview\n\n")[1].split("\n\nThe service is")[0]
    assert "\n" not in overview
    assert overview == markdown_text(purpose)


@given(text=st.text(max_size=200))
def test_markdown_text_starts_no_markup(text: str) -> None:
    shown = markdown_text(text)
    unescaped = re.sub(r"\\[!-/:-@\[-`{-~]", "", shown)
    assert set(unescaped).isdisjoint("`*_[]<>#|\\")
    assert shown.splitlines() in ([], [shown])


def test_a_purpose_that_looks_like_a_placeholder_is_not_filled() -> None:
    values = {"droplet_purpose": "{{droplet_id}}", "droplet_id": "13"}
    assert render_text('"{{droplet_purpose}}"', "x.json", values) == '"{{droplet_id}}"'


def test_the_purpose_is_refused_where_it_cannot_be_escaped() -> None:
    with pytest.raises(Permanent):
        render_text("{{droplet_purpose}}", "app/x.py", {"droplet_purpose": "x"})


def test_a_placeholder_that_nobody_fills_is_refused() -> None:
    with pytest.raises(Permanent):
        render_text("{{droplet_colour}}", "x.md", {})


def test_the_droplets_own_tests_pass_with_nothing_but_its_requirements(
    droplet: Path, droplet_python: Path
) -> None:
    run = subprocess.run(
        [droplet_python, "-m", "pytest", "-p", "no:cacheprovider", "--cov=app", "--cov-report=json:cov.json"],
        cwd=droplet,
        env=BARE_ENVIRONMENT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-2000:]
    assert "skipped" not in run.stdout
    covered = json.loads((droplet / "cov.json").read_text())
    assert covered["totals"]["percent_covered"] > 95
    assert covered["files"]["app/contract.py"]["summary"]["percent_covered"] == 100


def test_the_linter_has_nothing_to_say(droplet: Path) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    for command in (["check"], ["format", "--check"]):
        argv = [ruff, *command, "--no-cache", "."]
        run = subprocess.run(argv, cwd=droplet, check=False, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout


def test_the_service_answers_on_a_unix_socket_and_ends_cleanly(
    droplet: Path, droplet_python: Path, tmp_path: Path
) -> None:
    path, data = tmp_path / "s", tmp_path / "not" / "there"
    server = subprocess.Popen(
        [droplet_python, "-m", "uvicorn", "app.main:app", "--uds", path],
        cwd=droplet,
        env={
            **BARE_ENVIRONMENT,
            "DATA_DIR": str(data),
            "RELEASE_ID": "r-9",
            "REGISTRY_URL": "http://127.0.0.1:9",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        answer = _get(path, "/health")
    finally:
        server.send_signal(signal.SIGTERM)
        output, _ = server.communicate(timeout=20)
    assert json.loads(answer.partition("\r\n\r\n")[2])["release"] == "r-9"
    events = [json.loads(line) for line in output.splitlines()]
    assert all(entry["event"] for entry in events)
    assert "stopped" in [entry["event"] for entry in events]
    assert server.returncode in (0, -signal.SIGTERM)


def _get(path: Path, url: str) -> str:
    """Ask once the socket is there."""
    for _ in range(400):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            try:
                client.connect(str(path))
            except OSError:
                time.sleep(0.05)
                continue
            client.sendall(f"GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: client.recv(65536), b"")).decode()
    raise AssertionError("the service never listened")
