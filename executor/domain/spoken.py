"""What was heard, as an intent: the wake word and what belongs to it are cut off."""

from __future__ import annotations

import re

_WAKE = re.compile(
    r"^\s*(?:(?:hey|ok|okay|hello)[\s,]+)?"
    r"(?:f\.?\s?p\.?\s?a\.?\s?i\b\.?|full potential (?:ai|a\.i\.))[\s,.:!-]*",
    re.IGNORECASE,
)
_POLITE = re.compile(r"^(?:please|could you|can you|would you)[\s,]+(?:please[\s,]+)?", re.IGNORECASE)
_FOR_ME = re.compile(r"^(build|make|create)\s+me\s+", re.IGNORECASE)


def intent_of(words: str) -> str:
    """`FPAI, build me a droplet that …` is the intent `Build a droplet that …`."""
    text = _POLITE.sub("", _WAKE.sub("", words.strip()))
    text = _FOR_ME.sub(r"\1 ", text).strip()
    return text[:1].upper() + text[1:]
