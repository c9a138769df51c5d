"""How long a test waits for what must come: a bound for hangs, not a measure of speed."""

PATIENCE = 90.0
