"""What the model is saying right now, for whoever watches; never stored."""

from __future__ import annotations

from executor.domain.step import StepContext

_KEPT = 400
_ACTIONS = {
    "thinking": "the model is thinking",
    "text": "the model is writing",
    "tool": "the model is using a tool",
}


class LiveReply:
    """Hears a reply while it streams and keeps its last words in the step's live details."""

    def __init__(self, context: StepContext, activity: str) -> None:
        self._context = context
        self._activity = activity
        self._kind = ""
        self._words = ""

    def heard(self, kind: str, added: str) -> None:
        """Take the next piece of the reply."""
        if kind != self._kind:
            self._kind, self._words = kind, ""
        self._words = (self._words + added)[-_KEPT:]
        action = f"{self._activity}: {_ACTIONS.get(kind, kind)}"
        # A tool's input streams as bare JSON, which tells a reader nothing.
        text = "" if kind == "tool" else self._words
        self._context.progress(action, text=text)
