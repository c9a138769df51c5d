"""The environment of a containered release, as the file that `docker run --env-file` reads."""

from __future__ import annotations

from executor.errors import Permanent
from executor.targets.base import Release
from executor.targets.edge_config import RELEASE_PORT


def container_env(release: Release) -> dict[str, str]:
    """Return its variables; those that say who it is win over those that it was given."""
    own = {
        "HOST": "0.0.0.0",  # noqa: S104 - inside its own network; only the proxy publishes a port
        "PORT": str(RELEASE_PORT),
        "SERVICE_PORT": str(RELEASE_PORT),
        "SERVICE_NAME": release.droplet_name,
        "SERVICE_VERSION": release.version,
        "DROPLET_ID": str(release.droplet_id),
        "RELEASE_ID": release.id,
        "BUILD_ID": release.build_id,
        "COMMIT": release.commit,
        "DATA_DIR": "/data",
    }
    return {**release.env, **own}


def env_file_text(release: Release) -> str:
    """Return one NAME=value a line. Raises Permanent for a value that such a file cannot hold."""
    found = container_env(release)
    for name, value in found.items():
        if "\n" in value or "\r" in value or "=" in name or not name:
            raise Permanent(f"The variable {name!r} cannot be given to a container: it has a line break.")
    return "".join(f"{name}={value}\n" for name, value in sorted(found.items()))
