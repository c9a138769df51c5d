"""What git and GitHub say of a push that was not taken, and what it means."""

from __future__ import annotations

import pytest

from executor.adapters.git_push_errors import refusal
from executor.adapters.programs import Finished
from executor.errors import Conflict, Permanent, Transient

URL = "https://github.example/o/droplet-13-library.git"
REJECTED = "!\t403aa4031c0de:refs/heads/main\t[{}] ({})\nDone"


def of(stdout: str, stderr: str) -> object:
    return refusal(Finished(1, stdout.encode(), stderr.encode(), 0), "main")


@pytest.mark.parametrize(
    ("stdout", "stderr", "kind", "code"),
    [
        ("", f"fatal: Authentication failed for '{URL}/'", Permanent, "GITHUB_TOKEN_REFUSED"),
        (
            "",
            f"fatal: unable to access '{URL}/': The requested URL returned error: 403",
            Permanent,
            "GITHUB_TOKEN_REFUSED",
        ),
        (
            "",
            "remote: Permission to o/droplet-13-library.git denied to bob.",
            Permanent,
            "GITHUB_TOKEN_REFUSED",
        ),
        (
            REJECTED.format("remote rejected", "protected branch hook declined"),
            "remote: error: GH006: Protected branch update failed for refs/heads/main.",
            Permanent,
            "PUSH_DECLINED",
        ),
        (
            REJECTED.format("remote rejected", "push declined due to repository rule violations"),
            "",
            Permanent,
            "PUSH_DECLINED",
        ),
        (REJECTED.format("rejected", "stale info"), "", Conflict, "BRANCH_MOVED"),
        (
            "",
            f"remote: Repository not found.\nfatal: repository '{URL}/' not found",
            Conflict,
            "REPOSITORY_MOVED",
        ),
        (
            "",
            f"fatal: unable to access '{URL}/': The requested URL returned error: 301",
            Conflict,
            "REPOSITORY_MOVED",
        ),
        (REJECTED.format("remote rejected", "failed to update ref"), "", Transient, "DEPENDENCY_UNAVAILABLE"),
        ("", "error: RPC failed; HTTP 502", Transient, "DEPENDENCY_UNAVAILABLE"),
        ("", "", Transient, "DEPENDENCY_UNAVAILABLE"),
        (
            "",
            "fatal: unable to access 'http://127.0.0.1:40312/': Failed to connect to 127.0.0.1 port 40312",
            Transient,
            "DEPENDENCY_UNAVAILABLE",
        ),
        (
            "",
            f"fatal: unable to access '{URL}/': Could not resolve host: 404.example",
            Transient,
            "DEPENDENCY_UNAVAILABLE",
        ),
    ],
)
def test_what_was_said_is_sorted_by_what_to_do_next(stdout, stderr, kind, code):
    error = of(stdout, stderr)
    assert (type(error), error.code) == (kind, code)
    assert error.hint


def test_a_refusal_by_rule_names_the_rule():
    assert "protected branch hook declined." in str(
        of(REJECTED.format("remote rejected", "protected branch hook declined"), "")
    )
