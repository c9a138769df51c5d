"""Gives slots to builds: oldest first, at most `max_concurrent`, one build of a droplet at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from executor.domain.build import FINISHED, RUNNABLE, WAITING, Build, State
from executor.domain.events import NewEvent
from executor.domain.lifecycle import Trigger
from executor.domain.retry import is_due
from executor.engine import changes
from executor.engine.machine import BuildModel, Lifecycle
from executor.engine.runner import Handle, Interruption, Runner
from executor.errors import Conflict, ExecutorError, StaleView, Unavailable
from executor.store.store import Store

log = structlog.get_logger(__name__)
_CRASH_PAUSE_SECONDS = 1.0
_CAN_RUN = RUNNABLE | {State.QUEUED}


class Scheduler:
    """Holds every unfinished build in memory, in the order of its submission."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        lifecycle: Lifecycle,
        clock: Callable[[], float],
        max_concurrent: int,
    ) -> None:
        self._store = store
        self._runner = runner
        self._lifecycle = lifecycle
        self._clock = clock
        self._max_concurrent = max_concurrent
        self._unfinished: dict[str, Build] = {}
        self._asleep: dict[str, Build] = {}
        self._running: dict[str, Handle] = {}
        self._wake = asyncio.Event()
        self._stopping = False

    async def load(self) -> int:
        """Pick up every unfinished build of the database; returns how many there are.

        Those at work come first: a build that was retried behind one must not take its droplet from it.
        """
        for found in sorted(await self._store.builds.unfinished(), key=_turn):
            build = changes.picked_up(found, self._clock())
            self._store.builds.remember(build)
            self.note(build)
        return len(self._unfinished)

    def note(self, build: Build) -> None:
        """Called after every commit of a build."""
        if build.state in FINISHED:
            self._unfinished.pop(build.id, None)
        elif build.state is State.WITHDRAWING:
            # In front: a rollback must not wait for a later build of its droplet that waits for a person.
            self._unfinished.pop(build.id, None)
            self._unfinished = {build.id: build, **self._unfinished}
        else:
            self._unfinished[build.id] = build
        if build.state is State.WAITING_RETRY:
            self._asleep[build.id] = build
        elif self._asleep:
            self._asleep.pop(build.id, None)
        if build.id not in self._running and (
            build.state in FINISHED or build.state in _CAN_RUN or build.state is State.WAITING_RETRY
        ):
            self._wake.set()

    def counts(self) -> dict[str, int]:
        """How many builds run, wait for a slot and wait for something else."""
        states = [build.state for build in self._unfinished.values()]
        queued = sum(state is State.QUEUED for state in states)
        return {
            "running": len(self._running),
            "queued": queued,
            "waiting": len(states) - queued - sum(state in RUNNABLE for state in states),
        }

    async def run(self) -> None:
        """Give out slots until stopped."""
        while not self._stopping:
            try:
                self._fill()
                await self._wake_due()
            except Exception:  # whatever it was, builds must not wait forever without a word
                log.exception("scheduler_failed")
                await asyncio.sleep(_CRASH_PAUSE_SECONDS)
            try:
                await asyncio.wait_for(self._wake.wait(), self._until_next_wake())
            except TimeoutError:
                continue
            finally:
                self._wake.clear()

    def is_running(self, build_id: str) -> bool:
        """True while the build has an owner task."""
        return build_id in self._running

    def model_of(self, build_id: str) -> BuildModel | None:
        """What the owner of a running build fires its triggers on; None where it has no owner yet."""
        handle = self._running.get(build_id)
        return handle.model if handle is not None else None

    async def interrupt(self, build_id: str, interruption: Interruption) -> None:
        """Stop the running step and let the owner do `interruption`; returns when it has.

        Raises what the interruption raises, StaleView when the build had just stopped running, Conflict
        while it changes hands.
        """
        handle = self._running.get(build_id)
        if handle is None or handle.task is None or handle.interruption is not None:
            raise Conflict(f"Build {build_id} is just changing hands; ask again.", code="BUSY")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def owned(model: BuildModel) -> None:
            try:
                await interruption(model)
            except ExecutorError as error:
                _settle(done, error)
            else:
                _settle(done, None)

        handle.interruption = owned
        handle.task.cancel()
        handle.task.add_done_callback(
            lambda _: _settle(done, StaleView(f"Build {build_id} had just stopped running."))
        )
        await done

    async def stop(self) -> None:
        """Drain: stop every step where it is. What was committed is what a restart goes on from."""
        self._stopping = True
        self._wake.set()
        tasks = [handle.task for handle in self._running.values() if handle.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fill(self) -> None:
        if self._stopping or len(self._running) >= self._max_concurrent:
            return
        owners = {b.droplet_id: b.id for i in self._running if (b := self._unfinished.get(i)) is not None}
        for build in tuple(self._unfinished.values()):
            owner = owners.setdefault(build.droplet_id, build.id)
            if owner != build.id or build.state not in _CAN_RUN or build.id in self._running:
                continue
            self._start(build.id)
            if len(self._running) >= self._max_concurrent:
                return

    def _start(self, build_id: str) -> None:
        handle = self._running[build_id] = Handle()
        handle.task = asyncio.create_task(self._drive(build_id, handle), name=f"build {build_id}")
        # Not a `finally` of the task's own: one that is cancelled before its first step never gets there.
        handle.task.add_done_callback(lambda _: self._ended(build_id))

    async def _drive(self, build_id: str, handle: Handle) -> None:
        try:
            await self._runner.drive(build_id, handle)
        except asyncio.CancelledError:
            log.info("step_stopped", build_id=build_id)
        except Exception:
            log.exception("runner_crashed", build_id=build_id)
            await asyncio.sleep(_CRASH_PAUSE_SECONDS)

    def _ended(self, build_id: str) -> None:
        del self._running[build_id]
        self._wake.set()

    async def _wake_due(self) -> None:
        now = self._clock()
        for build in [b for b in self._asleep.values() if is_due(b.wake_at or 0.0, now)]:
            event = NewEvent("retry_started", f"Trying step {build.step}, {build.step_name}, again.")
            try:
                await self._lifecycle.fire(BuildModel(build), Trigger.WAKE, changes.woken(event))
            except Unavailable as error:
                log.warning("paused", build_id=build.id, reason=error.message)
                await asyncio.sleep(_CRASH_PAUSE_SECONDS)
                return
            except ExecutorError as error:
                log.warning("wake_failed", build_id=build.id, reason=error.message)
                self._store.builds.forget(build.id)
                self.note(await self._store.builds.get(build.id))

    def _until_next_wake(self) -> float | None:
        waits = [(build.wake_at or 0.0) - self._clock() for build in self._asleep.values()]
        return max(0.05, min(waits)) if waits else None


def _turn(build: Build) -> int:
    return 0 if build.state in RUNNABLE else 1 if build.state in WAITING else 2


def _settle(future: asyncio.Future[None], error: ExecutorError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
