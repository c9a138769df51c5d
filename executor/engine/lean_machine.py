"""transitions' AsyncMachine with a shorter way through a trigger.

The library's own way asks eleven lists of callbacks that this product leaves empty, writes as many debug
lines, and keeps a register of tasks so that one trigger can cancel another: more work than the checkpoint.
Here a trigger has one callback, `checkpoint`; one trigger of a model runs at a time (the caller sees to it);
and a cancellation goes through to the caller, who has to know of it: the library makes False of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from transitions import EventData, MachineError
from transitions.extensions.asyncio import AsyncEvent, AsyncMachine, AsyncTransition

Checkpointing = Callable[[EventData], Awaitable[None]]


class _Transition(AsyncTransition):
    """One row of the table. Its guards name plain methods of the model."""

    async def execute(self, event_data: Any) -> bool:  # type: ignore[override]
        """Take this row; False when a guard does not hold, and then nothing has happened."""
        model = event_data.model
        for guard in self.conditions:
            if getattr(model, str(guard.func))(event_data) is not guard.target:
                return False
        await event_data.machine.checkpoint(event_data)
        if self.dest is not None:
            model.state = self.dest
        return True


class _Event(AsyncEvent):
    """The rows of one trigger."""

    async def trigger(self, model: Any, **kwargs: Any) -> bool:  # type: ignore[override]
        """Take the first row whose guards hold, else False. Raises MachineError where there is no row."""
        rows: Any = self.transitions.get(model.state)
        if rows is None:
            raise MachineError(f"No row leads from {model.state} by {self.name}.")
        data = EventData(self.machine.states[model.state], self, self.machine, model, (), kwargs)
        for row in rows:
            data.transition = row
            if await row.execute(data):
                return True
        return False


class LeanMachine(AsyncMachine):
    """A machine that many models share; it knows none of them. `checkpoint` is called before a state changes.

    What `checkpoint` raises goes to the caller of the trigger and leaves the model's state as it was.
    """

    event_cls = _Event
    transition_cls = _Transition

    def __init__(
        self,
        states: Iterable[str],
        initial: str,
        table: Iterable[Mapping[str, Any]],
        checkpoint: Checkpointing,
    ) -> None:
        super().__init__(
            model=None,
            states=list(states),
            initial=initial,
            transitions=[dict(row) for row in table],
            auto_transitions=False,
            send_event=True,
        )
        self.checkpoint = checkpoint
