"""Errors, exit codes, help, completion, and a start in a blink."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli import documents

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


def test_version_loads_nothing_of_the_daemon_and_not_even_typer(run: Run) -> None:
    heavy = ["anthropic", "aiohttp", "pydantic", "starlette", "transitions", "uvicorn", "typer", "rich"]
    code = (
        "import sys; sys.argv = ['fpai', 'version']; from executor.cli.main import main; main();"
        f" print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines() == ["fpai 0.1.0", "[]"]
    assert run("--version").stdout == "fpai 0.1.0\n"


def test_verbs_that_talk_to_the_daemon_load_none_of_its_modules() -> None:
    code = (
        "import sys; from executor.cli.verbs import make_app; make_app();"
        "from executor.cli import board, client, pick, plan, sse, summary, tables, views, watch;"
        "heavy = 'anthropic aiohttp starlette transitions uvicorn aiosqlite asyncssh executor.settings';"
        "print([name for name in heavy.split() if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 2),
        (401, 4),
        (403, 4),
        (404, 5),
        (405, 5),
        (409, 5),
        (413, 2),
        (415, 2),
        (429, 6),
        (500, 6),
        (503, 6),
    ],
)
def test_an_http_error_becomes_its_exit_code_and_never_a_traceback(
    served: Any, run: Run, status: int, code: int
) -> None:
    served.fake.refuse_next = [(status, "X", "No.", {"hint": "Do this."})]
    done = run("list")
    assert done.returncode == code
    assert done.stderr == "fpai: No.\n  → Do this.\n  request id req-1\n"


def test_invalid_fields_are_named(served: Any, run: Run) -> None:
    fields = [{"loc": ["body", "droplet_id"], "msg": "must be positive"}]
    served.fake.refuse_next = [(400, "INVALID_INPUT", "The request is not valid.", {"fields": fields})]
    done = run("build", "x", "--droplet-id", "-1")
    assert done.returncode == 2
    assert "body.droplet_id: must be positive" in done.stderr


def test_a_foreign_id_is_refused_with_the_free_one(served: Any, run: Run) -> None:
    details = {"free_id": 14, "free_name": "analytics-2"}
    served.fake.refuse_next = [(409, "ID_TAKEN", "Droplet 11 is another one.", details)]
    done = run("build", "x", "--droplet-id", "11")
    assert done.returncode == 5 and "--droplet-id 14 --name analytics-2" in done.stderr


def test_no_daemon_is_exit_6_with_what_to_do(served: Any, run: Run) -> None:
    served.stop()
    done = run("status")
    assert done.returncode == 6
    assert "fpai serve" in done.stderr and "Traceback" not in done.stderr


def test_an_address_that_is_none_is_a_usage_error(run: Run) -> None:
    done = run("status", "--url", "ftp://x")
    assert done.returncode == 2 and "not an http address" in done.stderr


def test_a_server_that_is_no_executor_is_told_apart(run: Run, served: Any) -> None:
    done = run("list", "--url", f"{served.url}/elsewhere")
    assert done.returncode == 5 and "Is this address the executor's?" in done.stderr


def test_unknown_verbs_and_missing_arguments_are_usage_errors(run: Run) -> None:
    for arguments in (["fly"], ["build"], ["cancel"], ["status", "--nonsense"]):
        assert run(*arguments).returncode == 2


def test_the_token_comes_from_flag_variable_or_executor_toml(served: Any, run: Run, tmp_path: Path) -> None:
    served.fake.token = "s3cret"
    refused = run("list")
    assert refused.returncode == 4 and "s3cret" not in refused.stderr
    assert run("list", "--token", "s3cret").returncode == 0
    for name in ("FPAI_TOKEN", "FPAI_SERVER__TOKEN"):
        assert run("list", env={name: "s3cret"}).returncode == 0
    (tmp_path / "executor.toml").write_text(f'[server]\nport = {served.port}\ntoken = "s3cret"\n')
    assert run("list", env={"FPAI_URL": ""}).returncode == 0
    (tmp_path / "executor.toml").unlink()
    assert (
        run(
            "list", env={"FPAI_URL": "", "FPAI_SERVER__PORT": str(served.port), "FPAI_TOKEN": "s3cret"}
        ).returncode
        == 0
    )


def complete(run: Run, line: str) -> list[str]:
    words = line.split(" ")
    env = {"_FPAI_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return run(env=env).stdout.split()


def test_completion_offers_verbs_build_ids_and_last(served: Any, run: Run) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    assert complete(run, "fpai app") == ["approve"]
    assert complete(run, "fpai status build-1") == [build]
    assert complete(run, "fpai watch @") == ["@last"]
    assert complete(run, "fpai approve ") == ["@last", build]
    assert complete(run, "fpai build x --mode c") == ["checkpoints"]


def test_completion_without_a_daemon_is_silent(served: Any, run: Run) -> None:
    served.stop()
    assert complete(run, "fpai status build-1") == []


def test_a_reader_that_leaves_early_causes_no_noise(served: Any, start: Any) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    served.fake.artifacts[build, "diff"] = ("text/plain", "+ line\n" * 200_000)
    process = start("diff", build)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(30)
    process.stderr.close()


def test_what_the_message_says_already_is_not_said_again(served: Any, run: Run) -> None:
    fields = [{"loc": ["query", "level"], "msg": "one of a, b"}, {"loc": ["query", "x"], "msg": "no"}]
    message = "The request was not taken: query.level: one of a, b."
    served.fake.refuse_next = [(400, "INVALID_INPUT", message, {"fields": fields})]
    told = run("list").stderr
    assert told.count("one of a, b") == 1 and "query.x: no" in told
