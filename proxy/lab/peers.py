"""Real MQTT-over-TLS peers: a broker and a client on OpenSSL."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Literal, TypedDict

import trio
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from OpenSSL.crypto import X509, X509StoreFlags

from proxy.lab import messages
from proxy.lab._engine import OpenSslEngine, SslEngine, TlsFailure, TlsStream
from proxy.lab.authority import BROKER_NAME, Identity, revocation_list
from proxy.lab.scripted import UnexpectedEnd, Wire, end, reset

Version = Literal["1.2", "1.3"]
Peer = Callable[[trio.SocketStream], Awaitable[str]]
"""Serves or uses one TCP connection and tells what it saw; the caller closes it."""

Script = Callable[[Wire], Awaitable[str]]

Manner = Literal["session", "leave", "stay", "crash", "mute"]
"""What a client does after the handshake: an MQTT session in good order; go at once and
without a word, having verified nothing before (Node.js in TLS 1.2, .NET on Linux); stay
silent after the CONNACK; reset after the CONNACK; never send a CONNECT."""

_OPENSSL_VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
_PYTHON_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_WEAK = "DEFAULT:@SECLEVEL=0"
"""OpenSSL's own list without its ban on weak keys and hashes."""

PATIENCE = 10.0
"""Seconds after which a peer gives up on the other; far above what a run takes."""


class TlsBrokerOptions(TypedDict, total=False):
    """What may be odd about a broker; see the fields of TlsBroker."""

    sends: Sequence[Identity]
    min_version: Version
    max_version: Version
    ciphers: str
    group: type[ec.EllipticCurve]
    client_ca: Identity
    requires_certificate: bool
    alpn: Sequence[str]
    connack: int | Literal["hang up", "never"]
    revoked: Sequence[Identity]
    idle_limit: float


class TlsClientOptions(TypedDict, total=False):
    """What may be odd about a client; see the fields of TlsClient."""

    server_name: str | None
    min_version: Version
    max_version: Version
    ciphers: str
    alpn: Sequence[str]
    identity: Identity
    sends: Sequence[Identity]
    manner: Manner
    patience: float


