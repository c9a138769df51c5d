"""What an intent asks for that rules cannot write: said plainly, so that nobody takes it for built."""

from __future__ import annotations

import re

from executor.domain.spec_text import inline

# Signs of a wish in the intent's words, and what is therefore missing from a droplet made by rule.
_GAPS: tuple[tuple[str, str], ...] = (
    (
        r"auth(entic|ori[sz]|\b)|log-?ins?\b|passw|oauth|\broles?\b|permission|sign-?(up|in)",
        "User accounts, log-in and permissions.",
    ),
    (r"e-?mail(s|ed|ing)?\b|\bsms\b|slack|notif|alert|remind", "Sending messages, alerts or reminders."),
    (r"schedul|\bcron|nightly|hourly|every (day|hour|night|week|month)", "Work that runs on a schedule."),
    (r"\bpay|billing|invoic|stripe|checkout", "Taking payments or writing invoices."),
    (
        r"predict|recommend|machine learning|\bai\b|\bllm\b|classif|detect",
        "Predicting, recommending or classifying.",
    ),
    (r"real-?time|websocket|\blive\b|stream", "Live updates pushed to clients."),
    (r"upload|image|photo|video|\bpdf|attach", "Uploading and keeping files."),
    (r"search|filter|sort", "Searching, filtering and sorting beyond paging through a collection."),
    (r"chart|dashboard|graph|\bui\b|frontend|web ?page|website", "Pages, charts or another user interface."),
    (
        r"report|statistic|aggregat|average|\bsum\b|total|analy|trend",
        "Reports, totals and other computations.",
    ),
    (
        r"integrat|webhook|external|third-party|\bsync|\bexport|\bimport",
        "Exchanging data with other systems.",
    ),
    (r"automat|workflow|pipeline|orchestrat|approv|process", "Workflows and automatic actions."),
    (r"belongs? to|relat|\blinks? to|assign", "Relations between resources."),
)
MOST_QUOTES = 10


def gaps(intent: str, unused: tuple[str, ...], feedback: tuple[str, ...]) -> tuple[str, ...]:
    """Markdown sentences: wishes that no rule fulfils, sentences not understood, feedback not applied."""
    text = intent.lower()
    lines = [
        f"{what} (mentioned in the intent; no rule writes it.)"
        for sign, what in _GAPS
        if re.search(sign, text)
    ]
    lines += _quoted("Not understood, nothing was built from it", unused)
    lines += _quoted("Feedback that rules cannot apply", feedback)
    return tuple(lines)


def _quoted(label: str, texts: tuple[str, ...]) -> list[str]:
    lines = [f"{label}: “{inline(text, 200)}”" for text in texts[:MOST_QUOTES]]
    more = len(texts) - MOST_QUOTES
    return [*lines, f"{label}: {more} more."] if more > 0 else lines
