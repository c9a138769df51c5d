"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from tests.proof.ledger import ledger, pytest_runtest_makereport

__all__ = ["ledger", "pytest_runtest_makereport"]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Logging is set up for the process, so a test that does it must not do it for those that follow."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
