"""One conversation with a mail server: what it takes, what it refuses, and what it wants later."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executor.errors import ExecutorError, Permanent, Transient

if TYPE_CHECKING:
    from email.message import EmailMessage

    import aiosmtplib

HINT = "Look at [notify.NAME] of kind email in executor.toml, then at `fpai doctor --deep`."
_GOODBYE_SECONDS = 2.0
_CLOSING = 421


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mails go out; `tls` is starttls, tls or none, and without `user` nobody logs in.

    `timeout` is how many seconds each of its answers may take.
    """

    host: str
    port: int
    tls: str = "starttls"
    user: str = ""
    password: str = ""
    timeout: float = 20.0

    def __str__(self) -> str:
        return f"The mail server {self.host}:{self.port}"


@dataclass(slots=True)
class Progress:
    """How far the mails of one notice have come, by recipient; `refused` with the server's words.

    `unsure` are those of whom no answer came: the server may have their mail.
    """

    taken: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)

    def is_over(self, to: str) -> bool:
        """True when nothing is left to be sent to this recipient."""
        return to in self.taken or to in self.refused


async def send_each(server: SmtpServer, mails: Mapping[str, EmailMessage], progress: Progress) -> None:
    """Send one mail to each recipient over one connection, and note in `progress` what became of each.

    A recipient whose mail is refused or put off keeps it from nobody else. Raises Transient when the server
    is away or wants a mail later, Permanent when it refuses the connection or the login.
    """
    later: list[str] = []
    async with _connected(server) as client:
        for to, mail in mails.items():
            progress.unsure.add(to)
            code, words = await _sent(client, to, mail)
            progress.unsure.discard(to)
            if not code:
                progress.taken.add(to)
            elif code >= 500:
                progress.refused[to] = f"{code} {words}".strip()
            else:
                later.append(f"{to} ({code} {words})")
            if code == _CLOSING:
                break
    if later:
        raise Transient(f"{server} takes no mail now for {', '.join(later)}.")


async def greet(server: SmtpServer) -> None:
    """Connect and log in, as before a mail, and send none. Raises Transient, Permanent."""
    async with _connected(server) as client:
        await client.ehlo()


async def _sent(client: aiosmtplib.SMTP, to: str, mail: EmailMessage) -> tuple[int, str]:
    """The code and words of the refusal; 0 when the mail was taken."""
    import aiosmtplib  # noqa: PLC0415 - loaded at the first mail

    try:
        await client.send_message(mail, recipients=[to])
    except aiosmtplib.SMTPRecipientsRefused as error:
        return error.recipients[0].code, error.recipients[0].message
    except aiosmtplib.SMTPResponseException as error:
        return error.code, error.message
    except aiosmtplib.SMTPNotSupported as error:
        return 553, str(error)  # the code of RFC 5321 for a name of a mailbox that is not allowed
    return 0, ""


@asynccontextmanager
async def _connected(server: SmtpServer) -> AsyncIterator[aiosmtplib.SMTP]:
    """A connection with the login done; whoever leaves it early does not wait for a goodbye."""
    import aiosmtplib  # noqa: PLC0415 - loaded at the first mail

    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.tls == "tls",
        start_tls=server.tls == "starttls",
        username=server.user or None,
        password=server.password or None,
        timeout=server.timeout,
    )
    try:
        await client.connect()
        yield client
        with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            await client.quit(timeout=_GOODBYE_SECONDS)
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        raise _sorted(error, server) from error
    finally:
        client.close()


def _sorted(error: Exception, server: SmtpServer) -> ExecutorError:
    """What is worth another try, and what is not."""
    import aiosmtplib  # noqa: PLC0415 - loaded at the first mail

    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 500:
        what = "login" if isinstance(error, aiosmtplib.SMTPAuthenticationError) else "connection"
        return Permanent(f"{server} refuses the {what}: {error.code} {error.message}.", hint=HINT)
    if isinstance(error.__cause__, ssl.SSLCertVerificationError) or isinstance(
        error, ssl.SSLCertVerificationError
    ):
        return Permanent(f"{server} shows a certificate that is not trusted: {error}.", hint=HINT)
    if type(error) is aiosmtplib.SMTPException:  # the library's plain one: no STARTTLS there, or no AUTH
        return Permanent(f"{server} lacks what [notify.NAME] wants of it: {error}", hint=HINT)
    return Transient(f"{server} does not take the mail now ({type(error).__name__}: {error}).")
