"""The request being served, for logs and error bodies."""

import re
import uuid
from contextvars import ContextVar

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def accepted_request_id(offered: str) -> str:
    """Keep a caller's request id if it is short and plain, else make a new one.

    Args:
        offered: The value of X-Request-ID, empty if there was none.

    Returns:
        The id that logs and answers carry.
    """
    return offered if SAFE_ID.fullmatch(offered) else uuid.uuid4().hex
