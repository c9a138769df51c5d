"""What the tests share: an application of its own for each, with storage in a temporary folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.config import Settings
from app.factory import create_app
from tests.fakes import Ecosystem

MakeApp = Callable[..., FastAPI]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests must not change them."""
    for name, field in Settings.model_fields.items():
        monkeypatch.delenv(str(field.validation_alias or name).upper(), raising=False)


@pytest.fixture
def ecosystem() -> Ecosystem:
    return Ecosystem()


@pytest.fixture
def make_app(tmp_path: Path, ecosystem: Ecosystem) -> MakeApp:
    """Builds applications whose outgoing calls end at the fake ecosystem or a given transport."""

    def make(*, transport: httpx.AsyncBaseTransport | None = None, **settings: object) -> FastAPI:
        values = {"data_dir": tmp_path / "data", **settings}
        return create_app(
            Settings.model_validate(values), transport or httpx.MockTransport(ecosystem.answer)
        )

    return make


@pytest.fixture
def client(make_app: MakeApp) -> Iterator[TestClient]:
    with TestClient(make_app(), raise_server_exceptions=False) as open_client:
        yield open_client
