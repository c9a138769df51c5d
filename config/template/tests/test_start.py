"""The start: the application uvicorn imports, and its settings."""

import importlib
import logging

import pytest
from fastapi import FastAPI

from app.config import Settings
from app.resources import find_routers
from app.traffic import RollingCount


def test_the_module_that_uvicorn_names_holds_the_application() -> None:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        assert isinstance(importlib.import_module("app.main").app, FastAPI)
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_PORT", "9123")
    monkeypatch.setenv("REGISTER", "false")
    monkeypatch.setenv("REGISTRY_URL", "")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    settings = Settings()
    assert (settings.service_port, settings.register_self) == (9123, False)
    assert (settings.registry_url, settings.log_level) == ("", "DEBUG")


def test_every_resource_is_served_once() -> None:
    routers = find_routers()
    assert len(routers) == len({id(router) for router in routers})


def test_a_rolling_count_forgets_what_is_old() -> None:
    count = RollingCount(slots=60, width=1.0)
    for second in range(90):
        count.add(float(second))
    assert count.total(89.0) == 60
    assert count.total(1000.0) == 0
