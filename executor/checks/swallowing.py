"""Ways in which a test's failed assertion, or the assertion itself, gets lost on its way to the runner."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

_ASSERTIONS = frozenset({"AssertionError"})
_EVERYTHING = frozenset({"Exception", "BaseException"})
_CATCHERS = frozenset({"suppress", "raises"})


def lost_assertions(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """What is wrong with the test: a handler that swallows its assertions, or statements that never run."""
    for node in ast.walk(test):
        if isinstance(node, ast.Try | ast.TryStar):
            caught = (h for h in node.handlers if not _speaks(h) and _catches(_names(h.type), node.body))
            yield from (f"swallows its assertions in line {handler.lineno}" for handler in caught)
        elif isinstance(node, ast.With | ast.AsyncWith) and _catches(_suppressed(node), node.body):
            yield f"swallows its assertions in line {node.lineno}"
    for before, after in zip(test.body, test.body[1:], strict=False):
        if isinstance(before, ast.Return | ast.Raise):
            yield f"never runs line {after.lineno}"


def _catches(names: frozenset[str], body: Iterable[ast.stmt]) -> bool:
    """Whoever names AssertionError means it; a wider net counts only around an assertion."""
    asserts = any(isinstance(node, ast.Assert) for statement in body for node in ast.walk(statement))
    return bool(names & _ASSERTIONS) or (asserts and bool(names & _EVERYTHING))


def _speaks(handler: ast.ExceptHandler) -> bool:
    """True if the handler raises, asserts or fails the test in its turn."""
    nodes = [node for statement in handler.body for node in ast.walk(statement)]
    return any(
        isinstance(node, ast.Raise | ast.Assert)
        or (isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "fail")
        for node in nodes
    )


def _suppressed(node: ast.With | ast.AsyncWith) -> frozenset[str]:
    calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
    catching = [call for call in calls if ast.unparse(call.func).split(".")[-1] in _CATCHERS]
    return frozenset().union(*(_names(argument) for call in catching for argument in call.args))


def _names(kinds: ast.expr | None) -> frozenset[str]:
    if kinds is None:
        return _EVERYTHING
    parts = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
    return frozenset(ast.unparse(part).split(".")[-1] for part in parts)
