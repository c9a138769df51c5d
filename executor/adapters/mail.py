"""Mails of notices over SMTP: one for each recipient, so that each has a link of its own to decide with."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from executor.adapters.mail_message import message_of
from executor.adapters.mail_server import HINT, Progress, SmtpServer, send_each
from executor.domain.approval_link import Approval, ApprovalLinks
from executor.domain.notice import Notice, NoticeKind, can_decide
from executor.errors import Permanent, Transient

if TYPE_CHECKING:
    from email.message import EmailMessage

log = structlog.get_logger(__name__)

_SILENT = frozenset({NoticeKind.DECIDED})
_MOST_UNDER_WAY = 1000


class EmailChannel:
    """Tells notices by mail. `links` signs the links that decide, `base_url` is the daemon's address.

    A decision is not told: whoever took it knows, and the build's next mail says what came of it.
    """

    def __init__(
        self,
        server: SmtpServer,
        sender: str,
        to: Sequence[str],
        *,
        links: ApprovalLinks,
        base_url: str,
        clock: Callable[[], float],
    ) -> None:
        self._server = server
        self._sender = sender
        self._to = tuple(dict.fromkeys(to))
        self._links = links
        self._base_url = base_url
        self._clock = clock
        self._under_way: OrderedDict[str, Progress] = OrderedDict()

    async def tell(
        self, notice: Notice, *, key: str, may_be_repeat: bool, earlier: Mapping[str, Any] | None
    ) -> None:
        """Send the mails that have not been taken yet; what came of each is known until a restart.

        Raises Transient when the server is away or wants a mail later, Permanent when it refuses the
        connection, the login or every recipient.
        """
        if notice["kind"] in _SILENT:
            return
        progress = self._progress(key, may_be_repeat=may_be_repeat)
        left = [to for to in self._to if not progress.is_over(to)]
        mails = {to: self._mail(notice, to, key, may_be_repeat=to in progress.unsure) for to in left}
        try:
            if mails:
                await send_each(self._server, mails, progress)
        except (Transient, Permanent) as error:
            if isinstance(error, Permanent):
                self._under_way.pop(key, None)
            raise
        self._under_way.pop(key, None)
        self._judge(progress, key)

    def _progress(self, key: str, *, may_be_repeat: bool) -> Progress:
        """What is known of earlier tries; of those before a restart only that there may have been some."""
        known = self._under_way.get(key)
        if known is None:
            known = Progress(unsure=set(self._to) if may_be_repeat else set())
            self._under_way[key] = known
            while len(self._under_way) > _MOST_UNDER_WAY:
                self._under_way.popitem(last=False)
        return known

    def _judge(self, progress: Progress, key: str) -> None:
        if not progress.refused:
            return
        refused = ", ".join(f"{to} ({words})" for to, words in progress.refused.items())
        if not progress.taken:
            raise Permanent(f"{self._server} refuses the mail to everybody: {refused}.", hint=HINT)
        log.warning("mail_refused", message=key, refused=refused, next=HINT)

    def _mail(self, notice: Notice, to: str, key: str, *, may_be_repeat: bool) -> EmailMessage:
        link = ""
        if can_decide(notice):
            approval = Approval(notice["build_id"], notice["checkpoint"], notice["gate_id"], to)
            link = f"{self._base_url}/a/{self._links.token(approval)}"
        digest = hashlib.sha256(f"{key}\n{to}".encode()).hexdigest()[:32]
        domain = self._sender.rpartition("@")[2].rstrip("> ") or "localhost"
        return message_of(
            notice,
            sender=self._sender,
            to=to,
            message_id=f"<{digest}@{domain}>",
            thread_id=f"<{notice['build_id']}@{domain}>",
            link=link,
            now=self._clock(),
            may_be_repeat=may_be_repeat,
        )
