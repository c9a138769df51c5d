"""Which user ids stand behind the walls."""

from __future__ import annotations

SANDBOX_UID = 64000
_FIRST_RELEASE_UID = 64001
_LAST_WALLED_UID = 64999


def release_uid(droplet_id: int) -> int:
    """Return the uid that runs every release of this droplet, so that its data stays its own.

    The same id always gives the same uid. Ids 999 apart share one: the mount walls still part them.
    """
    return _FIRST_RELEASE_UID + (droplet_id - 1) % (_LAST_WALLED_UID - _FIRST_RELEASE_UID + 1)


def walled_uid(uid: int) -> bool:
    """Tell whether a process of this uid is a sandbox or a release, never a person or the daemon."""
    return SANDBOX_UID <= uid <= _LAST_WALLED_UID
