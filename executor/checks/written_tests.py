"""The tests that the source holds: the names under which they have to run, and whether they can fail."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from executor.checks.rules import judged
from executor.checks.sources import SourceFile
from executor.checks.swallowing import lost_assertions
from executor.domain.findings import Finding

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def written_tests(files: tuple[SourceFile, ...]) -> list[str]:
    """Node ids without parameters, one for each definition: a name written twice is there twice."""
    return [name for name, _ in _tests(files)]


def check_substance(files: tuple[SourceFile, ...]) -> Finding:
    """T5: no test is empty, loses its assertions, or asserts what is true by itself."""
    problems = [f"{name} {problem}" for name, node in _tests(files) for problem in _hollow(node)]
    return judged("T5", "Every test can fail", problems)


def _tests(files: tuple[SourceFile, ...]) -> Iterator[tuple[str, _Function]]:
    for file in files:
        name = PurePosixPath(file.name).name
        if file.is_test and file.tree and (name.startswith("test_") or name.endswith("_test.py")):
            yield from _in_body(file.tree.body, file.name)


def _in_body(body: Sequence[ast.stmt], prefix: str) -> Iterator[tuple[str, _Function]]:
    for node in body:
        if isinstance(node, _Function):
            if node.name.startswith("test"):
                yield f"{prefix}::{node.name}", node
        elif isinstance(node, ast.ClassDef):
            if node.name.startswith("Test") or any("TestCase" in ast.unparse(base) for base in node.bases):
                yield from _in_body(node.body, f"{prefix}::{node.name}")
        else:  # a test behind a condition counts too, else a condition would be a way to skip it
            for block in ("body", "orelse", "finalbody"):
                yield from _in_body(getattr(node, block, []), prefix)
            for handler in getattr(node, "handlers", []):
                yield from _in_body(handler.body, prefix)


def _hollow(test: _Function) -> Iterator[str]:
    nodes = [node for statement in test.body for node in ast.walk(statement)]
    if not any(isinstance(node, ast.Assert | ast.Call | ast.Raise | ast.Await) for node in nodes):
        yield "does nothing"
    for node in nodes:
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant) and node.test.value:
            yield f"asserts {ast.unparse(node.test)}"
    yield from lost_assertions(test)
