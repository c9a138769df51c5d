"""A real SMTP server on loopback that keeps what it takes, and fails as it is told to."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Mailbox:
    """The handler. `at_rcpt` refuses recipients, `at_data` answers the next messages; empty is `take it`.

    While `silent` it takes what comes and answers nothing; `heard` is set once it has a mail to be silent of.
    """

    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    at_rcpt: dict[str, str] = field(default_factory=dict)
    at_data: list[str] = field(default_factory=list)
    drops_after_data: int = 0
    silent: bool = False
    heard: threading.Event = field(default_factory=threading.Event)
    speaks: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if refusal := self.at_rcpt.get(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.at_data and (refusal := self.at_data.pop(0)):
            return refusal
        self.taken.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        self.recipients += envelope.rcpt_tos
        if self.silent:
            self.heard.set()
            await self.speaks.wait()
        if self.drops_after_data:
            self.drops_after_data -= 1
            server.transport.abort()
        return "250 OK"


class _Controller(Controller):
    """Listens on a socket that was bound before, so that nobody else can have taken its port."""

    bound: socket.socket

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self.bound, ssl=self.ssl_context)


class FakeMailServer:
    """`user` and `password` make it want a login; with `tls` it wants STARTTLS, or speaks TLS `at_once`.

    Its port is its own from the start; until it is entered, and after, nobody answers there.
    """

    def __init__(
        self, user: str = "", password: str = "", tls: ssl.SSLContext | None = None, at_once: bool = False
    ):
        self.box = Mailbox()
        self._bound = socket.socket()
        self._bound.bind(("127.0.0.1", 0))
        self.port = int(self._bound.getsockname()[1])
        self._options: dict[str, Any] = {"ready_timeout": 60.0}
        if user:

            def check(server: Any, session: Any, envelope: Any, mechanism: str, data: object) -> AuthResult:
                given = data if isinstance(data, LoginPassword) else LoginPassword(b"", b"")
                good = (given.login, given.password) == (user.encode(), password.encode())
                return AuthResult(success=good, handled=False)

            self._options |= {"authenticator": check, "auth_required": True}
        if tls and at_once:
            self._options["ssl_context"] = tls
        elif tls:
            self._options |= {"tls_context": tls, "require_starttls": True}
        self._controller: _Controller | None = None

    def __enter__(self) -> FakeMailServer:
        controller = _Controller(self.box, hostname="127.0.0.1", port=self.port, **self._options)
        controller.bound = self._bound
        controller.start()
        self._controller = controller
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._controller is not None:
            self._controller.loop.call_soon_threadsafe(self.box.speaks.set)
            self._controller.stop()
        self.close()

    def close(self) -> None:
        """Give the port back."""
        self._bound.close()


def certified(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for 127.0.0.1, and the file of the authority that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = directory / "mail.pem", directory / "mail.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return context, certificate
