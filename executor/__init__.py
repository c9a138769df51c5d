"""The Autonomous Executor: one sentence of intent in, a live, tested, registered service out."""

__version__ = "0.1.0"
