"""One daemon for the tests that only read and build; its droplets are told apart by their names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.daemon import RealDaemon, running


@pytest.fixture(scope="session")
def daemon(tmp_path_factory) -> Iterator[RealDaemon]:
    with running(tmp_path_factory.mktemp("home")) as one:
        yield one
