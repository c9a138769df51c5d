"""fpai: every verb but `serve` is an HTTP call to the daemon."""
