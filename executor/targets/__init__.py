"""Where a release runs."""
