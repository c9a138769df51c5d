"""Python's garbage collector, set for a daemon: a quick start, then builds that live long."""

from __future__ import annotations

import gc


def rest_while_loading() -> None:
    """Collect nothing while a start makes what stays: looking through it takes a seventh of the time."""
    gc.disable()


def collect_for_long_lives() -> None:
    """Collect again, but not what is loaded, and seldom.

    Builds in flight are long-lived: collecting at the default threshold costs a quarter of the CPU with a
    thousand of them, and finds next to no garbage.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()
