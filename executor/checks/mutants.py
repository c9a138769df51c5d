"""Small faults put into a droplet's own functions: one at a time, and the same ones for the same commit."""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from executor.checks.sources import SourceFile

Executed = Mapping[str, frozenset[int]]
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_OPPOSITES: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """One function: its file, its name with its classes, its node."""

    file: SourceFile
    name: str
    node: _Function

    @property
    def lines(self) -> range:
        """The lines of its body, without the docstring."""
        body = _without_docstring(self.node)
        return range(body[0].lineno, (self.node.end_lineno or body[0].lineno) + 1) if body else range(0)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One file with one fault. `is_emptied`: the whole body is gone, which any test of it would notice."""

    file: str
    text: str
    what: str
    is_emptied: bool


def own_functions(files: Sequence[SourceFile], template: Sequence[SourceFile]) -> list[Place]:
    """The functions of app/ that do something and are not, word for word, the template's."""
    known = {_words(place.node) for file in template for place in _functions(file)} | {""}
    return [
        place
        for file in files
        if file.name.startswith("app/")
        for place in _functions(file)
        if _words(place.node) not in known and _does_something(place.node)
    ]


def mutants(places: Sequence[Place], commit: str, executed: Executed, most: int) -> list[Mutant]:
    """Up to `most` faults, each in another function that the tests are known to run.

    Functions that answer or raise come first: what a function for its effects alone does is often no
    test's matter. `executed` is empty where nobody knows. The first fault empties its function.
    """

    def rank(place: Place) -> tuple[bool, str]:
        word = f"{commit}\n{place.file.name}\n{place.name}"
        return not _answers(place.node), hashlib.sha256(word.encode()).hexdigest()

    made: list[Mutant] = []
    for place in sorted((place for place in places if _ran(place, executed)), key=rank):
        if len(made) < most:
            made += _mutated(place, _CHANGES[len(made) % len(_CHANGES)])
    return made


def _words(node: _Function) -> str:
    """The function without its formatting and its place; nothing for one nested too deep to be read."""
    try:
        return ast.dump(node)
    except RecursionError:
        return ""


def _functions(file: SourceFile) -> Iterator[Place]:
    yield from _in_body(file, file.tree.body if file.tree else (), "")


def _in_body(file: SourceFile, body: Sequence[ast.stmt], prefix: str) -> Iterator[Place]:
    for node in body:
        if isinstance(node, _Function):
            yield Place(file, prefix + node.name, node)
        elif isinstance(node, ast.ClassDef):
            yield from _in_body(file, node.body, f"{prefix}{node.name}.")


def _without_docstring(node: _Function) -> list[ast.stmt]:
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def _does_something(node: _Function) -> bool:
    """False for an abstract or empty body: to empty it changes nothing."""
    return not all(
        isinstance(statement, ast.Pass)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        or (isinstance(statement, ast.Return) and _is_none(statement.value))
        or (isinstance(statement, ast.Raise) and "NotImplemented" in ast.unparse(statement))
        for statement in _without_docstring(node)
    )


def _answers(node: _Function) -> bool:
    return any(
        isinstance(inner, ast.Raise | ast.Yield | ast.YieldFrom)
        or (isinstance(inner, ast.Return) and not _is_none(inner.value))
        for inner in ast.walk(node)
    )


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _ran(place: Place, executed: Executed) -> bool:
    return not executed or not executed.get(place.file.name, frozenset()).isdisjoint(place.lines)


def _mutated(place: Place, change: Callable[[_Function], str]) -> Iterator[Mutant]:
    """The one mutant, none where something else in the file is nested too deep to be copied."""
    name, where = place.file.name, f"{place.file.name}:{place.node.lineno} {place.name}"
    with suppress(RecursionError):
        copied = copy.deepcopy(place.file)
        node = next(p.node for p in _functions(copied) if (p.name, p.lines) == (place.name, place.lines))
        what = change(node) or _emptied(node)
        text = ast.unparse(copied.tree) if copied.tree else ""
        yield Mutant(name, text, f"{where} {what}", what == _EMPTIED)


_EMPTIED = "emptied"


def _emptied(node: _Function) -> str:
    node.body = [ast.Return(ast.Constant(None))]
    return _EMPTIED


def _negated(node: _Function) -> str:
    """Turn the first comparison round; without one, answer ''."""
    for inner in _inside(node):
        if isinstance(inner, ast.Compare) and len(inner.ops) == 1:
            before = ast.unparse(inner)
            inner.ops = [_OPPOSITES[type(inner.ops[0])]()]
            return f"with {ast.unparse(inner)!r} for {before!r}"
    return ""


def _miscounted(node: _Function) -> str:
    """Add one to the first whole number; without one, answer ''."""
    for inner in _inside(node):
        if isinstance(inner, ast.Constant) and type(inner.value) is int:
            before, inner.value = inner.value, inner.value + 1
            return f"with {inner.value} for {before}"
    return ""


_CHANGES = (_emptied, _negated, _miscounted)


def _inside(node: _Function) -> Iterator[ast.AST]:
    """The body's nodes; not the decorators and defaults, which are read at import."""
    return (inner for statement in node.body for inner in ast.walk(statement))
