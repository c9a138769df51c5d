"""A key of this state directory, which signs the page's sessions and the links in mails."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_NAME = "signing.key"
_BYTES = 32


def state_key(state_dir: Path) -> bytes:
    """The key, made at the first start with mode 0600. A lost one ends sessions and the links sent so far."""
    path = state_dir / _NAME
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = b""
    return found if len(found) == _BYTES else _made(path)


def _made(path: Path) -> bytes:
    key, part = secrets.token_bytes(_BYTES), path.with_suffix(".part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, key)
        os.fsync(handle)
    finally:
        os.close(handle)
    part.replace(path)
    return key
