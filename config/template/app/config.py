"""Settings, read once from the environment when the application is built."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _checked_url(value: str) -> str:
    """Return an address without its trailing slash; refuse what is not http or https."""
    if value and not value.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(_checked_url)]


class Settings(BaseSettings):
    """Every setting of the droplet; the README explains each one."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True
    )

    service_name: str = "{{droplet_name}}"
    service_port: int = {{service_port}}
    droplet_id: int = {{droplet_id}}
    environment: Literal["production", "development", "staging"] = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    registry_url: Url = ""
    orchestrator_url: Url = ""
    public_url: Url = ""
    register_self: bool = Field(default=True, validation_alias="REGISTER")
    heartbeat_seconds: float = Field(default=60.0, gt=0, le=3600)
    reply_hosts: str = ""

    data_dir: Path = Path("data")

    jwt_public_key: str = ""
    auth_required: bool = False
    allowed_services: str = ""

    rate_limit_per_minute: int = Field(default=1000, ge=1, le=1_000_000)
    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=104_857_600)

    release_id: str = "unknown"
    build_id: str = "unknown"
    commit: str = "unknown"

    @property
    def endpoint(self) -> str:
        """The address others reach this droplet at, without a trailing slash."""
        return self.public_url or f"http://{self.service_name}:{self.service_port}"

    @property
    def mode(self) -> Literal["production", "development"]:
        """The contract's word for the environment."""
        return "production" if self.environment == "production" else "development"


def names(listing: str) -> frozenset[str]:
    """Split a comma-separated setting.

    Args:
        listing: Text such as `registry, orchestrator`.

    Returns:
        The names without blanks; empty for empty text.
    """
    return frozenset(part.strip() for part in listing.split(",") if part.strip())
