"""A scan of every file for what must never be in a repository."""

from __future__ import annotations

import re
from collections.abc import Iterator

from executor.checks.rules import judged
from executor.checks.sources import SourceFile
from executor.domain.findings import Finding

_ANYWHERE = (
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*[A-Za-z0-9+/=]{20}")),
    ("an API key", re.compile(r"\bsk-(?:ant-)?[A-Za-z0-9_-]{20,}")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})")),
    ("a Slack token", re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}")),
    ("an AWS key", re.compile(r"\bAKIA[0-9A-Z]{16}\b")),
)
_ASSIGNED = re.compile(
    r"""(?i)\b(?:\w*_)?(?:password|passwd|secret|api_key|apikey|token)\b["']?\s*"""
    r"""(?::\s*[\w.|\[\] ]+=|[:=])\s*["'][^"'\s{}$<>]{8,}["']"""
)


def check_secrets(files: tuple[SourceFile, ...]) -> Finding:
    """S1: no key, token or password in any file; the evidence names the place, never the value."""
    return judged("S1", "No secret is in the repository", [p for file in files for p in _found(file)])


def _found(file: SourceFile) -> Iterator[str]:
    for what, pattern in _ANYWHERE:
        for match in pattern.finditer(file.text):
            yield f"{file.name}:{_line(file.text, match.start())} holds {what}"
    if file.is_python and not file.is_test and "example" not in file.name:
        for match in _ASSIGNED.finditer(file.text):
            yield f"{file.name}:{_line(file.text, match.start())} assigns a secret"


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
