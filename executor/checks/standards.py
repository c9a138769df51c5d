"""CODE_STANDARDS in checkable form: ruff with the executor's own rules, and what ruff does not know."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from executor.adapters.programs import run_program
from executor.checks.exposure import check_origins, logged_secrets
from executor.checks.rules import judged
from executor.checks.sources import SourceFile
from executor.domain.findings import Finding
from executor.errors import Permanent

_RULES = "E,F,W,I,UP,B,S,ANN,D1,N,BLE,DTZ"
_IGNORED = "D105,D107,S101"
_LONGEST_FUNCTION = 50
_RUFF_SECONDS = 60.0
_CONTAINERS = frozenset(
    {"list", "dict", "set", "defaultdict", "deque", "Counter", "OrderedDict", "bytearray"}
)
_UNFINISHED = re.compile(r"\b(TODO|FIXME)\b")


async def check_ruff(root: Path, ruff: str) -> Finding:
    """C2, C3, C5 to C7 and part of C9: ruff over app/ with fixed rules, not with the repository's own.

    Raises Permanent when ruff itself cannot run.
    """
    argv = [
        ruff, "check", "--isolated", "--no-cache", "--output-format", "json-lines", "--line-length", "100",
        "--target-version", "py311", "--select", _RULES, "--ignore", _IGNORED, "--ignore-noqa",
        "--no-respect-gitignore", "--config", "exclude=[]", "app",
    ]  # fmt: skip
    done = await run_program(argv, cwd=root, env={"PATH": "/usr/bin:/bin"}, timeout=_RUFF_SECONDS)
    # One finding a line: a report so long that it was cut off still tells its first findings.
    problems = [_lint(line) for line in done.stdout.splitlines() if line.endswith(b"}")]
    if done.code != (1 if problems else 0):
        raise Permanent(f"ruff did not answer: {done.stderr[-400:]!r}.", hint="Install the executor anew.")
    return judged("C3", f"ruff is clean ({_RULES})", problems)


def _lint(line: bytes) -> str:
    item = json.loads(line)
    return f"{Path(item['filename']).name}:{item['location']['row']} {item['code']} {item['message']}"


def check_code(files: tuple[SourceFile, ...]) -> tuple[Finding, ...]:
    """What ruff does not check: C8 length, C9 prints and bare excepts, C10 module state, S4 SQL, and more."""
    python = [file for file in files if file.is_python]
    app = [file for file in python if file.name.startswith("app/")]
    return (
        judged("C0", "Every Python file parses", [f.name for f in python if f.tree is None]),
        judged("C8", f"Functions have at most {_LONGEST_FUNCTION} lines", [p for f in app for p in _long(f)]),
        judged(
            "C9",
            "No print, no bare except, no secret in a log call",
            [p for f in app for p in (*_careless(f), *logged_secrets(f))],
        ),
        judged("C10", "No mutable module-level state", [p for f in app for p in _module_state(f)]),
        judged(
            "C12",
            "Nothing is marked as unfinished",
            [f"{f.name}: {m}" for f in python for m in _UNFINISHED.findall(f.text)],
        ),
        judged(
            "C13",
            "No call through the synchronous requests library",
            [f.name for f in python if _imports_requests(f)],
        ),
        judged("S4", "SQL is parameterized", [p for f in app for p in _formatted_sql(f)]),
        check_origins(files),
    )


def _walk(file: SourceFile) -> Iterator[ast.AST]:
    return ast.walk(file.tree) if file.tree else iter(())


def _long(file: SourceFile) -> Iterator[str]:
    for node in _walk(file):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > _LONGEST_FUNCTION:
                yield f"{file.name}: {node.name} has {lines} lines"


def _careless(file: SourceFile) -> Iterator[str]:
    for node in _walk(file):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"{file.name}:{node.lineno} prints"
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield f"{file.name}:{node.lineno} has a bare except"


def _module_state(file: SourceFile) -> Iterator[str]:
    """What can change at module level: containers that are no constants, and names that functions rebind."""
    for node in file.tree.body if file.tree else ():
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and _is_container(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            yield from (f"{file.name}: {name}" for name in names if not _is_constant(name, node.value))
    for inner in _walk(file):
        if isinstance(inner, ast.Global):
            yield f"{file.name}:{inner.lineno} rebinds {', '.join(inner.names)}"


def _is_container(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).split(".")[-1] in _CONTAINERS
    return isinstance(value, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp))


def _is_constant(name: str, value: ast.expr | None) -> bool:
    """An upper-case name says so, unless what it holds is still to be filled."""
    empty = isinstance(value, ast.Call) and not value.args and not value.keywords
    empty = empty or (isinstance(value, ast.List) and not value.elts)
    empty = empty or (isinstance(value, ast.Dict) and not value.keys)
    return name.startswith("__") or (name.isupper() and not empty)


def _imports_requests(file: SourceFile) -> bool:
    for node in _walk(file):
        if isinstance(node, ast.Import) and any(a.name.split(".")[0] == "requests" for a in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "requests":
            return True
    return False


def _formatted_sql(file: SourceFile) -> Iterator[str]:
    """A SELECT, INSERT, UPDATE or DELETE put together from a value that is not a constant's name."""
    for node in _walk(file):
        if isinstance(node, ast.JoinedStr) and _is_select(node):
            yield f"{file.name}:{node.lineno} formats a SELECT"
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "format"
            and isinstance(node.func.value, ast.Constant)
            and "select " in str(node.func.value.value).lower()
        ):
            yield f"{file.name}:{node.lineno} formats a SELECT"


def _is_select(node: ast.JoinedStr) -> bool:
    text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    return bool(re.match(r"\s*select\s", text, re.IGNORECASE))
