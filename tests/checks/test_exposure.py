"""Secrets that reach a log, and origins that are not named."""

from __future__ import annotations

import ast

import pytest

from executor.checks.exposure import check_origins, logged_secrets
from executor.checks.sources import SourceFile
from executor.domain.findings import Result


def source(text: str) -> SourceFile:
    return SourceFile("app/main.py", text, ast.parse(text))


@pytest.mark.parametrize(
    "call",
    [
        "log.info(token)", "self.log.error('%s', user.password)", "log.debug(f'with {api_key}')",
        "log.warning('x', extra={'key': settings.jwt_secret})", "log.info('%s' % access_token)",
        "log.log(20, private_key)", "log.info('login', password=password)", "log.info('a', ('b', token))",
    ],
)  # fmt: skip
def test_a_secret_in_a_log_call_is_found(call: str):
    assert list(logged_secrets(source(call))) != []


@pytest.mark.parametrize(
    "call",
    [
        "log.info('token refused')", "log.info('x', extra={'has_token': bool(token)})",
        "log.info(token_count)",
        "log.info('%d', len(password))", "send(token)", "store.add(token)", "log.info(tokens)",
    ],
)  # fmt: skip
def test_what_only_speaks_of_a_secret_is_not_one(call: str):
    assert list(logged_secrets(source(call))) == []


@pytest.mark.parametrize("origins", ["allow_origins=['*']", "allow_origin_regex='.*'"])
def test_every_origin_with_credentials_is_refused(origins: str):
    text = f"app.add_middleware(CORSMiddleware, {origins}, allow_credentials=True)\n"
    finding = check_origins((source(text),))
    assert (finding.rule, finding.result) == ("S8", Result.FAIL)
    assert "app/main.py:1" in finding.evidence


@pytest.mark.parametrize(
    "options",
    [
        "allow_origins=['https://fullpotential.ai'], allow_credentials=True",
        "allow_origins=['*']", "allow_origins=['*'], allow_credentials=False",
    ],
)  # fmt: skip
def test_named_origins_and_answers_without_credentials_are_let_pass(options: str):
    finding = check_origins((source(f"app.add_middleware(CORSMiddleware, {options})\n"),))
    assert finding.result is Result.PASS
