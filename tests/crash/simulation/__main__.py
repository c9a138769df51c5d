"""`python -m tests.crash.simulation SEED` replays one world; `… FIRST LAST` tries many, for the tests.

The first prints the trace, the second one line of JSON: what was tried, and the first seed that broke
a promise.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

import structlog

from tests.crash.simulation.run import Outcome, Simulator

_errors: list[str] = []


def main(words: list[str]) -> int:
    """The exit code: 1 when a promise was broken."""
    _hear_errors()
    first = int(words[0])
    if len(words) == 1:
        with Simulator() as simulator:
            outcome = _simulated(simulator, first)
        print("\n".join(outcome.trace))
        print(f"seed {first}, trace {outcome.digest[:16]}, {_said(outcome.counts)}")
        print("\n".join(f"BROKEN: {problem}" for problem in outcome.problems) or "Every promise held.")
        return 1 if outcome.problems else 0
    print(json.dumps(_many(range(first, int(words[1]) + 1))))
    return 0


def _many(seeds: range) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    gc.freeze()  # what was imported is not looked at again and again
    with Simulator() as simulator:
        for seed in seeds:
            outcome = _simulated(simulator, seed)
            if outcome.problems:
                return {"broken": seed, "problems": outcome.problems[:5], "counts": counts}
            counts.update(outcome.counts, worlds=1)
    return {"broken": None, "problems": [], "counts": counts}


def _simulated(simulator: Simulator, seed: int) -> Outcome:
    _errors.clear()
    outcome = simulator.simulate(seed)
    problems = (*outcome.problems, *(f"the engine logged an error: {error}" for error in _errors))
    return Outcome(seed, problems, outcome.trace, outcome.counts)


def _hear_errors() -> None:
    """The engine logs as errors what it did not foresee; nothing here may come to that."""

    def hear(_: Any, __: str, entry: MutableMapping[str, Any]) -> Any:
        _errors.append(str(entry))
        raise structlog.DropEvent

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        processors=[structlog.processors.format_exc_info, hear],
    )


def _said(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
