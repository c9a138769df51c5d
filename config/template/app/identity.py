"""Who this droplet is, read from the file that the build wrote beside this module."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

UDC_VERSION = "1.0"
API_VERSION = "1.0"


class Identity(BaseModel):
    """The facts that never change between two releases of the same version."""

    model_config = ConfigDict(frozen=True)

    id: int
    name: str
    title: str
    version: str
    purpose: str


def load_identity() -> Identity:
    """Read `app/identity.json`.

    Returns:
        The identity of this droplet.
    """
    text = Path(__file__).with_name("identity.json").read_text(encoding="utf-8")
    return Identity.model_validate_json(text)
