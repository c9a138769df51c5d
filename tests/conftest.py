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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under `-n 2 --dist loadgroup` a file stays in one process, and so do all tests on the test bed."""
    for item in items:
        on_the_bed = item.get_closest_marker("testbed") is not None
        item.add_marker(pytest.mark.xdist_group("testbed" if on_the_bed else item.nodeid.split("::")[0]))
