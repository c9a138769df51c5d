"""What a droplet's code shows to those it should not: secrets in its logs, answers to any web page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from executor.checks.rules import judged
from executor.checks.sources import SourceFile
from executor.domain.findings import Finding

_SECRET = re.compile(r"(.*_)?(password|passwd|secret|api_key|apikey|private_key|token)", re.IGNORECASE)
_LOG_CALLS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
# Through these a value reaches the record as it is; a call, such as bool() or len(), makes another of it.
_PASSING = (ast.JoinedStr, ast.FormattedValue, ast.Dict, ast.Tuple, ast.List, ast.BinOp)


def check_origins(files: tuple[SourceFile, ...]) -> Finding:
    """S8: no call allows every origin together with credentials."""
    problems = [
        f"{file.name}:{call.lineno} allows credentials to every origin"
        for file in files
        if file.name.startswith("app/")
        for call in _calls(file)
        if _admits_everyone(call)
    ]
    return judged("S8", "Cross-origin access names its origins", problems)


def logged_secrets(file: SourceFile) -> Iterator[str]:
    """Part of C9: values that are called a secret and are handed to a log as they are."""
    for call in _calls(file):
        if isinstance(call.func, ast.Attribute) and call.func.attr in _LOG_CALLS:
            values = [*call.args, *(keyword.value for keyword in call.keywords)]
            for name in sorted({name for value in values for name in _secrets(value)}):
                yield f"{file.name}:{call.lineno} logs {name}"


def _calls(file: SourceFile) -> Iterator[ast.Call]:
    if file.tree is not None:
        yield from (node for node in ast.walk(file.tree) if isinstance(node, ast.Call))


def _secrets(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.Name | ast.Attribute):
        name = value.id if isinstance(value, ast.Name) else value.attr
        if _SECRET.fullmatch(name):
            yield name
    elif isinstance(value, _PASSING):
        for inner in ast.iter_child_nodes(value):
            if isinstance(inner, ast.expr):
                yield from _secrets(inner)


def _admits_everyone(call: ast.Call) -> bool:
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    credentials = named.get("allow_credentials")
    if not isinstance(credentials, ast.Constant) or credentials.value is not True:
        return False
    return _holds(named.get("allow_origins"), "*") or _holds(named.get("allow_origin_regex"), ".*")


def _holds(value: ast.expr | None, word: str) -> bool:
    return value is not None and any(
        isinstance(node, ast.Constant) and node.value == word for node in ast.walk(value)
    )
