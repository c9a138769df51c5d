"""What a killed daemon leaves in its scratch places; removed at the next start, before anything runs."""

from __future__ import annotations

from executor.sandbox.ownership import remove_tree
from executor.sandbox.places import Places


async def sweep_leftovers(places: Places) -> int:
    """Remove scratch and socket directories; returns how many there were.

    Only the holder of the state directory's lock may call this: then nobody else is using them.
    """
    parents = (places.root / "scratch", places.sockets)
    found = [child for parent in parents if parent.is_dir() for child in parent.iterdir()]
    for child in found:
        await remove_tree(child)
    return len(found)
