"""Mails of notices over SMTP: one for each recipient, so that each has a link of its own to decide with."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executor.adapters.mail_message import message_of
from executor.domain.approval_link import Approval, ApprovalLinks
from executor.domain.notice import Notice, NoticeKind, can_decide
from executor.errors import ExecutorError, Permanent, Transient

if TYPE_CHECKING:
    from email.message import EmailMessage

    import aiosmtplib

_TIMEOUT = 20.0
_SILENT = frozenset({NoticeKind.DECIDED})


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mails go out; `tls` is starttls, tls or none, and without `user` nobody logs in."""

    host: str
    port: int
    tls: str = "starttls"
    user: str = ""
    password: str = ""


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
        self._to = tuple(to)
        self._links = links
        self._base_url = base_url
        self._clock = clock
        self._taken: dict[str, set[str]] = {}

    async def tell(
        self, notice: Notice, *, key: str, may_be_repeat: bool, earlier: Mapping[str, Any] | None
    ) -> None:
        """Send the mails that have not been taken yet.

        Raises Transient when the server is away or asks to come back later, Permanent when it refuses the
        login or every recipient.
        """
        if notice["kind"] in _SILENT:
            return
        taken = self._taken.setdefault(key, set())
        messages = {to: self._message(notice, to, key, may_be_repeat) for to in self._to if to not in taken}
        try:
            await self._deliver(messages, taken)
        except Transient:
            raise
        except ExecutorError:
            self._taken.pop(key, None)
            raise
        self._taken.pop(key, None)

    def _message(self, notice: Notice, to: str, key: str, may_be_repeat: bool) -> EmailMessage:
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

    async def _deliver(self, messages: Mapping[str, EmailMessage], taken: set[str]) -> None:
        """Over one connection. One recipient's refusal does not keep the mail from the others."""
        import aiosmtplib  # noqa: PLC0415 - loaded at the first mail

        server, client = self._server, _client(self._server)
        refused: list[str] = []
        try:
            async with client:
                for to, message in messages.items():
                    try:
                        await client.send_message(message)
                    except aiosmtplib.SMTPRecipientsRefused as error:
                        first = error.recipients[0]
                        if first.code < 500:
                            raise
                        refused.append(f"{to} ({first.code} {first.message})")
                        continue
                    taken.add(to)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise _sorted(error, server) from error
        if refused and len(refused) == len(messages) and not taken:
            raise Permanent(f"The mail server refuses every recipient: {', '.join(refused)}.", hint=_HINT)


async def greet(server: SmtpServer) -> None:
    """Connect and log in, as before a mail, and send none. Raises Transient, Permanent."""
    import aiosmtplib  # noqa: PLC0415

    try:
        async with _client(server) as client:
            await client.ehlo()
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        raise _sorted(error, server) from error


def _client(server: SmtpServer) -> aiosmtplib.SMTP:
    import aiosmtplib  # noqa: PLC0415

    return aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.tls == "tls",
        start_tls=server.tls == "starttls",
        username=server.user or None,
        password=server.password or None,
        timeout=_TIMEOUT,
    )


_HINT = "Look at [notify.NAME] of kind email in executor.toml, then at `fpai doctor`."


def _sorted(error: Exception, server: SmtpServer) -> ExecutorError:
    """What is worth another try, and what is not."""
    import aiosmtplib  # noqa: PLC0415

    where = f"The mail server {server.host}:{server.port}"
    if isinstance(error, aiosmtplib.SMTPAuthenticationError) and error.code >= 500:
        return Permanent(f"{where} refuses the login: {error.code} {error.message}.", hint=_HINT)
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return Transient(f"{where} takes no mail now: {error.recipients[0].code}.")
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 500:
        return Permanent(f"{where} refuses the mail: {error.code} {error.message}.", hint=_HINT)
    if isinstance(error.__cause__, ssl.SSLCertVerificationError) or isinstance(error, ssl.SSLError):
        return Permanent(f"{where} shows a certificate that is not trusted: {error}.", hint=_HINT)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return Permanent(f"{where} does not support what is asked of it: {error}.", hint=_HINT)
    return Transient(f"{where} does not take the mail now ({type(error).__name__}: {error}).")