@dataclass(frozen=True)
class TlsBroker:
    """An MQTT broker behind TLS; good for one or many connections.

    Sound by default: TLS 1.2 and 1.3, all of OpenSSL's suites, no client certificate.
    """

    identity: Identity
    _: KW_ONLY
    sends: Sequence[Identity] | None = None
    """The certificates it sends, leaf first; None: the identity's chain without its root."""
    min_version: Version = "1.2"
    max_version: Version = "1.3"
    ciphers: str = _WEAK
    """Suites for TLS 1.2 in OpenSSL's spelling."""
    group: type[ec.EllipticCurve] | None = None
    """The only group it takes part in."""
    client_ca: Identity | None = None
    """Asks for client certificates and accepts those below this CA."""
    requires_certificate: bool = True
    """With `client_ca`: refuses clients that send none."""
    alpn: Sequence[str] = ()
    """Application protocols it insists on."""
    connack: int | Literal["hang up", "never"] = 0
    """The CONNACK's return code, or what happens in its place."""
    revoked: Sequence[Identity] = ()
    """With `client_ca`: certificates that this CA has revoked."""
    idle_limit: float = PATIENCE
    """Seconds of client silence after which it hangs up."""
    _context: SSL.Context = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_context", self._make_context())

    async def __call__(self, stream: trio.SocketStream) -> str:
        """Serve one connection; gives what a broker would write in its log."""
        tls = TlsStream(stream, OpenSslEngine(self._context, server=True))
        try:
            with trio.fail_after(PATIENCE):
                await tls.handshake()
                said = await self._serve(tls)
        except TlsFailure as failure:
            said = str(failure)
        except trio.BrokenResourceError:
            return "connection reset by peer"
        except trio.TooSlowError:
            return "timed out"
        await end(stream, patience=PATIENCE)
        return said

    async def _serve(self, tls: TlsStream) -> str:
        hello = f"handshake finished ({tls.engine.version})"
        with trio.move_on_after(self.idle_limit) as idle:
            if not await tls.read():
                return f"{hello}, client left without CONNECT"
        if idle.cancelled_caught:
            await tls.goodbye()
            return f"{hello}, no CONNECT within {self.idle_limit:g} s"
        if self.connack == "never":
            while await tls.read():
                pass
            return f"{hello}, CONNECT received, nothing answered"
        if self.connack == "hang up":
            await tls.goodbye()
            return f"{hello}, hung up after CONNECT"
        await tls.write(messages.connack(self.connack))
        if self.connack:
            await tls.goodbye()
            return f"{hello}, CONNACK {self.connack}: refused"
        with trio.move_on_after(self.idle_limit) as idle:
            while await tls.read():
                idle.deadline = trio.current_time() + self.idle_limit
        await tls.goodbye()
        if idle.cancelled_caught:
            return f"{hello}, CONNACK 0, client exceeded timeout, disconnecting"
        return f"{hello}, CONNACK 0, client disconnected"

    def _make_context(self) -> SSL.Context:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(_OPENSSL_VERSIONS[self.min_version])
        context.set_max_proto_version(_OPENSSL_VERSIONS[self.max_version])
        context.set_cipher_list(self.ciphers.encode())
        sends = self.identity.chain if self.sends is None else self.sends
        context.use_certificate(sends[0].x509)
        for link in sends[1:]:
            context.add_extra_chain_cert(link.x509)
        context.use_privatekey(self.identity.key)
        context.set_session_id(b"tlswhy lab")
        if self.group is not None:
            context.set_tmp_ecdh(self.group())
        if self.client_ca is not None:
            _add_client_ca(context, self)
        if self.alpn:
            wanted = [name.encode() for name in self.alpn]
            context.set_alpn_select_callback(_alpn_choice(wanted))
        return context


@dataclass
class TlsClient:
    """An MQTT client on Python's `ssl`, as paho-mqtt is.

    Sound by default: verifies the broker under `trust` and for its name, sends CONNECT,
    waits for the CONNACK and disconnects.
    """

    trust: Sequence[Identity] | None
    """CAs; None: verifies nothing, as after tls_insecure_set(True) and CERT_NONE."""
    _: KW_ONLY
    server_name: str | None = BROKER_NAME
    """For SNI and for the name check; None: neither."""
    min_version: Version = "1.2"
    max_version: Version = "1.3"
    ciphers: str | None = None
    """Suites for TLS 1.2 in OpenSSL's spelling; None: Python's own."""
    alpn: Sequence[str] = ()
    identity: Identity | None = None
    sends: Sequence[Identity] | None = None
    """The certificates it sends, leaf first; None: the identity's chain without its root."""
    manner: Manner = "session"
    patience: float = PATIENCE
    """Seconds to wait for the broker."""
    _session: ssl.SSLSession | None = field(default=None, init=False, repr=False)
    _context: ssl.SSLContext = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._context = self._make_context()

    async def __call__(self, stream: trio.SocketStream) -> str:
        """Use one connection; gives what a user would read. Called again, it resumes."""
        engine = SslEngine(self._context, server_name=self.server_name, session=self._session)
        tls = TlsStream(stream, engine)
        try:
            with trio.fail_after(self.patience):
                said = await self._use(tls, engine)
        except TlsFailure as failure:
            said = str(failure)
        except trio.BrokenResourceError:
            return "connection reset by peer"
        except trio.TooSlowError:
            said = "timed out"
        await end(stream, patience=PATIENCE)
        return said

    async def _use(self, tls: TlsStream, engine: SslEngine) -> str:
        await tls.handshake()
        if self.manner == "leave":
            return f"closed: does not accept the certificate ({engine.version})"
        if self.manner == "mute":
            await _drain(tls)
            return f"handshake finished ({engine.version}), closed by the broker"
        await tls.write(messages.connect("lab"))
        answer = await tls.read()
        self._session = engine.object.session
        if len(answer) < 4:
            return f"handshake finished ({engine.version}), then closed without CONNACK"
        if answer[3]:
            # The broker must close now (MQTT 3.1.1 section 3.2.2.3); whether a client waits
            # for that is a race that no explanation should hang on.
            await _drain(tls)
            return f"handshake finished ({engine.version}), CONNACK {answer[3]}: refused"
        return await self._after_connack(tls, f"connected ({engine.version}), CONNACK 0")

    async def _after_connack(self, tls: TlsStream, said: str) -> str:
        if self.manner == "stay":
            await _drain(tls)
            return f"{said}, then closed by the broker"
        if self.manner == "crash":
            reset(tls.stream)
            await tls.stream.aclose()
            return f"{said}, then killed"
        await tls.write(messages.DISCONNECT)
        await tls.goodbye()
        return said

    def _make_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = _PYTHON_VERSIONS[self.min_version]
        context.maximum_version = _PYTHON_VERSIONS[self.max_version]
        # The version of Python decides otherwise whether X509_STRICT is on.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.ciphers is not None:
            context.set_ciphers(self.ciphers)
        if self.alpn:
            context.set_alpn_protocols(list(self.alpn))
        if self.trust is None or self.manner == "leave":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context.check_hostname = self.server_name is not None
            for anchor in self.trust:
                context.load_verify_locations(cadata=anchor.certificate)
        if self.identity is not None:
            _load_identity(context, self.identity, self.sends)
        return context


