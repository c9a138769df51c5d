"""fpai doctor: every finding says what was seen, and every trouble says what to do."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from executor import __version__
from executor.cli.doctor_version import examine_version
from executor.store.migrate import migrations

Run = Callable[..., subprocess.CompletedProcess[str]]
NAMES = {
    "python",
    "configuration",
    "state directory",
    "disk",
    "sqlite",
    "git",
    "uv",
    "droplets' python",
    "sandbox",
    "port",
    "daemon",
    "version",
    "secrets",
    "deploy",
    "registry",
    "notifications",
}


@pytest.fixture
def doctor(run: Run, tmp_path: Path) -> Callable[..., tuple[int, dict[str, dict[str, str]]]]:
    def call(**env: str) -> tuple[int, dict[str, dict[str, str]]]:
        done = run("doctor", "--json", env={"FPAI_STATE__DIR": str(tmp_path / "state")} | env)
        checks = json.loads(done.stdout)["checks"]
        return done.returncode, {check["name"]: check for check in checks}

    return call


def test_a_good_machine_has_no_failure_and_every_check_speaks(doctor: Any) -> None:
    code, checks = doctor()
    assert set(checks) == NAMES
    assert [check for check in checks.values() if check["state"] == "fail"] == []
    assert code == 0
    assert "version 0.1.0" in checks["daemon"]["says"]
    assert checks["sandbox"]["says"] == "bubblewrap: its walls stand"


def test_whatever_is_not_well_says_what_to_do(doctor: Any) -> None:
    _, checks = doctor(FPAI_SANDBOX__KIND="unsafe", FPAI_REGISTRY__URL="http://127.0.0.1:9")
    assert checks["sandbox"]["state"] == checks["registry"]["state"] == "warn"
    assert [name for name, check in checks.items() if check["state"] != "ok" and not check["fix"]] == []


def test_a_wrong_configuration_fails_and_names_the_key(doctor: Any) -> None:
    code, checks = doctor(FPAI_SERVER__PROT="1")
    assert code == 1
    assert "server.port" in checks["configuration"]["says"]
    assert set(checks) == NAMES


def test_a_state_directory_that_cannot_be_written_fails(doctor: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, checks = doctor(FPAI_STATE__DIR=str(tmp_path / "file" / "state"))
    assert code == 1 and checks["state directory"]["state"] == "fail"


def test_a_daemon_that_is_not_there_is_only_a_warning(served: Any, doctor: Any) -> None:
    port = served.port
    served.stop()
    code, checks = doctor(FPAI_SERVER__PORT=str(port))
    assert code == 0
    assert checks["daemon"]["state"] == "warn" and "fpai serve" in checks["daemon"]["fix"]
    assert checks["port"]["says"].endswith("is free")


def test_an_executor_with_a_token_we_do_not_know_is_recognised(served: Any, doctor: Any) -> None:
    served.fake.token = "unknown to us"
    code, checks = doctor()
    assert code == 0 and checks["port"]["state"] == "ok"
    assert checks["daemon"]["state"] == "warn" and "FPAI_TOKEN" in checks["daemon"]["fix"]


def test_a_port_that_something_else_holds_fails(doctor: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, checks = doctor(FPAI_URL="http://127.0.0.1:9", FPAI_SERVER__PORT=str(port))
    assert code == 1 and checks["port"]["state"] == "fail" and f":{port}" in checks["port"]["fix"]


def test_the_versions_of_code_daemon_and_database_stand_side_by_side(doctor: Any, tmp_path: Path) -> None:
    newest = migrations()[-1][0]
    code, checks = doctor()
    assert checks["version"]["says"] == f"installed 0.1.0 with schema {newest}; no database yet"
    database = tmp_path / "state" / "executor.db"
    database.parent.mkdir(exist_ok=True)
    for schema, state, said in (
        (newest, "ok", f"the database has schema {newest}"),
        (newest - 1, "ok", f"the next start copies it and brings it to {newest}"),
        (newest + 1, "fail", "only a later release knows"),
    ):
        with closing(sqlite3.connect(database)) as made:
            made.execute(f"PRAGMA user_version = {schema}")
        code, checks = doctor()
        assert (checks["version"]["state"], code) == (state, int(state == "fail"))
        assert said in checks["version"]["says"]
    (tmp_path / "state" / f"executor.db.before-{newest + 1:04d}").write_bytes(b"")
    assert "fpai restore" in doctor()[1]["version"]["fix"]


def test_a_daemon_of_another_version_than_the_installed_one_is_to_be_restarted(tmp_path: Path) -> None:
    found = examine_version(tmp_path, "0.0.9")
    assert (found.state, found.fix) == ("warn", "Restart the daemon.")
    assert "the daemon runs 0.0.9" in found.says
    assert examine_version(tmp_path, None).state == examine_version(tmp_path, __version__).state == "ok"


def test_secrets_are_named_and_never_shown(run: Run, tmp_path: Path) -> None:
    env = {"ANTHROPIC_API_KEY": "sk-canary", "FPAI_STATE__DIR": str(tmp_path)}
    for arguments in (["doctor"], ["doctor", "--json"]):
        done = run(*arguments, env=env)
        assert "ANTHROPIC_API_KEY" in done.stdout
        assert "sk-canary" not in done.stdout + done.stderr


def test_the_table_shows_each_fix_below_its_finding(run: Run, tmp_path: Path) -> None:
    done = run("doctor", env={"FPAI_SANDBOX__KIND": "unsafe", "FPAI_STATE__DIR": str(tmp_path)})
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "without walls" in line)
    assert "→ Set [sandbox] kind" in lines[at + 1]
    assert lines[-1].endswith("0 failed")


def deeply(run: Run, state: Path, **env: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = run("doctor", "--deep", "--json", env={"FPAI_STATE__DIR": str(state)} | env)
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_deep_finds_a_damaged_database_and_leaves_it_as_it_is(run: Run, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    code, checks = deeply(run, state)
    assert set(checks) == NAMES | {"database", "leftovers", "model"}
    assert code == 0 and "none yet" in checks["database"]["says"]
    with closing(sqlite3.connect(state / "executor.db")) as made:
        made.execute("CREATE TABLE notes (text)")
        made.executemany("INSERT INTO notes VALUES (?)", [("x" * 900,)] * 200)
        made.commit()
    assert "sound" in deeply(run, state)[1]["database"]["says"]
    damaged = (state / "executor.db").read_bytes()[:8192] + b"\xff" * 40_000
    (state / "executor.db").write_bytes(damaged)
    code, checks = deeply(run, state)
    assert code == 1 and checks["database"]["state"] == "fail" and checks["database"]["fix"]
    assert (state / "executor.db").read_bytes() == damaged
    assert [path.name for path in state.iterdir()] == ["executor.db"]


def test_deep_names_what_was_set_aside_and_how_large_it_is(run: Run, tmp_path: Path) -> None:
    aside = tmp_path / "set-aside-20261114T120000Z-x"
    aside.mkdir()
    (aside / "executor.db").write_bytes(bytes(3 << 20))
    check = deeply(run, tmp_path)[1]["leftovers"]
    assert check["state"] == "warn" and aside.name in check["says"] and "3.0 MiB" in check["says"]


class ModelApi(BaseHTTPRequestHandler):
    """Knows one model; remembers the keys that it was asked with."""

    keys: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.keys.append(self.headers.get("authorization", ""))
        known = self.path.endswith("/claude-sonnet-5-5")
        body = json.dumps({"id": "claude-sonnet-5-5", "lifecycle": "active"} if known else {}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_deep_asks_the_model_api_and_says_when_it_is_away(run: Run, tmp_path: Path) -> None:
    assert "by rule" in deeply(run, tmp_path)[1]["model"]["says"]
    with ThreadingHTTPServer(("127.0.0.1", 0), ModelApi) as api:
        thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        env = {
            "ANTHROPIC_API_KEY": "sk-canary",
            "FPAI_MODEL__BASE_URL": f"http://127.0.0.1:{api.server_port}",
        }
        well = deeply(run, tmp_path, **env)[1]["model"]
        unknown = deeply(run, tmp_path, **env, FPAI_MODEL__MODEL="claude-nobody")[1]["model"]
        api.shutdown()
        thread.join()
    assert well["state"] == "ok" and "claude-sonnet-5-5" in well["says"]
    assert set(ModelApi.keys) == {"Bearer sk-canary"}
    assert unknown["state"] == "warn" and "claude-nobody" in unknown["fix"]
    away = deeply(run, tmp_path, **env)[1]["model"]
    assert away["state"] == "warn" and "ANTHROPIC_API_KEY" in away["fix"]
