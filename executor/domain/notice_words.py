"""A notice in words, for people: the same lines in Slack, in mails and on the page that a mail leads to."""

from __future__ import annotations

from collections.abc import Iterator

from executor.domain.notice import Notice, NoticeKind

_ENDS = {"cancelled": "Build Cancelled", "rejected": "Build Rejected", "rolled_back": "Release Withdrawn"}
_HEADLINES = {
    NoticeKind.COMPLETED: "Build Complete",
    NoticeKind.GATE_OPENED: "Approval Needed",
    NoticeKind.INPUT_REQUESTED: "Your Answer Is Needed",
    NoticeKind.FAILED: "Build Failed",
    NoticeKind.BUDGET: "Budget Notice",
    NoticeKind.DECIDED: "Decided",
    NoticeKind.ENDED: "Build Ended",
}
_MARKS = {
    NoticeKind.COMPLETED: "✅",
    NoticeKind.GATE_OPENED: "✋",
    NoticeKind.INPUT_REQUESTED: "❓",
    NoticeKind.FAILED: "❌",
    NoticeKind.BUDGET: "💰",
    NoticeKind.DECIDED: "☑️",
    NoticeKind.ENDED: "⏹️",
}
_STATUS = {"complete": "SUCCESS", "failed": "FAILED", "rolled_back": "ROLLED BACK"}


def headline(notice: Notice) -> str:
    """`✅ Build Complete: Coordinator Droplet #11`, as the architect's document writes it."""
    kind = NoticeKind(notice["kind"])
    words = _ENDS.get(notice["status"], _HEADLINES[kind]) if kind is NoticeKind.ENDED else _HEADLINES[kind]
    return f"{_MARKS[kind]} {words}: {notice['title']} Droplet #{notice['droplet_id']}"


def facts_of(notice: Notice) -> Iterator[tuple[str, str]]:
    """Name and value of what is worth saying, in order; what is not known is left out."""
    yield "Status", status_words(str(notice["status"]))
    yield "Duration", duration_words(float(notice["duration_seconds"]))
    if notice["files_created"]:
        yield "Files Created", str(notice["files_created"])
    passing, failing = int(notice["tests_passing"]), int(notice["tests_failing"])
    if passing or failing:
        yield "Tests", f"{passing}/{passing + failing} passing"
    if notice["spec_score"] is not None:
        yield "SPEC score", f"{float(notice['spec_score']):g}"
    if notice["deployment_url"]:
        yield "Deployed", str(notice["deployment_url"])
    if notice["repository_url"]:
        yield "Repository", str(notice["repository_url"])
    yield "Cost", cost_words(notice)
    if error := notice["error"]:
        yield "Error", str(error.get("message", ""))
        if error.get("hint"):
            yield "What to do", str(error["hint"])
    if notice["feedback"]:
        yield "Feedback", str(notice["feedback"])


def status_words(status: str) -> str:
    """`complete` is SUCCESS; other words in capitals, with spaces."""
    return _STATUS.get(status, status.replace("_", " ").upper())


def duration_words(seconds: float) -> str:
    """4980 is 1h 23m, 75 is 1m 15s, 8.4 is 8s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def cost_words(notice: Notice) -> str:
    """Dollars, of how many, and whether that is all of them."""
    of = f" of ${float(notice['budget_usd']):.2f}" if notice["budget_usd"] else ""
    least = "" if notice["cost_known"] else " or more"
    return f"${float(notice['cost_usd']):.2f}{least}{of}"
