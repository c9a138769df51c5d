"""The short way through a trigger takes the rows that the library itself takes."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest
from transitions import MachineError
from transitions.extensions.asyncio import AsyncMachine

from executor.domain.build import State
from executor.domain.lifecycle import TRANSITIONS, Trigger
from executor.engine.lean_machine import LeanMachine

_TABLE = [
    {
        "trigger": row.trigger.value,
        "source": [source.value for source in row.sources],
        "dest": row.dest.value if row.dest else None,
        "conditions": row.guard,
    }
    for row in TRANSITIONS
]
_STATES = [state.value for state in State]
_GUARDS = sorted({row.guard for row in TRANSITIONS if row.guard})


class _Model:
    """A state, and guards that answer as they are told."""

    def __init__(self, state: str, holding: set[str]) -> None:
        self.state = state
        self._holding = holding

    def __getattr__(self, name):
        if name in _GUARDS:
            return lambda _: name in self._holding
        raise AttributeError(name)


async def _nothing(_):
    """A checkpoint that has nothing to write."""


async def _fired(machine, trigger, state, holding):
    model = _Model(state, holding)
    try:
        moved = await machine.events[trigger].trigger(model)
    except MachineError:
        return "refused"
    return moved, model.state


async def test_every_trigger_from_every_state_with_all_guards_goes_where_the_library_goes():
    library = AsyncMachine(
        model=None, states=_STATES, initial="queued", transitions=_TABLE, auto_transitions=False,
        send_event=True,
    )  # fmt: skip
    lean = LeanMachine(_STATES, "queued", _TABLE, _nothing)
    everything = [set(), set(_GUARDS), *({guard} for guard in _GUARDS)]
    for trigger, state, holding in product(Trigger, _STATES, everything):
        expected = await _fired(library, trigger.value, state, holding)
        assert await _fired(lean, trigger.value, state, holding) == expected, (trigger, state, holding)
    assert await _fired(lean, "cancel", "in_progress", {"has_deployment"}) == (True, "withdrawing")


async def test_the_state_changes_after_the_checkpoint_and_not_when_that_fails():
    seen = []

    async def failing(data):
        seen.append((data.model.state, data.transition.dest, data.kwargs))
        raise OSError("no space")

    model = _Model("queued", set())
    with pytest.raises(OSError, match="no space"):
        await LeanMachine(_STATES, "queued", _TABLE, failing).events["start"].trigger(model, change="one")
    assert seen == [("queued", "in_progress", {"change": "one"})]
    assert model.state == "queued"


async def test_a_guard_that_does_not_hold_writes_nothing():
    written = []

    async def checkpoint(data):
        written.append(data)

    model = _Model("in_progress", set())
    assert not await LeanMachine(_STATES, "queued", _TABLE, checkpoint).events["finish"].trigger(model)
    assert (written, model.state) == ([], "in_progress")


async def test_a_cancellation_goes_through_to_who_fired():
    reached = asyncio.Event()

    async def endless(_):
        reached.set()
        await asyncio.Event().wait()

    machine = LeanMachine(_STATES, "queued", _TABLE, endless)
    firing = asyncio.create_task(machine.events["start"].trigger(_Model("queued", set())))
    await reached.wait()
    firing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await firing
