"""What a person decides, and what is refused when it is unclear what was meant."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli import documents

Run = Callable[..., subprocess.CompletedProcess[str]]


def sent(served: Any) -> tuple[str, str, dict[str, Any]]:
    found: tuple[str, str, dict[str, Any]] = next(r for r in reversed(served.fake.requests) if r[0] != "GET")
    return found


def test_approve_takes_the_build_the_checkpoint_and_words(served: Any, run: Run) -> None:
    build = served.fake.add(documents.make_build(1, status="waiting_approval", gate=documents.gate()))[
        "build_id"
    ]
    done = run("approve", build, "--checkpoint", "built", "--feedback", "good", "--gate-id", "built-abc")
    assert done.returncode == 0 and done.stdout.startswith(build)
    body = {"decision": "approve", "checkpoint": "built", "feedback": "good", "gate_id": "built-abc"}
    assert sent(served) == ("POST", f"/executor/builds/{build}/approve", body)


@pytest.mark.parametrize(
    ("verb", "extra"), [("approve", []), ("reject", []), ("revise", ["--feedback", "shorter"])]
)
def test_without_a_build_the_only_waiting_one_is_meant(
    served: Any, run: Run, verb: str, extra: list[str]
) -> None:
    served.fake.add(documents.make_build(1))
    waiting = served.fake.add(documents.make_build(2, status="waiting_approval"))["build_id"]
    served.fake.add(documents.make_build(3, status="complete", review={"decision": None}))
    assert run(verb, *extra).returncode == 0
    assert sent(served)[1].split("/")[3] == waiting
    assert sent(served)[2]["decision"] == verb


def test_without_an_open_gate_the_only_open_review_is_meant(served: Any, run: Run) -> None:
    served.fake.add(documents.make_build(1, status="complete", review={"decision": "approve"}))
    open_one = served.fake.add(documents.make_build(2, status="complete", review={"decision": None}))[
        "build_id"
    ]
    assert run("approve").returncode == 0
    assert sent(served)[1].split("/")[3] == open_one


def test_several_waiting_builds_are_listed_and_none_is_decided(served: Any, run: Run) -> None:
    for number in (1, 2):
        served.fake.add(documents.make_build(number, status="waiting_approval"))
    done = run("approve")
    assert done.returncode == 5
    assert "20261114-001" in done.stderr and "20261114-002" in done.stderr
    assert all(method == "GET" for method, _, _ in served.fake.requests)


def test_nothing_waiting_is_said_so(run: Run) -> None:
    done = run("reject")
    assert done.returncode == 5 and "No build waits" in done.stderr


def test_a_revision_without_words_is_a_usage_error(served: Any, run: Run) -> None:
    served.fake.add(documents.make_build(1, status="waiting_approval"))
    assert run("revise").returncode == 2


def test_a_stale_approval_is_exit_5_with_the_daemons_words(served: Any, run: Run) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    served.fake.refuse_next = [(409, "STALE_GATE", "That gate is closed.", {"hint": "Look again."})]
    done = run("approve", build)
    assert done.returncode == 5
    assert done.stderr == "fpai: That gate is closed.\n  → Look again.\n  request id req-1\n"


QUESTIONS = [{"id": "q1", "question": "Which colour?", "options": ["red", "blue"], "default": "red"}]


def test_the_only_question_is_answered_by_plain_text_or_by_id(served: Any, run: Run) -> None:
    build = served.fake.add(documents.make_build(1, status="waiting_input", questions=QUESTIONS))["build_id"]
    for text in ("blue", "q1=blue"):
        assert run("answer", build, text).returncode == 0
        assert sent(served) == ("POST", f"/executor/builds/{build}/answer", {"answers": {"q1": "blue"}})


def test_several_questions_need_their_ids(served: Any, run: Run) -> None:
    two = [*QUESTIONS, {"id": "q2", "question": "How many?"}]
    build = served.fake.add(documents.make_build(1, status="waiting_input", questions=two))["build_id"]
    assert run("answer", build, "q1=blue", "q2=a=b").returncode == 0
    assert sent(served)[2] == {"answers": {"q1": "blue", "q2": "a=b"}}
    unclear = run("answer", build, "blue", "3")
    assert unclear.returncode == 2 and "q1, q2" in unclear.stderr
    assert run("answer", build).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "method", "path", "body"),
    [
        (["budget", "@last", "2.5"], "POST", "/budget", {"usd": 2.5}),
        (["cancel", "@last"], "DELETE", "", {}),
        (["retry", "@last"], "POST", "/retry", {}),
        (["retry", "@last", "--from", "4"], "POST", "/retry", {"from_step": 4}),
        (["rollback", "@last"], "POST", "/rollback", {}),
        (["rollback", "@last", "--to", "build-1"], "POST", "/rollback", {"to": "build-1"}),
    ],
)
def test_a_decision_is_one_request(
    served: Any, run: Run, arguments: list[str], method: str, path: str, body: dict[str, Any]
) -> None:
    build = served.fake.add(documents.make_build(1))["build_id"]
    done = run(*arguments, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["build_id"] == build
    assert sent(served) == (method, f"/executor/builds/{build}{path}", body)


def test_retry_from_a_step_that_does_not_exist_is_a_usage_error(run: Run) -> None:
    assert run("retry", "@last", "--from", "9").returncode == 2


def test_a_top_up_says_what_is_spent_of_the_new_budget(served: Any, run: Run) -> None:
    build = served.fake.add(documents.with_model(1, budget_usd=10.0))["build_id"]
    assert run("budget", build, "5").stdout == f"{build}: in progress, Apprentice Build, $1.23 of $10.00\n"
