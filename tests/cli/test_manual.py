"""fpai VERB --help: what it does, examples that hold, exit codes; and completion in real shells."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.cells import cell_len

from executor.cli import exits
from executor.cli.manual import ENTRIES
from executor.cli.verbs import make_app
from tests.cli import documents

Run = Callable[..., subprocess.CompletedProcess[str]]
CONTRACT = {
    *("build", "serve", "status", "watch", "logs", "list", "droplets", "spec", "diff", "report", "approve"),
    *("reject", "revise", "answer", "budget", "cancel", "retry", "rollback", "open", "cost", "doctor"),
    *("backup", "restore", "config", "init", "version"),
}


ALL_PAGES = """
import sys
from executor.cli.main import main
for page in sys.argv[1:]:
    print(f"==== {page}")
    sys.argv = ["fpai", *page.split(), "--help"]
    try: main()
    except SystemExit as end: assert not end.code, page
"""


@pytest.fixture(scope="module")
def pages(environment: dict[str, str]) -> dict[str, str]:
    """Every verb's help at 80 columns, of one process: to start 30 of them takes its time."""
    argv = [sys.executable, "-c", ALL_PAGES, *ENTRIES]
    env = environment | {"COLUMNS": "80"}
    shown = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=60).stdout
    return dict(page.split("\n", 1) for page in shown.split("==== ")[1:])


def test_every_verb_of_the_contract_is_there_and_has_its_page(run: Run) -> None:
    command: Any = typer.main.get_command(make_app())
    verbs = set(command.commands) | {f"config {name}" for name in command.commands["config"].commands}
    assert verbs - {"config"} == set(ENTRIES)
    assert CONTRACT | {"config show", "config check"} <= verbs
    shown = run("--help", env={"COLUMNS": "80"}).stdout
    assert [verb for verb in CONTRACT if not re.search(rf"│ {verb} ", shown)] == []
    assert [code for code in exits.MEANINGS if not re.search(rf"^ +{code} ", shown, re.MULTILINE)] == []


@pytest.mark.parametrize("verb", sorted(ENTRIES))
def test_a_verbs_page_has_examples_and_exit_codes_and_fits_80_columns(
    pages: dict[str, str], verb: str
) -> None:
    page = pages[verb]
    assert f"Usage: fpai {verb}" in page
    assert [line for line in page.splitlines() if cell_len(line) > 80] == []
    for command, what in ENTRIES[verb].examples:
        assert f"   {command}" in page, "an example was broken over two lines"
        assert what in page
    assert "Exit codes:" in page and " 0    ok" in page
    assert "<bool>" not in page
    assert verb == "serve" or "--json" in page


def test_examples_name_verbs_and_options_that_exist() -> None:
    app: Any = typer.main.get_command(make_app())
    for verb, entry in ENTRIES.items():
        for command, _ in entry.examples:
            argv = _arguments(command)
            if argv and not argv[0].startswith("-"):
                found = app.commands[argv[0]]
                found = found.commands[argv[1]] if argv[0] == "config" else found
                known = {name for option in found.params for name in (*option.opts, *option.secondary_opts)}
                assert [word for word in argv if word.startswith("--") and word not in known] == [], verb


def _arguments(command: str) -> list[str]:
    """The words after fpai, up to a pipe, a redirection or the next command."""
    words = shlex.split(command.replace('eval "$(', "").replace(')"', ""))
    words = words[words.index("fpai") + 1 :]
    ends = [at for at, word in enumerate(words) if word in {"|", ">", "&&"}]
    return words[: ends[0]] if ends else words


@pytest.fixture
def shell(served: Any, environment: dict[str, str], tmp_path: Path) -> Callable[..., str]:
    """Run a script in a real shell, with fpai on its path and the fake daemon as its daemon."""
    (tmp_path / "bin").mkdir()
    fpai = tmp_path / "bin" / "fpai"
    fpai.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'from executor.cli.main import main; main()' \"$@\"\n"
    )
    fpai.chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    env = environment | {"FPAI_URL": served.url, "PATH": path, "HOME": str(tmp_path), "TERM": "dumb"}

    def call(name: str, script: str) -> str:
        program = shutil.which(name)
        if program is None:
            pytest.skip(f"{name} is not installed")
        argv = [program, "-c", script]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


BASH = """
eval "$(fpai completion bash)"
COMP_WORDS=(fpai watch build-13-analytics-20261114-00); COMP_CWORD=2
_fpai_completion fpai
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_bash_completes_build_ids(served: Any, shell: Callable[..., str]) -> None:
    ids = [served.fake.add(documents.make_build(number))["build_id"] for number in (1, 2)]
    assert sorted(shell("bash", BASH).split()) == ids


def test_fish_completes_build_ids_with_their_states(served: Any, shell: Callable[..., str]) -> None:
    build = served.fake.add(documents.make_build(1, status="failed"))["build_id"]
    found = shell("fish", "fpai completion fish | source; complete -C 'fpai logs build-'")
    assert found.split("\t") == [build, "failed\n"]


def test_zsh_takes_the_script_and_is_offered_build_ids(served: Any, shell: Callable[..., str]) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    # zsh completes only at a prompt: its own functions are stood in for, and told what they would show.
    script = """
    compdef() { :; }
    _arguments() { print -r -- $*; }
    eval "$(fpai completion zsh)"
    words=(fpai cost build-); CURRENT=3
    _fpai_completion
    """
    assert build in shell("zsh", script)


def test_another_shell_is_a_usage_error(run: Run) -> None:
    done = run("completion", "tcsh")
    assert done.returncode == 2 and "bash, zsh, fish" in done.stderr
