"""Tests whose assertions get lost before the runner hears of them."""

from __future__ import annotations

import ast
import textwrap

import pytest

from executor.checks.swallowing import lost_assertions
from tests.proof.ledger import Ledger

LOST = {
    "a handler of assertions": "try:\n    check()\nexcept AssertionError:\n    pass",
    "a handler of several": "try:\n    check()\nexcept (KeyError, builtins.AssertionError):\n    return",
    "a handler of everything": "try:\n    assert a == 1\nexcept Exception:\n    print('oh')",
    "a bare handler": "try:\n    assert a == 1\nexcept:\n    pass",
    "a group's handler": "try:\n    assert a == 1\nexcept* AssertionError:\n    pass",
    "a handler in a loop": "for a in b:\n    try:\n        assert a\n    except BaseException:\n        go()",
    "suppression": "with contextlib.suppress(AssertionError):\n    check()",
    "suppression of everything": "with open('f'), suppress(ValueError, Exception):\n    assert a == 1",
    "an expected failure": "with pytest.raises(AssertionError):\n    assert a == 1",
    "an early return": "return\nassert a == 1",
}
KEPT = {
    "an expected error": "with pytest.raises(ValueError):\n    take(1)\nassert a == 1",
    "any expected error of the code": "with pytest.raises(Exception):\n    take(1)",
    "a handler that checks": "try:\n    assert take(1)\nexcept Exception as e:\n    assert e.args == (1,)",
    "a handler that fails the test": "try:\n    assert take(1)\nexcept Exception:\n    pytest.fail('no')",
    "a handler that raises": "try:\n    assert take(1)\nexcept AssertionError:\n    raise",
    "a handler around no assertion": "try:\n    take(1)\nexcept Exception:\n    pass\nassert a == 1",
    "a narrow handler": "try:\n    assert take(1)\nexcept KeyError:\n    pass",
    "a return at the end": "if a:\n    return\nassert b == 1",
}


def lost(body: str) -> list[str]:
    test = ast.parse("def test_a():\n" + textwrap.indent(body, "    ")).body[0]
    assert isinstance(test, ast.FunctionDef)
    return list(lost_assertions(test))


@pytest.mark.parametrize("body", LOST.values(), ids=LOST.keys())
def test_a_lost_assertion_is_found(body: str, ledger: Ledger):
    assert len(lost(body)) == 1
    ledger.tried("assertions that are lost", threat="forged verdicts")


@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT.keys())
def test_an_honest_test_passes(body: str):
    assert lost(body) == []


def test_the_line_is_named():
    assert lost(LOST["a handler of assertions"]) == ["swallows its assertions in line 4"]
