"""Bytes for scripted peers: TLS records and messages, and the few MQTT packets.

Builders, not parsers: they write whatever they are told, so that a scenario can say
what no real library would send any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
"""ContentType (RFC 8446 section 5.1)."""

CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE = 1, 2, 11, 12
CERTIFICATE_REQUEST, SERVER_HELLO_DONE, CERTIFICATE_VERIFY, CLIENT_KEY_EXCHANGE = 13, 14, 15, 16
"""HandshakeType (RFC 5246 section 7.4)."""

TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 = 0x0301, 0x0302, 0x0303, 0x0304

WARNING, FATAL = 1, 2

HELLO_RETRY_REQUEST = hashlib.sha256(b"HelloRetryRequest").digest()
"""The ServerHello.random that makes it a HelloRetryRequest (RFC 8446 section 4.1.3)."""

MODERN_SUITES = (0x1302, 0x1303, 0x1301, 0xC02C, 0xC030, 0xC02B, 0xC02F, 0xCCA9, 0xCCA8)
MODERN_SCHEMES = (0x0403, 0x0503, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601)
MODERN_GROUPS = (0x001D, 0x0017, 0x0018)
X25519 = 0x001D
X25519_SHARE = (9).to_bytes(32, "little")
"""A valid public value for a client that will not need the secret: the base point."""


def vector(width: int, content: bytes) -> bytes:
    """An opaque vector with a length prefix of `width` bytes."""
    return len(content).to_bytes(width, "big") + content


def u16s(values: Sequence[int]) -> bytes:
    """Big-endian uint16 values in a row."""
    return b"".join(value.to_bytes(2, "big") for value in values)


def record(content_type: int, content: bytes, *, version: int = TLS_1_2) -> bytes:
    """One TLS record."""
    return bytes((content_type,)) + version.to_bytes(2, "big") + vector(2, content)


def handshake(message_type: int, body: bytes, *, version: int = TLS_1_2) -> bytes:
    """One handshake message in a record of its own."""
    return record(HANDSHAKE, bytes((message_type,)) + vector(3, body), version=version)


def alert(description: int, *, level: int = FATAL, version: int = TLS_1_2) -> bytes:
    """A clear alert."""
    return record(ALERT, bytes((level, description)), version=version)


def extension(code: int, content: bytes) -> bytes:
    """One extension of a hello."""
    return code.to_bytes(2, "big") + vector(2, content)


def random_bytes(label: str) -> bytes:
    """32 bytes that look random and are the same in each run."""
    return hashlib.sha256(f"tlswhy lab {label}".encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """A ClientHello, sound by default (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2)."""

    version: int = TLS_1_2
    """legacy_version."""
    versions: Sequence[int] = ()
    """supported_versions; empty: no such extension."""
    suites: Sequence[int] = MODERN_SUITES
    groups: Sequence[int] = MODERN_GROUPS
    schemes: Sequence[int] = MODERN_SCHEMES
    """signature_algorithms; empty: no such extension."""
    server_name: str | None = None
    alpn: Sequence[str] = ()
    session_id: bytes = b""
    key_share: bool = False
    """Whether to bring a share for X25519, as TLS 1.3 needs."""
    extra: Sequence[bytes] = field(default=())
    """Whole extensions to add at the end."""

    @property
    def body(self) -> bytes:
        """The message without its handshake header."""
        extensions = []
        if self.server_name is not None:
            extensions.append(extension(0, server_name_list(self.server_name)))
        if self.groups:
            extensions.append(extension(10, vector(2, u16s(self.groups))))
            extensions.append(extension(11, b"\x01\x00"))
        if self.schemes:
            extensions.append(extension(13, vector(2, u16s(self.schemes))))
        if self.alpn:
            names = b"".join(vector(1, name.encode()) for name in self.alpn)
            extensions.append(extension(16, vector(2, names)))
        extensions.append(extension(23, b""))
        if self.versions:
            extensions.append(extension(43, vector(1, u16s(self.versions))))
        if self.key_share:
            extensions.append(extension(45, b"\x01\x01"))
            extensions.append(extension(51, x25519_share()))
        extensions.append(extension(0xFF01, b"\x00"))
        extensions.extend(self.extra)
        return (
            self.version.to_bytes(2, "big")
            + random_bytes("client")
            + vector(1, self.session_id)
            + vector(2, u16s(self.suites))
            + b"\x01\x00"
            + vector(2, b"".join(extensions))
        )

    @property
    def record(self) -> bytes:
        """The message in one record, whose version is the customary one."""
        return handshake(CLIENT_HELLO, self.body, version=TLS_1_0)


def client_hello(
    suites: Sequence[int],
    extensions: Sequence[bytes],
    *,
    session_id: bytes = b"",
    record_version: int = TLS_1_2,
) -> bytes:
    """A ClientHello with these extensions in this order, in one record."""
    body = (
        TLS_1_2.to_bytes(2, "big")
        + random_bytes("client")
        + vector(1, session_id)
        + vector(2, u16s(suites))
        + b"\x01\x00"
        + vector(2, b"".join(extensions))
    )
    return handshake(CLIENT_HELLO, body, version=record_version)


def x25519_share() -> bytes:
    """The content of a ClientHello's key_share extension (RFC 8446 section 4.2.8)."""
    return vector(2, X25519.to_bytes(2, "big") + vector(2, X25519_SHARE))


