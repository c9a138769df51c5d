"""People and programs that submit, decide, answer, top up, cancel, retry and roll back, whenever they like.

Their requests die with the process; whoever got no reply to a submit sends it again with the same key.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field

from executor.domain.build import Build, State
from executor.domain.gates import open_gate
from executor.engine.commands import Commands
from executor.engine.requests import SubmitRequest
from executor.errors import Conflict, Invalid, Overloaded, Unavailable
from executor.store.store import Store
from tests.crash.simulation.world import World

_REFUSALS = (Conflict, Invalid, Unavailable, Overloaded)
_ASK_AGAIN = ("UNAVAILABLE", "BUSY")
_SENT_AGAIN_AFTER = 3.0
_VERBS = {
    State.WAITING_APPROVAL: (("approve", 8), ("twice", 2), ("revise", 2), ("reject", 1), ("cancel", 0.5)),
    State.WAITING_INPUT: (("answer", 6), ("top_up", 3), ("retry", 1), ("stop", 0.5), ("cancel", 0.5)),
    State.WAITING_RETRY: (("nothing", 6), ("retry", 2), ("cancel", 0.5)),
    State.IN_PROGRESS: (("nothing", 8), ("cancel", 1), ("top_up", 1), ("stale", 1)),
    State.QUEUED: (("nothing", 4), ("cancel", 1), ("top_up", 1)),
    State.WITHDRAWING: (("cancel", 1), ("rollback", 1), ("top_up", 1)),
    State.COMPLETE: (("approve", 2), ("revise", 1), ("reject", 1), ("rollback", 1), ("cancel", 1)),
    State.FAILED: (("retry", 3), ("rollback", 1)),
    State.CANCELLED: (("retry", 1), ("nothing", 2)),
    State.REJECTED: (("retry", 1), ("nothing", 2)),
    State.ROLLED_BACK: (("rollback", 1), ("nothing", 2)),
}


@dataclass
class Memory:
    """What the people know whatever happens to the daemon."""

    unsent: list[tuple[float, int, SubmitRequest]] = field(default_factory=list)
    visits: list[float] = field(default_factory=list)
    submitted: dict[str, str] = field(default_factory=dict)
    decided: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    top_ups: dict[str, list[float]] = field(default_factory=dict)
    surely: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, world: World) -> Memory:
        """What the plan gives them to do."""
        unsent = [(at, number, request) for number, (at, request) in enumerate(world.plan.submits)]
        return cls(unsent, list(world.plan.visits))


class People:
    """Their side of one process."""

    def __init__(self, world: World, memory: Memory, commands: Commands, store: Store) -> None:
        self._world = world
        self._memory = memory
        self._commands = commands
        self._store = store
        self._chance = world.stream(f"people {world.counts['lives']}")
        self._requests: list[asyncio.Task[None]] = []

    @property
    def are_done(self) -> bool:
        """True when every submit is acknowledged, no visit is to come and no request is under way."""
        memory = self._memory
        return not (memory.unsent or memory.visits or any(not one.done() for one in self._requests))

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        while True:
            now = self._world.time()
            while self._memory.unsent and self._memory.unsent[0][0] <= now:
                _, number, request = heapq.heappop(self._memory.unsent)
                self._begin(self._submit(number, request))
            while self._memory.visits and self._memory.visits[0] <= now:
                self._memory.visits.pop(0)
                self._begin(self._visit())
            await asyncio.sleep(max(0.01, self._next() - self._world.time()))

    def _next(self) -> float:
        """When there is something to do, or may be."""
        unsent = self._memory.unsent[0][0] if self._memory.unsent else float("inf")
        visit = self._memory.visits[0] if self._memory.visits else float("inf")
        return min(unsent, visit, self._world.time() + _SENT_AGAIN_AFTER)

    async def leave(self) -> None:
        """Hang up on every request."""
        for request in self._requests:
            request.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)

    def _begin(self, request: Awaitable[None]) -> None:
        task = asyncio.ensure_future(request)
        self._requests.append(task)
        if self._chance.random() < 0.1:  # somebody hangs up before the answer comes
            asyncio.get_running_loop().call_later(self._chance.random() * 0.02, task.cancel)

    async def _submit(self, number: int, request: SubmitRequest) -> None:
        heapq.heappush(self._memory.unsent, (self._world.time() + _SENT_AGAIN_AFTER, number, request))
        build = await self._asked(f"submit {request.idempotency_key}", self._submitted(request))
        if not isinstance(build, Build) and build != "QUEUE_FULL":
            return
        self._memory.unsent = [one for one in self._memory.unsent if one[1] != number]
        heapq.heapify(self._memory.unsent)
        if not isinstance(build, Build):
            return  # too many wait already: whoever wanted it goes away
        before = self._memory.submitted.setdefault(request.idempotency_key, build.id)
        if before != build.id:
            self._world.broken(f"{request.idempotency_key} became {before} and {build.id}")

    async def _submitted(self, request: SubmitRequest) -> Build:
        return (await self._commands.submit(request)).build

    async def _visit(self) -> None:
        page = await self._store.builds.page(limit=20)
        if not page.builds:
            return
        build = self._chance.choice(page.builds)
        words = _VERBS[build.state]
        verb = self._chance.choices([word for word, _ in words], [weight for _, weight in words])[0]
        for _ in range(2 if verb in {"twice", "top_up"} else 1):
            self._begin(self._say(verb, build))

    async def _say(self, verb: str, build: Build) -> None:
        gate = str((open_gate(build) or {}).get("gate_id") or "")
        named = gate if self._chance.random() < 0.5 else ""
        match verb:
            case "approve" | "twice":
                await self._decide(build, "approve", gate, named)
            case "revise" | "reject":
                await self._decide(build, verb, gate, named)
            case "stale":
                await self._decide(build, "approve", "built-000000000000", "built-000000000000")
            case "answer" | "stop":
                chosen = {"go_on": "stop" if verb == "stop" else "retry"}
                await self._asked(f"{verb} {build.id}", self._commands.answer(build.id, chosen))
            case "retry":
                step = self._chance.choice((None, None, 1, 4, 6))
                await self._asked(f"retry {build.id} from {step}", self._commands.retry(build.id, step))
            case "cancel":
                await self._asked(f"cancel {build.id}", self._commands.cancel(build.id))
            case "rollback":
                await self._asked(f"roll back {build.id}", self._commands.rollback(build.id))
            case "top_up":
                await self._top_up(build)

    async def _decide(self, build: Build, said: str, gate: str, named: str) -> None:
        reply = await self._asked(
            f"{said} {build.id} at {named or 'what is open'}",
            self._commands.approve(
                build.id,
                checkpoint=None,
                decision=said,
                feedback="Make it better." if said == "revise" else "",
                gate_id=named or None,
            ),
        )
        if named and isinstance(reply, Build):
            self._memory.decided[build.id, gate, said] += 1
        elif named and reply not in _ASK_AGAIN and self._memory.decided[build.id, gate, said]:
            self._world.broken(f"{said} at {gate} was answered before, and refused when it was repeated")

    async def _top_up(self, build: Build) -> None:
        if build.budget_usd is None:
            return
        usd = self._chance.choice((0.5, 2.0, 6.0))
        self._memory.top_ups.setdefault(build.id, []).append(usd)
        reply = await self._asked(f"top up {build.id} by {usd}", self._commands.top_up(build.id, usd))
        if isinstance(reply, Build):
            self._memory.surely[build.id] = self._memory.surely.get(build.id, 0.0) + usd

    async def _asked(self, what: str, request: Awaitable[Build]) -> Build | str:
        """The answer, or the code of the refusal."""
        self._world.note(f"asks: {what}")
        self._world.counts["requests"] += 1
        try:
            build = await request
        except _REFUSALS as refusal:
            self._world.note(f"refused: {what}: {refusal.code}")
            return refusal.code
        except Exception as error:
            self._world.broken(f"{what} ended with {type(error).__name__}: {error}")
            return "INTERNAL_ERROR"
        self._world.note(f"answered: {what}: {build.state} at version {build.version}")
        self._world.show(build)
        return build
