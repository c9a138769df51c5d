"""The droplet's tests; they need no network and no other service."""
