"""What a listener hears of a reply while it streams: never a secret, not even one that comes in pieces."""

from __future__ import annotations

from executor.domain.conversation import Heard
from executor.redaction import Redactor


class RedactedHearing:
    """Passes the pieces of a reply on to `heard`, each as soon as it can hold no part of a secret."""

    def __init__(self, redactor: Redactor, heard: Heard) -> None:
        self._stream = redactor.stream()
        self._heard = heard
        self._kind = ""

    def take(self, kind: str, added: str) -> None:
        """Take the next piece; one of another kind ends the text before it."""
        if kind != self._kind:
            self.end()
            self._kind = kind
        self._tell(self._stream.feed(added))

    def end(self) -> None:
        """The reply is whole: pass on what was held."""
        self._tell(self._stream.flush())

    def _tell(self, safe: str) -> None:
        if safe:
            self._heard(self._kind, safe)
