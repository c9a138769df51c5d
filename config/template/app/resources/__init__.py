"""The droplet's own endpoints: every package in here that has a `router` is served."""

import importlib
import pkgutil

from fastapi import APIRouter


def find_routers() -> list[APIRouter]:
    """Import the packages of this folder in the order of their names.

    Returns:
        The `router` of each one that has it, so that adding a folder adds its endpoints.
    """
    found = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in found]
    routers = [getattr(module, "router", None) for module in modules]
    return [router for router in routers if isinstance(router, APIRouter)]
