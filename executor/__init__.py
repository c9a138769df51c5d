"""The Autonomous Executor: one sentence of intent in, a live, tested, registered service out."""
