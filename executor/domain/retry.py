"""When to try again: a pure decision, so that only the runner ever waits."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_RETRY_AFTER = 3600.0


def is_due(at: float, now: float) -> bool:
    """True when a wait until `at` is over: its time has come, or the clock was set back meanwhile.

    No wait is longer than LONGEST_RETRY_AFTER, so one that seems to be was begun by another clock.
    """
    return not now < at <= now + LONGEST_RETRY_AFTER


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential waits up to `longest` seconds, until `patience` seconds have gone by in all.

    At least `fewest` waits are granted: a clock that is set forward, or a daemon that was away for days, uses
    up no patience by itself (trust.md, R14).
    """

    first: float = 2.0
    longest: float = 300.0
    patience: float = 12 * 3600.0
    fewest: int = 5

    def wait(self, retries: int, waited: float, *, retry_after: float | None, spread: float) -> float | None:
        """Seconds until the next try, or None once patience is used up.

        `retries` counts tries that failed before this one; `waited` is the time since the first of
        them; `spread` in 0..1 moves the wait by up to a fifth so that builds do not return in step.
        A wait that the other side asked for is obeyed up to one hour.
        """
        left = self.patience - waited
        if left <= 0.0 and retries >= self.fewest:
            return None
        backoff = min(self.longest, self.first * 2.0 ** min(retries, 30)) * (0.9 + 0.2 * spread)
        asked = min(retry_after or 0.0, LONGEST_RETRY_AFTER)
        wanted = max(backoff, asked)
        return min(wanted, max(left, self.first)) if left > 0.0 else wanted
