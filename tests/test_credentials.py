"""Where secrets come from: a file before a variable of that name; nothing that is started inherits one."""

from __future__ import annotations

import ast
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import executor
from executor.redaction import hidden, know
from executor.resources import config_dir
from executor.settings import SECRET_NAMES, ConfigurationError, forget_secrets, load

NOBODY = 65534
KEY = "canary-5b7e-of-the-credentials"


@pytest.fixture(autouse=True)
def _nothing_known():
    yield
    know(())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "credentials"
    made.mkdir(mode=0o700)
    return made


def read(directory: Path, name: str = "REGISTRY_TOKEN", **env: str) -> str:
    return load(None, {"CREDENTIALS_DIRECTORY": str(directory), **env}).secrets.get(name)


@pytest.mark.parametrize("name", [*SECRET_NAMES, "WEBHOOK_SECRET_OPS"])
def test_each_secret_may_be_a_file_and_goes_before_the_variable(directory, name):
    stored, variable = f"key={KEY}", "key=of-the-environment"  # a form that every one of them may have
    assert read(directory, name, **{name: variable}) == variable
    (directory / name).write_text(stored)
    assert read(directory, name) == stored
    assert read(directory, name, **{name: variable}) == stored


@pytest.mark.parametrize("written", [f"{KEY}\n", f"{KEY}\r\n", f"{KEY}\n\n", f"  {KEY} \n"])
def test_what_an_editor_leaves_around_a_secret_is_no_part_of_it(directory, written):
    (directory / "REGISTRY_TOKEN").write_text(written)
    assert read(directory) == KEY


@pytest.mark.parametrize("written", ["", "\n"])
def test_an_empty_file_takes_the_secret_away(directory, written):
    (directory / "REGISTRY_TOKEN").write_text(written)
    assert read(directory, REGISTRY_TOKEN="of-the-environment") == ""


def test_a_directory_that_is_not_there_leaves_the_variables(tmp_path):
    assert read(tmp_path / "nowhere", REGISTRY_TOKEN=KEY) == KEY


def test_bytes_that_are_no_text_are_refused_and_not_shown(directory):
    (directory / "REGISTRY_TOKEN").write_bytes(KEY.encode() + b"\xff\xfe")
    with pytest.raises(
        ConfigurationError, match=r"REGISTRY_TOKEN cannot be read: it is not UTF-8\."
    ) as refused:
        read(directory)
    assert "canary" not in f"{refused.value} {refused.value!r}"


@contextmanager
def somebody_else() -> Iterator[None]:
    """As a user who is not root, for whom the bits of a file count."""
    before = os.geteuid()
    os.seteuid(before or NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.parametrize("closed", [".", "REGISTRY_TOKEN"])
def test_what_the_services_user_may_not_read_is_named(closed):
    with tempfile.TemporaryDirectory(dir="/tmp") as made:  # below pytest's own nobody else may look
        directory = Path(made)
        directory.chmod(0o755)
        (directory / "REGISTRY_TOKEN").write_text(KEY)
        with somebody_else():
            assert read(directory) == KEY
        (directory / closed).chmod(0o000)
        with somebody_else(), pytest.raises(ConfigurationError) as refused:
            read(directory, REGISTRY_TOKEN="of-the-environment")
        assert f"{directory / closed} cannot be read: Permission denied." in refused.value.message
        directory.chmod(0o700)


def test_what_was_read_is_hidden_in_errors_from_then_on(directory):
    (directory / "REGISTRY_TOKEN").write_text(KEY)
    read(directory, FPAI_SERVER__TOKEN="canary-of-the-door")
    assert hidden(f"{KEY} canary-of-the-door") == "[redacted] [redacted]"
    load(None, {"OTEL_EXPORTER_OTLP_HEADERS": "a=Bearer%20otlp-canary-77"})
    assert hidden("Bearer otlp-canary-77, otlp-canary-77") == "[redacted], [redacted]"


def test_an_environment_that_was_read_keeps_no_secret():
    given = dict.fromkeys(
        (*SECRET_NAMES, "WEBHOOK_SECRET_OPS", "FPAI_SERVER__TOKEN", "FPAI_server__token"), KEY
    )
    kept = {"PATH": "/usr/bin", "FPAI_SERVER__PORT": "1", "CREDENTIALS_DIRECTORY": "/run/x"}
    environ = {**given, **kept}
    forget_secrets(environ)
    assert environ == kept


def test_the_unit_names_every_secret_that_it_may_be_given():
    unit = (config_dir() / "systemd" / "fpai.service").read_text()
    named = set(re.findall(r"LoadCredential=(\w+):/etc/fpai/credentials/\1\n", unit))
    assert named == {*SECRET_NAMES, "WEBHOOK_SECRET_OPS"}


SPAWNING = {
    "subprocess.run",
    "subprocess.Popen",
    "subprocess.check_output",
    "asyncio.create_subprocess_exec",
    "asyncio.create_subprocess_shell",
}
OF_THE_OPERATORS_OWN_SHELL = {"cli/demo.py", "cli/init.py"}
"""Verbs that start what the operator would: the browser's daemon, systemctl."""


def spawns(source: str) -> Iterator[tuple[int, set[str]]]:
    """Where a program is started, directly or in a thread, and by which keywords."""
    for node in ast.walk(ast.parse(source)):
        parts = (node.func, *node.args) if isinstance(node, ast.Call) else ()
        if any(ast.unparse(part) in SPAWNING for part in parts):
            yield node.lineno, {keyword.arg or "" for keyword in node.keywords}


def test_whatever_the_daemon_starts_is_given_an_environment_of_its_own():
    package = Path(executor.__file__).parent
    found = [
        (str(path.relative_to(package)), line, "env" in keywords)
        for path in sorted(package.rglob("*.py"))
        for line, keywords in spawns(path.read_text())
    ]
    assert len(found) >= 8
    left = [(path, line) for path, line, has in found if not has and path not in OF_THE_OPERATORS_OWN_SHELL]
    assert left == []


def test_a_program_that_would_inherit_everything_is_noticed():
    assert list(spawns("subprocess.run(['a'], check=True)")) == [(1, {"check"})]
    assert list(spawns("asyncio.to_thread(subprocess.run, ['a'], env={})")) == [(1, {"env"})]
