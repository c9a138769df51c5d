"""Times as the contract writes them."""

from datetime import UTC, datetime


def utc_text(moment: datetime | None = None) -> str:
    """Write a moment as ISO 8601 in UTC.

    Args:
        moment: A moment with a zone; now if left out.

    Returns:
        Text such as `2026-11-22T09:30:00.123456Z`.
    """
    at = (moment or datetime.now(UTC)).astimezone(UTC)
    return at.isoformat().replace("+00:00", "Z")
