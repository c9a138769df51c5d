"""Seeded worlds around the real engine: virtual time, a fake world, kills between any two callbacks.

`python -m tests.crash.simulation SEED` lives one of them again and prints what happened in it.
"""
