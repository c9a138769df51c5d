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

    def __init__(self, context: StepContext, activity: str, *, speaks: bool) -> None:
        self._context = context
        self._activity = activity
        self._speaks = speaks
        self._kind = ""
        self._words = ""

    def heard(self, kind: str, added: str) -> None:
        """Take the next piece of the reply."""
        if kind != self._kind:
            self._kind, self._words = kind, ""
        self._words = (self._words + added)[-_KEPT:]
        action = f"{self._activity}: {_ACTIONS.get(kind, kind)}"
        # Bare JSON, as a tool's input or a form streams in, tells a reader nothing.
        text = self._words if kind == "thinking" or (kind == "text" and self._speaks) else ""
        self._context.progress(action, text=text, tool="", file="")
