"""What a repository may not hold, because it would let the code under test write its own verdict.

The seal of the run (`seal.py`) stops reports from elsewhere; this stops what changes what the runner sees.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from executor.checks.rules import judged
from executor.checks.sources import SourceFile
from executor.domain.findings import Finding

# Every name that pytest calls by itself: hooks change what is collected, run or reported.
_HOOKS = re.compile(r"pytest_[a-z]\w*")
_NAMES = frozenset(
    {"pytest_plugins", "collect_ignore", "collect_ignore_glob", "__test__", "__code__", "__class__"}
)
_ITEM_PARTS = frozenset({"obj", "_obj"})  # what pytest calls when it runs a test
_SKIPS = frozenset({"skip", "skipif", "xfail", "importorskip", "skipTest", "skipUnless", "SkipTest", "exit"})
_RUNNERS = frozenset({"pytest", "pytest.mark", "mark", "unittest", "unittest.case"})
_RUNNER_ROOTS = frozenset({"pytest", "request", "unittest"})
_MODULES = frozenset({"__main__", "_pytest", "pluggy", "junitparser", "ctypes", "gc"})
_CALLS = frozenset({"exec", "eval", "compile", "__import__", "globals"})
# Ways into the runner that pass by its hooks, and ways to end it or to look into its frames.
_REACHES = frozenset(
    {
        "pluginmanager", "runtest", "runtestprotocol", "_pyfuncitem", "_getframe", "_current_frames",
        "f_back", "f_locals", "f_globals", "tb_frame", "currentframe", "__subclasses__", "settrace",
        "setprofile",
    }
)  # fmt: skip
_BY_NAME = frozenset({"getattr", "setattr", "delattr", "attrgetter", "methodcaller"})
_ENDINGS = frozenset({"_exit", "kill", "abort", "killpg", "execv", "execve", "execvp", "fork", "forkpty"})
_STARTUP_FILES = re.compile(r"(^|/)(sitecustomize|usercustomize)\.py$|\.pth$|(^|/)pytest\.py$|(^|/)_pytest/")
_SETTINGS = frozenset({"pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml"})
_OWN_SETTINGS = re.compile(
    r"^\s*-p|^\s*[\"']?addopts.*?(?<![\w-])(-[kmp]|--(deselect|ignore|ignore-glob|collect-only|co))(?!\w)",
    re.MULTILINE,
)
_INTERNALS = re.compile(r"_pytest(\.|$)|/proc/[^/]+/(mem|fd|map|environ|task|cwd|root)")


def check_forgery(files: tuple[SourceFile, ...]) -> Finding:
    """T4: no hook, plugin, early exit, skip or setting stands between the tests and the verdict."""
    problems = [f"{file.name}: {problem}" for file in files for problem in _problems(file)]
    return judged("T4", "Nothing in the repository decides its own verdict", problems)


def _problems(file: SourceFile) -> Iterator[str]:
    if _STARTUP_FILES.search(file.name):
        yield "is loaded by the interpreter or the test runner before any test"
    if PurePosixPath(file.name).name in _SETTINGS:
        for match in _OWN_SETTINGS.finditer(file.text):
            yield f"selects tests or plugins ({match.group(0).strip()})"
    if file.tree is not None:
        for node in ast.walk(file.tree):
            yield from _anywhere(node)
            if file.is_test or file.name.endswith("conftest.py"):
                yield from _in_tests(node)
            else:
                yield from _outside_tests(node)
    elif file.is_python:
        yield "does not parse"


def _anywhere(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute) and node.attr in _REACHES:
        yield f"reaches for {node.attr}"
    elif isinstance(node, ast.Attribute) and node.attr in _ENDINGS and ast.unparse(node.value) == "os":
        yield f"uses os.{node.attr}"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        yield f"calls {node.func.id}"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _INTERNALS.match(node.value):
        yield f"names {node.value[:40]!r}"
    elif isinstance(node, ast.Import):
        yield from (f"imports {a.name}" for a in node.names if a.name.split(".")[0] in _MODULES)
    elif isinstance(node, ast.ImportFrom):
        yield from _imported(node)


def _imported(node: ast.ImportFrom) -> Iterator[str]:
    module, names = node.module or "", {alias.name for alias in node.names}
    if module.split(".")[0] in _MODULES:
        yield f"imports from {module}"
    if module in _RUNNERS and names & _SKIPS:
        yield f"imports {', '.join(sorted(names & _SKIPS))} from {module}"
    if module == "os" and names & _ENDINGS:
        yield f"imports {', '.join(sorted(names & _ENDINGS))} from os"
    if names & _REACHES:
        yield f"imports {', '.join(sorted(names & _REACHES))} from {module}"


def _in_tests(node: ast.AST) -> Iterator[str]:
    for name in _bound(node):
        if name in _NAMES:
            yield f"sets {name}"
        elif _HOOKS.fullmatch(name):
            yield f"defines the hook {name}"
    if isinstance(node, ast.Attribute) and node.attr in _SKIPS and _is_runner(node):
        yield f"uses {ast.unparse(node)}"
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        foreign = node.attr in _ITEM_PARTS and ast.unparse(node.value) != "self"
        if foreign or _roots_in_runner(node):
            yield f"changes {ast.unparse(node)}"
    if isinstance(node, ast.Call) and _called(node) in _BY_NAME and _is_computed(node.args[1:2]):
        yield f"calls {_called(node)} with a computed name"
    if isinstance(node, ast.Call) and _called(node) == "setattr" and node.args:
        target = ast.unparse(node.args[0]).strip("\"'")
        if target.split(".")[0] in _RUNNER_ROOTS or _steers(node.args[1:2]):
            yield f"changes {target}"


def _outside_tests(node: ast.AST) -> Iterator[str]:
    names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
    names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    yield from (f"imports {name} outside tests" for name in names if name.split(".")[0] == "pytest")
    if isinstance(node, ast.Constant) and node.value == "pytest":
        yield "names 'pytest' outside tests"


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a statement binds, in whichever way."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr
    elif isinstance(node, ast.alias) and node.asname:
        yield node.asname


def _is_runner(node: ast.Attribute) -> bool:
    """`pytest.skip`, `pytest.mark.skip`, `unittest.skip`, `self.skipTest`."""
    value = ast.unparse(node.value)
    return value in _RUNNERS or (value == "self" and node.attr == "skipTest")


def _roots_in_runner(node: ast.AST) -> bool:
    return ast.unparse(node).split(".")[0] in _RUNNER_ROOTS


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _is_computed(arguments: list[ast.expr]) -> bool:
    """Put together out of pieces, as nobody does who has nothing to hide from the rules above."""
    return any(isinstance(a, ast.BinOp | ast.JoinedStr | ast.Call | ast.Subscript) for a in arguments)


def _steers(arguments: list[ast.expr]) -> bool:
    names = [str(a.value) for a in arguments if isinstance(a, ast.Constant)]
    return any(_HOOKS.fullmatch(name) or name in _ITEM_PARTS for name in names)
