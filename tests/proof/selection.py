"""A pytest plugin for `python -m tests.proof`: only the tests that prove a promise or a defence are run."""

from __future__ import annotations

import os

import pytest

from tests.proof.ledger import promises_of


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = set(os.environ.get("FPAI_PROOF_OF", "").split())
    wanted = [item for item in items if _proves(item, asked)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(wanted)])
    items[:] = wanted


def _proves(item: pytest.Item, asked: set[str]) -> bool:
    promises = set(promises_of(item.name))
    counts = "ledger" in getattr(item, "fixturenames", ())
    if not asked:
        return bool(promises) or counts
    return bool(promises & asked) or ("threats" in asked and counts and not promises)
