"""Which droplet a submit means: the identity and release rules of interfaces.md, as pure decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from executor.domain.naming import check_name, derive_name, make_build_id, next_droplet_id
from executor.errors import Conflict


@dataclass(frozen=True, slots=True)
class Known:
    """A droplet that exists somewhere; `ours` if builds of this executor make it."""

    id: int
    name: str
    ours: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """The droplet that is to be built. `chosen_id` if the executor picked the number itself."""

    id: int
    name: str
    chosen_id: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a submit says about its droplet; `last_intent` answers what a droplet of ours was last asked."""

    intent: str
    droplet_id: int | None
    droplet_name: str | None
    last_intent: Callable[[int], str]


def choose(asked: Asked, known: Iterable[Known], own_id: int) -> Chosen:
    """Decide id and name. Raises Conflict with free_id and free_name when they belong to others."""
    everyone = {droplet.id: droplet for droplet in known}
    everyone.setdefault(own_id, Known(own_id, "executor", ours=False))
    by_name = {droplet.name: droplet for droplet in everyone.values()}
    free_id = next_droplet_id(everyone)
    name = check_name(asked.droplet_name) if asked.droplet_name is not None else derive_name(asked.intent)
    if asked.droplet_id is None and asked.droplet_name is None:
        return _unnamed(asked, name, by_name, free_id)

    holder = everyone.get(asked.droplet_id) if asked.droplet_id is not None else None
    namesake = by_name.get(name)
    if holder is not None and holder.ours and (asked.droplet_name is None or holder.name == name):
        return Chosen(holder.id, holder.name, chosen_id=False)
    if namesake is not None and namesake.ours and asked.droplet_id is None:
        return Chosen(namesake.id, namesake.name, chosen_id=False)
    taken = holder or namesake
    if taken is not None:
        raise _taken(taken, free_id, _free_name(name, by_name))
    chose = asked.droplet_id is None
    return Chosen(free_id if asked.droplet_id is None else asked.droplet_id, name, chosen_id=chose)


def _unnamed(asked: Asked, name: str, by_name: Mapping[str, Known], free_id: int) -> Chosen:
    """Nothing was named: the same words mean the same droplet, other words never replace one."""
    namesake = by_name.get(name)
    if namesake is None:
        return Chosen(free_id, name, chosen_id=True)
    if namesake.ours and asked.last_intent(namesake.id) == asked.intent:
        return Chosen(namesake.id, namesake.name, chosen_id=False)
    free = _free_name(name, by_name)
    warning = f"The name {name} belongs to droplet {namesake.id}, so this one is called {free}."
    if namesake.ours:
        warning += f" For a new release of {name}, give its droplet_name or droplet_id."
    return Chosen(free_id, free, chosen_id=True, warnings=(warning,))


def _free_name(name: str, by_name: Mapping[str, Known]) -> str:
    if name not in by_name:
        return name
    number = 2
    while f"{name[:36]}-{number}" in by_name:
        number += 1
    return f"{name[:36]}-{number}"


def _taken(holder: Known, free_id: int, free_name: str) -> Conflict:
    whose = "a droplet of yours" if holder.ours else "a droplet that this executor did not build"
    return Conflict(
        f"Droplet {holder.id} is {holder.name}, {whose}; nothing was started.",
        hint=f"Use a free id ({free_id}) and name ({free_name}), or leave both out.",
        code="DROPLET_TAKEN",
        details={
            "droplet_id": holder.id,
            "droplet_name": holder.name,
            "free_id": free_id,
            "free_name": free_name,
        },
    )


def build_id_for(chosen: Chosen, day: date, number: int) -> str:
    """The build's id: the droplet's number and name, the day and a running number."""
    return make_build_id(chosen.id, chosen.name, day, number)