@dataclass(frozen=True)
class Scripted:
    """A peer that follows a script; bounded, and quiet about the other's rudeness."""

    script: Script
    patience: float = PATIENCE

    async def __call__(self, stream: trio.SocketStream) -> str:
        """Use one connection; gives what the script says of it."""
        said = "timed out"
        try:
            with trio.move_on_after(self.patience):
                said = await self.script(Wire(stream))
        except UnexpectedEnd as unexpected:
            said = str(unexpected)
        except trio.BrokenResourceError:
            return "connection reset by peer"
        with contextlib.suppress(trio.ClosedResourceError):
            await end(stream, patience=PATIENCE)
        return said


def _load_identity(
    context: ssl.SSLContext, identity: Identity, sends: Sequence[Identity] | None
) -> None:
    chain = identity.chain if sends is None else sends
    # Python's ssl reads keys from files only; this one lives for an instant, for us alone.
    with tempfile.TemporaryDirectory(prefix="tlswhy-lab-") as folder:
        path = Path(folder) / "client.pem"
        path.touch(mode=0o600)
        path.write_bytes(identity.key_pem + b"".join(link.pem for link in chain))
        context.load_cert_chain(path)


def _add_client_ca(context: SSL.Context, broker: TlsBroker) -> None:
    ca, store = broker.client_ca, context.get_cert_store()
    assert ca is not None
    assert store is not None, "a new context has a certificate store"
    store.add_cert(X509.from_cryptography(ca.x509))
    context.add_client_ca(ca.x509)
    if broker.revoked:
        store.add_crl(revocation_list(ca, broker.revoked))
        store.set_flags(X509StoreFlags.CRL_CHECK)
    required = SSL.VERIFY_FAIL_IF_NO_PEER_CERT if broker.requires_certificate else 0
    context.set_verify(
        SSL.VERIFY_PEER | required, lambda _connection, _cert, _error, _depth, ok: bool(ok)
    )


async def _drain(tls: TlsStream) -> None:
    """Read until the broker ends the session."""
    while await tls.read():
        pass


def _alpn_choice(wanted: list[bytes]) -> Callable[[SSL.Connection, list[bytes]], bytes]:
    def choose(_connection: SSL.Connection, offered: list[bytes]) -> bytes:
        for name in offered:
            if name in wanted:
                return name
        # Whatever the callback raises becomes the fatal alert of RFC 7301 section 3.2.
        raise TlsFailure("no application protocol")

    return choose
