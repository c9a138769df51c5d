"""Real machines for tests, all on this one: a Docker engine, and hosts over SSH that can be cut off.

`make testbed` installs and tries what it needs (root, Debian). Each host has a network namespace, a process
tree, an sshd and a dockerd of its own; see the heads of the scripts. Tests that need it are skipped with the
reason where it does not come up.
"""
