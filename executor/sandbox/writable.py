"""Which directories a command behind the walls may write: its own ones, in the places kept for that."""

from __future__ import annotations

from collections.abc import Sequence

from executor.errors import Permanent
from executor.sandbox.base import Bind
from executor.sandbox.ownership import hand_over
from executor.sandbox.places import Places


async def give_writable(binds: Sequence[Bind], places: Places) -> None:
    """Give each writable bind to the sandbox's uid; raises Permanent for one outside the places."""
    for bind in binds:
        if not bind.writable:
            continue
        if not places.holds(bind.source):
            raise Permanent(
                f"{bind.source} lies outside the places kept for sandboxes, so it is not made writable.",
                hint="Use a workspace or a scratch directory of Places.",
            )
        await hand_over(bind.source, places.sandbox_uid)
