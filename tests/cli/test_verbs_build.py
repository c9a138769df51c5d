"""build and watch, as an architect types them."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli import documents

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]
INTENT = "Build Coordinator Droplet to automate Step 3"


def submitted(served: Any) -> dict[str, Any]:
    return next(
        body for method, path, body in served.fake.requests if path.startswith("/executor/build-droplet")
    )


def until(condition: Callable[[], bool]) -> None:
    for _ in range(1500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it never became so")


def test_the_architects_own_line_starts_a_build_and_says_how_to_come_back(served: Any, run: Run) -> None:
    done = run("build", INTENT, "--droplet-id", "11", "--auto", "--notify", "slack")
    assert done.returncode == 0
    assert done.stdout == "build-11-analytics-20261114-001\n"
    first, warning, page, follow, stop = done.stderr.splitlines()
    assert first.startswith("Building Analytics Droplet #11... estimated ") and first.endswith("days")
    assert warning == "! slack is not configured."
    assert page.startswith("See it: http://")
    assert follow == "Follow it: fpai watch build-11-analytics-20261114-001"
    assert stop == "Stop it:   fpai cancel build-11-analytics-20261114-001"
    assert submitted(served) == {
        "architect_intent": INTENT,
        "droplet_id": 11,
        "approval_mode": "auto",
        "notify_channels": ["slack"],
    }


def test_every_option_reaches_the_daemon_under_its_wire_name(served: Any, run: Run) -> None:
    options = ["--name", "x", "--auto-approve", "--budget", "5", "--target", "process", "--notify", "email"]
    assert run("build", INTENT, *options).returncode == 0
    assert submitted(served) == {
        "architect_intent": INTENT,
        "droplet_name": "x",
        "approval_mode": "auto",
        "auto_approve": True,
        "budget_usd": 5.0,
        "target": "process",
        "notify_channels": ["email"],
    }


def test_a_mode_that_contradicts_auto_or_does_not_exist_is_a_usage_error(run: Run) -> None:
    for options in (["--auto", "--mode", "final"], ["--mode", "sometimes"]):
        done = run("build", INTENT, *options)
        assert done.returncode == 2
        assert "→" in done.stderr and "Traceback" not in done.stderr


def test_a_lost_answer_is_asked_for_again_and_never_builds_twice(served: Any, run: Run) -> None:
    served.fake.drop_replies = 2
    assert run("build", INTENT).returncode == 0
    assert len(served.fake.builds) == 1


def test_a_dry_run_shows_spec_plan_and_cost_and_starts_nothing(served: Any, run: Run) -> None:
    done = run("build", INTENT, "--dry-run")
    assert done.returncode == 0
    assert "# Analytics" in done.stdout and "Coordinator Package" in done.stdout
    assert "16 seconds" in done.stdout and "$0.00" in done.stdout
    assert served.fake.builds == {}
    assert json.loads(run("build", INTENT, "--dry-run", "--json").stdout)["spec_score"] == 91


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        ("complete", 0, "is live and registered"),
        ("failed", 1, "could not be built"),
        ("cancelled", 3, "was cancelled"),
        ("rejected", 3, "was rejected"),
        ("rolled_back", 3, "was rolled back"),
        ("waiting_approval", 8, "waits for your decision"),
        ("waiting_input", 8, "waits for your answer"),
    ],
)
def test_watch_ends_with_the_builds_own_exit_code(
    served: Any, run: Run, status: str, code: int, says: str
) -> None:
    served.fake.add(documents.make_build(1, status=status), ["one", "two"])
    done = run("watch", "@last")
    assert done.returncode == code
    assert says in done.stdout
    assert [line.split()[-1] for line in done.stderr.splitlines()] == ["one", "two"]


def test_an_event_is_one_line_with_clock_percent_step_and_message(served: Any, run: Run) -> None:
    served.fake.add(documents.make_build(1, status="complete"), ["4 of 6 tests pass"])
    (line,) = run("watch").stderr.splitlines()
    assert " 50%  4 Apprentice Build" in line and line.endswith("4 of 6 tests pass")


def test_what_a_model_said_called_and_reached_is_one_line_each(served: Any, run: Run) -> None:
    build = served.fake.add(documents.with_model(1))["build_id"]
    said = {"turn": 7, "text": "I sort\nit by \x1b[2Jname.", "calls": ["bash", "str_replace_based_edit_tool"]}
    said |= {"conversation": "apprentice-1", "tokens": 12_345, "usd": 0.0412}
    form = {"turn": 8, "text": '{"title": "Notes"}', "calls": [], "tokens": 900, "usd": None}
    failed = [f"test_{name}" for name in "abcde"]
    entry = {"iteration": 3, "passing": 41, "failing": 5, "failed": failed, "green": False}
    rounds = [entry, {"iteration": 4, "passing": 46, "failing": 0, "failed": [], "green": True}]
    told = [("model_replied", said), ("model_replied", form)]
    told += [("iteration_finished", data) for data in rounds]
    for event_type, data in told:
        served.fake.tell(build, "The daemon's own sentence.")
        served.fake.events[build][-1] |= {"event_type": event_type, "data": data}
    served.fake.tell(build, "80 % of the budget is spent: $4.00 of $5.00.", status="complete")
    lines = [line.split("Apprentice Build", 1)[-1].strip() for line in run("watch").stderr.splitlines()]
    assert lines[:5] == [
        "turn 7 (apprentice) “I sort it by [2Jname.” → bash, edit · 12.3k tokens, $0.0412",
        "turn 8 · 900 tokens, price unknown",
        "iteration 3: ✗ 41 tests pass, 5 fail; failing: test_a, test_b, test_c and 2 more",
        "iteration 4: ✓ green, 46 tests pass",
        "80 % of the budget is spent: $4.00 of $5.00.",
    ]


def test_watch_shows_events_as_they_come_and_the_last_one_is_never_cut(served: Any, start: Start) -> None:
    build = served.fake.add(documents.make_build(1), ["began"])["build_id"]
    process = start("watch", build, "--json")
    assert json.loads(process.stdout.readline())["message"] == "began"
    served.fake.tell(build, "went on")
    assert json.loads(process.stdout.readline())["seq"] == 2
    served.fake.tell(build, "ended", status="complete")
    out, _ = process.communicate(timeout=30)
    assert [json.loads(line)["message"] for line in out.splitlines()] == ["ended"]
    assert process.returncode == 0


def test_links_that_break_at_every_event_lose_nothing_and_repeat_nothing(served: Any, run: Run) -> None:
    served.fake.add(documents.make_build(1, status="complete"), [f"m{n}" for n in range(1, 7)])
    served.fake.cut_after = [0, 1, 1, 2, 0, 1]
    done = run("watch", "--json")
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [1, 2, 3, 4, 5, 6]
    assert done.returncode == 0


def test_watch_outlives_a_restart_of_the_daemon_and_says_so_once(served: Any, start: Start) -> None:
    build = served.fake.add(documents.make_build(1), ["before"])["build_id"]
    process = start("watch", build)
    assert process.stderr.readline().endswith("before\n")
    served.stop()
    assert "the build is safe" in process.stderr.readline()
    served.fake.tell(build, "meanwhile")
    served.start()
    served.fake.tell(build, "after", status="complete")
    _, err = process.communicate(timeout=30)
    lines = err.splitlines()
    assert process.returncode == 0
    assert [line.split()[-1] for line in lines if line[0].isdigit()] == ["meanwhile", "after"]
    assert sum("Connected again" in line for line in lines) == 1
    assert not any("the build is safe" in line for line in lines)


def test_a_daemon_that_says_503_while_it_starts_is_asked_again(served: Any, start: Start) -> None:
    build = served.fake.add(documents.make_build(1), ["before"])["build_id"]
    process = start("watch", build)
    assert process.stderr.readline().endswith("before\n")
    served.stop()
    served.fake.refuse_next = [(503, "UNAVAILABLE", "Draining.", {})] * 2
    served.start()
    served.fake.tell(build, "after", status="failed")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1 and "after" in err


def test_ctrl_c_detaches_and_never_cancels(served: Any, start: Start) -> None:
    build = served.fake.add(documents.make_build(1), ["began"])["build_id"]
    process = start("watch", build)
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"fpai watch {build}" in err and f"fpai cancel {build}" in err
    assert {method for method, _, _ in served.fake.requests} == {"GET"}


def test_watch_gives_up_after_its_timeout_and_leaves_the_build_alone(served: Any, run: Run) -> None:
    served.fake.add(documents.make_build(1))
    done = run("watch", "--timeout", "0.3")
    assert done.returncode == 124 and "the build goes on" in done.stderr


def test_after_skips_what_was_seen(served: Any, run: Run) -> None:
    served.fake.add(documents.make_build(1, status="complete"), ["one", "two", "three"])
    done = run("watch", "--after", "2", "--json")
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == ["three"]


def test_build_and_watch_in_one_go(served: Any, start: Start) -> None:
    process = start("build", INTENT, "--watch")
    until(lambda: bool(served.fake.builds))
    served.fake.tell(
        next(iter(served.fake.builds)), "done", status="complete", deployment_url="http://127.0.0.1:9"
    )
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "http://127.0.0.1:9" in out and "Building Analytics" in err
