"""Finding the build that an address names."""

from __future__ import annotations

from executor.domain.build import Build
from executor.domain.naming import parse_build_id
from executor.errors import NotFound
from executor.web.api import Api


async def find_build(api: Api, build_id: str) -> Build:
    """Return the build, from memory if possible. Raises NotFound; what cannot be an id is not looked up."""
    known = api.store.builds.cached(build_id)
    if known is not None:
        return known
    if parse_build_id(build_id) is None:
        raise NotFound(
            f"{build_id[:100]!r} is not the id of a build.",
            hint="Ids look like build-13-analytics-20260102-001; `fpai list` shows them.",
            code="BUILD_NOT_FOUND",
        )
    return await api.store.builds.get(build_id)
