"""The application that uvicorn serves: `uvicorn app.main:app`."""

from fastapi import FastAPI

from app.config import Settings
from app.factory import create_app
from app.logs import configure_logging


def serve() -> FastAPI:
    """Read the settings, send the logs to standard output and build the application."""
    settings = Settings()
    configure_logging(settings.service_name, settings.log_level)
    return create_app(settings)


app = serve()
