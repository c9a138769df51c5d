"""What a repository may not hold, because it would let the code under test write its own verdict."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from executor.checks.rules import judged
from executor.checks.sources import SourceFile
from executor.domain.findings import Finding

# Hooks by which a conftest or plugin changes what is collected, run or reported.
_HOOKS = re.compile(
    r"pytest_(runtest_|report|sessionfinish|sessionstart|collection|collect|ignore_collect|itemcollected"
    r"|pycollect|pyfunc_call|cmdline|configure|unconfigure|load_initial|addoption|terminal|exception"
    r"|generate_tests|make_parametrize|deselected|fixture_setup|plugin_registered|addhooks|make_collect)\w*"
)
_NAMES = frozenset({"pytest_plugins", "collect_ignore", "collect_ignore_glob", "__test__"})
_SKIPS = frozenset({"skip", "skipif", "xfail", "importorskip", "skipTest", "skipUnless", "SkipTest", "exit"})
_ENDINGS = frozenset({"_exit", "kill", "abort", "killpg", "execv", "execve", "execvp"})
_MODULES = ("_pytest", "pluggy", "junitparser")
_STARTUP_FILES = re.compile(r"(^|/)(sitecustomize|usercustomize)\.py$|\.pth$|(^|/)pytest\.py$|(^|/)_pytest/")
_OWN_SETTINGS = re.compile(
    r"^\s*(-p|addopts.*(-k|-m|--deselect|--ignore|--collect-only|--co|-p)\b)", re.MULTILINE
)


def check_forgery(files: tuple[SourceFile, ...]) -> Finding:
    """T4: no hook, plugin, early exit, skip or setting stands between the tests and the verdict."""
    problems = [f"{file.name}: {problem}" for file in files for problem in _problems(file)]
    return judged("T4", "Nothing in the repository decides its own verdict", problems)


def _problems(file: SourceFile) -> Iterator[str]:
    if _STARTUP_FILES.search(file.name):
        yield "is loaded by the interpreter or the test runner before any test"
    if file.name in {"pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml"}:
        for match in _OWN_SETTINGS.finditer(file.text):
            yield f"selects tests or plugins ({match.group(0).strip()})"
    if file.is_test and file.is_python:
        if file.tree is None:
            yield "does not parse"
        else:
            yield from _in_tests(file.tree)


def _in_tests(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _HOOKS.fullmatch(node.name):
            yield f"defines the hook {node.name}"
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in _NAMES:
            yield f"sets {node.id}"
        elif isinstance(node, ast.Attribute) and node.attr in _SKIPS and _is_runner(node.value):
            yield f"uses {ast.unparse(node)}"
        elif isinstance(node, ast.Attribute) and node.attr in _ENDINGS and _is_module(node.value, "os"):
            yield f"uses os.{node.attr}"
        elif isinstance(node, ast.ImportFrom):
            yield from _imported(node)
        elif isinstance(node, ast.Import):
            yield from (f"imports {a.name}" for a in node.names if a.name.split(".")[0] in _MODULES)


def _imported(node: ast.ImportFrom) -> Iterator[str]:
    module = node.module or ""
    if module.split(".")[0] in _MODULES:
        yield f"imports from {module}"
    names = {alias.name for alias in node.names}
    if module in {"pytest", "unittest", "unittest.case"} and names & _SKIPS:
        yield f"imports {', '.join(sorted(names & _SKIPS))} from {module}"
    if module == "os" and names & _ENDINGS:
        yield f"imports {', '.join(sorted(names & _ENDINGS))} from os"


def _is_runner(node: ast.expr) -> bool:
    """`pytest.skip`, `pytest.mark.skip`, `unittest.skip`, `self.skipTest`."""
    return ast.unparse(node) in {"pytest", "pytest.mark", "mark", "unittest", "self"}


def _is_module(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