def server_name_list(name: str) -> bytes:
    """The content of a server_name extension (RFC 6066 section 3)."""
    return vector(2, b"\x00" + vector(2, name.encode("idna")))


def server_hello(
    *,
    version: int = TLS_1_2,
    suite: int = 0xC02F,
    random: bytes | None = None,
    session_id: bytes = b"",
    extensions: Sequence[bytes] = (),
) -> bytes:
    """A ServerHello in one record (RFC 5246 section 7.4.1.3)."""
    body = (
        version.to_bytes(2, "big")
        + (random or random_bytes("server"))
        + vector(1, session_id)
        + suite.to_bytes(2, "big")
        + b"\x00"
    )
    if extensions:
        body += vector(2, b"".join(extensions))
    return handshake(SERVER_HELLO, body, version=version)


def certificate(chain: Sequence[bytes], *, version: int = TLS_1_2) -> bytes:
    """A Certificate message up to TLS 1.2 (RFC 5246 section 7.4.2), DER, leaf first."""
    entries = b"".join(vector(3, der) for der in chain)
    return handshake(CERTIFICATE, vector(3, entries), version=version)


def server_hello_done(*, version: int = TLS_1_2) -> bytes:
    """A ServerHelloDone."""
    return handshake(SERVER_HELLO_DONE, b"", version=version)


def server_key_exchange(scheme: int, signature: bytes) -> bytes:
    """An ECDHE ServerKeyExchange on x25519 (RFC 8422 section 5.4), in TLS 1.2."""
    body = server_parameters() + scheme.to_bytes(2, "big") + vector(2, signature)
    return handshake(SERVER_KEY_EXCHANGE, body)


def server_parameters() -> bytes:
    """The ServerECDHParams that a ServerKeyExchange signs after both randoms."""
    return b"\x03" + X25519.to_bytes(2, "big") + vector(1, X25519_SHARE)


def client_key_exchange(content: bytes) -> bytes:
    """A ClientKeyExchange (RFC 5246 section 7.4.7)."""
    return handshake(CLIENT_KEY_EXCHANGE, content)


def certificate_verify(scheme: int, signature: bytes) -> bytes:
    """A CertificateVerify of TLS 1.2 (RFC 5246 section 7.4.8)."""
    body = scheme.to_bytes(2, "big") + vector(2, signature)
    return handshake(CERTIFICATE_VERIFY, body)


def hello_retry_request(group: int, *, suite: int, session_id: bytes) -> bytes:
    """A HelloRetryRequest for a group (RFC 8446 section 4.1.4)."""
    extensions = (extension(43, u16s((TLS_1_3,))), extension(51, u16s((group,))))
    return server_hello(
        suite=suite, random=HELLO_RETRY_REQUEST, session_id=session_id, extensions=extensions
    )


def connect(client_id: str, *, user: str | None = None, password: str | None = None) -> bytes:
    """An MQTT 3.1.1 CONNECT with a clean session (section 3.1)."""
    flags = 0x02 | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    body = vector(2, b"MQTT") + bytes((4, flags)) + (60).to_bytes(2, "big")
    for text in (client_id, user, password):
        if text is not None:
            body += vector(2, text.encode())
    return packet(0x10, body)


def connack(return_code: int) -> bytes:
    """An MQTT 3.1.1 CONNACK (section 3.2); 0 accepts, 5 is "not authorised"."""
    return packet(0x20, bytes((0, return_code)))


DISCONNECT = b"\xe0\x00"
"""An MQTT 3.1.1 DISCONNECT (section 3.14)."""


def packet(first: int, body: bytes) -> bytes:
    """An MQTT control packet; its remaining length is a variable byte integer."""
    size = len(body)
    length = bytearray()
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes((first,)) + bytes(length) + body
