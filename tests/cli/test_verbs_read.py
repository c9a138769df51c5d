"""What can be read: for a person as a table, for a program as the raw document."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

from tests.cli import documents

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_status_tells_step_action_counts_time_and_money(served: Any, run: Run) -> None:
    served.fake.add(documents.make_build(1))
    text = run("status").stdout
    for part in (
        "Analytics Droplet #13",
        "● in progress",
        "✓ 1 Intent",
        "4 Apprentice Build",
        "writing tests",
        "3 iterations · 4 tests pass, 2 fail · 8 files",
        "50 %",
        "elapsed 12m 34s",
        "about 1h 00m left",
        "$0.42",
        "fpai watch build-13-analytics-20261114-001",
    ):
        assert part in text


def test_status_tells_what_a_model_does_and_spends(served: Any, run: Run) -> None:
    served.fake.add(documents.with_model(1))
    text = run("status").stdout
    for part in (
        " the model is thinking\n",
        "iteration 3 of 10 · 41 tests pass, 2 fail · edit app/routes/items.py\n",
        "“The list comes back unsorted, so the second test fails; I sort it by name before.”",
        "$1.23 of $5.00",
        "claude-opus-4-8   23 turns   512.3k tokens   82 % of the prompts from the cache",
    ):
        assert part in text
    served.fake.add(documents.with_model(2, cost_known=False))
    assert "at least $1.23 of $5.00" in run("status").stdout
    edits = documents.with_model(3)
    edits["current_step_details"]["action"] = "running str_replace_based_edit_tool"
    served.fake.add(edits)
    assert " running edit\n" in run("status").stdout


def test_status_gives_the_person_who_has_to_help_what_was_tried(served: Any, run: Run) -> None:
    dossier = {
        "tried": "1. failing: test_a\n2. failing: test_b",
        "output": "early\n" * 20 + "late",
        "diff": "x",
    }
    question = {"id": "go_on", "question": "Stuck.", "options": ["retry", "stop"], "free_text": True}
    served.fake.add(
        documents.with_model(1, status="waiting_input", questions=[question | {"dossier": dossier}])
    )
    text = run("status").stdout
    for part in (
        "one of: retry, stop, or any text",
        "1. failing: test_a",
        "2. failing: test_b",
        "      late\n",
    ):
        assert part in text
    assert text.count("early") == 9


def test_a_build_whose_budget_is_spent_asks_for_a_top_up(served: Any, run: Run) -> None:
    question = {"id": "go_on", "question": "Go on, or stop?", "options": ["retry", "stop"]}
    build = served.fake.add(
        documents.with_model(1, status="waiting_input", needs="budget", questions=[question])
    )["build_id"]
    text = run("status").stdout
    assert f"fpai budget {build} 5" in text
    assert "fpai answer" not in text


def test_status_shows_what_a_gate_asks_its_evidence_and_the_commands(served: Any, run: Run) -> None:
    served.fake.add(documents.make_build(1, status="waiting_approval", gate=documents.gate()))
    text = run("status").stdout
    for part in (
        "Deploy it?",
        "12/12 passing",
        "items, owners",
        "fpai approve build-13",
        "fpai revise build-13",
        "fpai reject build-13",
    ):
        assert part in text


def test_status_shows_why_a_build_failed_and_what_to_do(served: Any, run: Run) -> None:
    error = {"code": "X", "message": "The tests fail.", "hint": "Read the log.", "step": 5}
    served.fake.add(documents.make_build(1, status="failed", error=error, warnings=["no model was used"]))
    text = run("status").stdout
    for part in ("✗ The tests fail.", "Read the log.", "! no model was used", "fpai retry build-13"):
        assert part in text


def test_status_says_what_was_left_out_without_a_model(served: Any, run: Run) -> None:
    served.fake.add(
        documents.make_build(1, status="complete", left_out=["Search was not built."], budget_usd=5)
    )
    text = run("status").stdout
    assert "No model was used; left out:\n  - Search was not built." in text
    assert "$0.42 of $5.00" in text


def test_status_says_why_a_build_waits_and_when_it_goes_on(served: Any, run: Run) -> None:
    waits = {"waiting_reason": "The registry is down.", "retry_at": "2026-11-14T12:40:00Z"}
    served.fake.add(documents.make_build(1, status="waiting_retry", **waits))
    assert "The registry is down. Tried again at " in run("status").stdout


def test_text_from_a_model_cannot_steer_the_terminal(served: Any, run: Run) -> None:
    served.fake.add(
        documents.make_build(1, intent="\x1b]0;gotcha\x07\x1b[2Jhi [red]you[/red]", status="complete"),
        ["\x1b[2Jx"],
    )
    for done in (run("status"), run("watch")):
        assert "\x1b" not in done.stdout + done.stderr
    assert "hi [red]you[/red]" in run("status").stdout


def test_json_is_the_document_as_the_daemon_sent_it(served: Any, run: Run) -> None:
    document = served.fake.add(documents.make_build(1))
    served.fake.droplets = [{"droplet_id": 13, "name": "analytics", "releases": []}]
    assert json.loads(run("status", "--json").stdout) == document
    assert json.loads(run("list", "--json").stdout) == [document]
    assert json.loads(run("droplets", "--json").stdout) == served.fake.droplets
    assert json.loads(run("open", "--json").stdout) == {"web_url": document["web_url"]}


def test_a_build_is_named_by_prefix_whole_id_or_last(served: Any, run: Run) -> None:
    old = served.fake.add(documents.make_build(1, name="coordinator", droplet_id=11))
    new = served.fake.add(documents.make_build(1))
    for given, meant in (("build-11", old), (old["build_id"], old), ("@last", new), ("build-13-ana", new)):
        assert json.loads(run("status", given, "--json").stdout)["build_id"] == meant["build_id"]


def test_a_prefix_is_sought_on_every_page(served: Any, run: Run) -> None:
    served.fake.page = 2
    oldest = served.fake.add(documents.make_build(1, name="coordinator", droplet_id=11))
    for number in range(2, 7):
        served.fake.add(documents.make_build(number))
    assert json.loads(run("status", "build-11", "--json").stdout)["build_id"] == oldest["build_id"]


def test_a_prefix_that_fits_several_or_none_is_refused_with_the_candidates(served: Any, run: Run) -> None:
    for number in (1, 2):
        served.fake.add(documents.make_build(number))
    several, none = run("status", "build-13"), run("status", "build-99")
    assert several.returncode == none.returncode == 5
    assert "20261114-001" in several.stderr and "20261114-002" in several.stderr
    assert "fpai list" in none.stderr


def test_last_without_any_build_says_how_to_start_one(run: Run) -> None:
    done = run("status")
    assert done.returncode == 5 and "fpai build" in done.stderr


def test_list_filters_and_is_one_line_a_build(served: Any, run: Run) -> None:
    served.fake.add(documents.make_build(1))
    served.fake.add(documents.make_build(2, status="failed"))
    assert len(run("list").stdout.splitlines()) == 3
    only = run("list", "--status", "failed", "--limit", "5", "--droplet-id", "13").stdout
    assert "002" in only and "001" not in only
    assert any("droplet_id=13" in path and "limit=5" in path for _, path, _ in served.fake.requests)
    assert "fpai build" in run("list", "--status", "cancelled").stdout


def test_droplets_show_address_release_and_health(served: Any, run: Run) -> None:
    assert "No droplet" in run("droplets").stdout
    row = {
        "droplet_id": 13,
        "name": "analytics",
        "url": "http://127.0.0.1:18500",
        "release": "r-1",
        "health": "healthy",
    }
    served.fake.droplets = [row | {"releases": [{}, {}]}]
    _, line = run("droplets").stdout.splitlines()
    assert line.split() == ["13", "analytics", "healthy", "http://127.0.0.1:18500", "r-1", "2"]


def line(number: int, text: str, level: str = "info", step: int = 4) -> dict[str, Any]:
    stamp = "2026-11-14T12:31:00Z"
    return {"line": number, "step": step, "attempt": 1, "level": level, "text": text, "timestamp": stamp}


def test_logs_are_read_to_their_end_and_filtered(served: Any, run: Run) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    served.fake.logs[build] = [line(n, f"text {n}", step=4 + n % 2) for n in range(1, 6)] + [
        line(6, "bad", "error")
    ]
    assert len(run("logs").stdout.splitlines()) == 6
    assert [row.split()[-1] for row in run("logs", "--level", "error").stdout.splitlines()] == ["bad"]
    assert len(run("logs", "--search", "text 3").stdout.splitlines()) == 1
    rows = [json.loads(row) for row in run("logs", "--step", "5", "--json").stdout.splitlines()]
    assert [row["line"] for row in rows] == [1, 3, 5]


def test_logs_follow_until_the_build_is_over(
    served: Any, start: Callable[..., subprocess.Popen[str]]
) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    served.fake.logs[build] = [line(1, "first")]
    process = start("logs", build, "--follow")
    assert process.stdout.readline().endswith("first\n")
    served.fake.logs[build].append(line(2, "last"))
    served.fake.tell(build, "over", status="complete")
    out, _ = process.communicate(timeout=30)
    assert out.endswith("last\n") and process.returncode == 0


def test_open_prints_the_pages_address(served: Any, run: Run) -> None:
    document = served.fake.add(documents.make_build(1))
    assert run("open").stdout == document["web_url"] + "\n"


def test_logs_tail_begins_with_the_last_lines_that_fit(served: Any, run: Run) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    served.fake.logs[build] = [line(n, f"text {n}", step=4 + n % 2) for n in range(1, 10)]
    ends = [row.split()[-1] for row in run("logs", "--tail", "3").stdout.splitlines()]
    assert ends == ["7", "8", "9"]
    ends = [row.split()[-1] for row in run("logs", "-n", "2", "--step", "4").stdout.splitlines()]
    assert ends == ["6", "8"]
    assert run("logs", "--tail", "0").stdout == ""


def test_logs_follow_waits_for_a_daemon_that_restarts_and_loses_no_line(
    served: Any, start: Callable[..., subprocess.Popen[str]]
) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    served.fake.logs[build] = [line(1, "first")]
    process = start("logs", build, "--follow", "--json")
    assert json.loads(process.stdout.readline())["text"] == "first"
    served.fake.cut_next = 2
    served.fake.refuse_next = [(503, "DRAINING", "Not now.", {})]
    served.fake.logs[build].append(line(2, "while away"))
    served.fake.builds[build]["status"] = "failed"
    rest, complaints = process.communicate(timeout=30)
    assert [json.loads(row)["text"] for row in rest.splitlines()] == ["while away"]
    assert process.returncode == 0 and complaints == ""
    assert (served.fake.cut_next, served.fake.refuse_next) == (0, [])
