"""Handshake messages for parser tests, readable from the outside in.

The lab's builders (`proxy.lab.messages`) make whole records; here are bare messages with
their 4-byte header, and a well-formed sample of every extension that is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.lab.messages import (
    HELLO_RETRY_REQUEST,
    X25519_SHARE,
    extension,
    random_bytes,
    u16s,
    vector,
)

SSL_3_0, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
VERSIONS = (SSL_3_0, TLS_1_0, TLS_1_1, TLS_1_2)
DRAFT_18, DRAFT_19, DRAFT_21, DRAFT_22, DRAFT_28 = 0x7F12, 0x7F13, 0x7F15, 0x7F16, 0x7F1C
GREASE = 0x1A1A
ECDHE_RSA, DHE_RSA, RSA, PSK, TLS_13 = 0xC02F, 0x009E, 0x009C, 0x00A8, 0x1301
DHE_PSK, RSA_PSK, ECDHE_PSK, ECDH_ANON = 0x00AA, 0x00AC, 0xC037, 0xC018

CLIENT_RANDOM, SERVER_RANDOM = random_bytes("client"), random_bytes("server")


def message(kind: int, body: bytes) -> bytes:
    """A handshake message with its header (RFC 8446 section 4)."""
    return bytes((kind,)) + vector(3, body)


def client_hello(
    *,
    version: int = TLS_1_2,
    random: bytes = CLIENT_RANDOM,
    session_id: bytes = b"",
    suites: Sequence[int] = (ECDHE_RSA, RSA),
    compression: bytes = b"\0",
    extensions: Sequence[bytes] | None = (),
) -> bytes:
    """A ClientHello; None for `extensions` leaves the whole block out, as SSL 3.0 does."""
    body = u16s([version]) + random + vector(1, session_id) + vector(2, u16s(suites))
    body += vector(1, compression)
    if extensions is not None:
        body += vector(2, b"".join(extensions))
    return message(1, body)


def server_hello(
    *,
    version: int = TLS_1_2,
    random: bytes = SERVER_RANDOM,
    session_id: bytes | None = b"",
    suite: int = ECDHE_RSA,
    extensions: Sequence[bytes] | None = (),
) -> bytes:
    """A ServerHello; None for `session_id` gives the form of drafts before 22."""
    body = u16s([version]) + random
    if session_id is None:
        body += u16s([suite])
    else:
        body += vector(1, session_id) + u16s([suite]) + b"\0"
    if extensions is not None:
        body += vector(2, b"".join(extensions))
    return message(2, body)


def hello_13(**change: Sequence[bytes]) -> bytes:
    """A ClientHello for TLS 1.3 with a share for x25519."""
    extensions = change.get("extensions", ())
    base = [extension(43, vector(1, u16s([TLS_1_3, TLS_1_2]))), extension(51, CLIENT_SHARES)]
    return client_hello(suites=(TLS_13, ECDHE_RSA), extensions=[*base, *extensions])


def server_hello_13(*extensions: bytes, version: int = TLS_1_3) -> bytes:
    """A ServerHello that chooses TLS 1.3."""
    chosen = (extension(43, u16s([version])), extension(51, SERVER_SHARE))
    return server_hello(suite=TLS_13, extensions=[*chosen, *extensions])


def hello_retry_request(*extensions: bytes) -> bytes:
    """A HelloRetryRequest in its final form (RFC 8446 section 4.1.4)."""
    chosen = (extension(43, u16s([TLS_1_3])), extension(51, u16s([0x0017])))
    return server_hello(random=HELLO_RETRY_REQUEST, suite=TLS_13, extensions=[*chosen, *extensions])


def draft_retry_request(version: int, *extensions: bytes) -> bytes:
    """A HelloRetryRequest of its own type, as in drafts before 22."""
    suite = u16s([TLS_13]) if version >= DRAFT_19 else b""
    return message(6, u16s([version]) + suite + vector(2, b"".join(extensions)))


def sslv2_client_hello(
    *,
    version: int = TLS_1_0,
    specs: bytes = b"\x00\x00\x35\x01\x00\x80\x00\x00\x2f",
    session_id: bytes = b"",
    challenge: bytes = bytes(range(1, 17)),
) -> bytes:
    """A ClientHello in SSL 2.0 framing (RFC 5246 appendix E.2)."""
    lengths = u16s([len(specs), len(session_id), len(challenge)])
    body = b"\x01" + u16s([version]) + lengths + specs + session_id + challenge
    return u16s([0x8000 | len(body)]) + body


def certificate(*chain: bytes) -> bytes:
    """A Certificate message of TLS 1.2 and earlier."""
    return message(11, vector(3, b"".join(vector(3, der) for der in chain)))


def certificate_request(
    version: int,
    *authorities: bytes,
    types: bytes = b"\x01\x40",
    schemes: Sequence[int] = (0x0401,),
) -> bytes:
    """A CertificateRequest: with signature algorithms from TLS 1.2 on."""
    body = vector(1, types)
    if version >= TLS_1_2:
        body += vector(2, u16s(schemes))
    return message(13, body + vector(2, b"".join(vector(2, name) for name in authorities)))


ECDHE_PARAMS = b"\x03\x00\x1d" + vector(1, X25519_SHARE)
DHE_PARAMS = vector(2, b"\x80" + bytes(127)) + vector(2, b"\x02") + vector(2, bytes(128))
SIGNATURE = b"signature" * 8


def signed(version: int, params: bytes, *, scheme: int = 0x0804) -> bytes:
    """A ServerKeyExchange whose parameters are signed."""
    named = u16s([scheme]) if version >= TLS_1_2 else b""
    return message(12, params + named + vector(2, SIGNATURE))


CLIENT_SHARES = vector(2, u16s([0x001D]) + vector(2, X25519_SHARE))
SERVER_SHARE = u16s([0x001D]) + vector(2, X25519_SHARE)
PSK_OFFER = vector(2, vector(2, b"device-7") + bytes(4) + vector(2, b"other") + bytes(4)) + vector(
    2, vector(1, bytes(32)) + vector(1, bytes(32))
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A well-formed extension and what it says."""

    type: int
    data: bytes
    says: dict[str, object]
    """Fields of `Extensions`."""
    whole_at: tuple[int, ...] = field(default=())
    """Shorter lengths at which the data is well-formed too."""
    open_ended: bool = False
    """Any data is well-formed."""

    @property
    def raw(self) -> bytes:
        return extension(self.type, self.data)


_SHARED = (
    Sample(
        0,
        vector(2, b"\0" + vector(2, b"broker.example.com")),
        {"server_name": b"broker.example.com"},
        whole_at=(0,),
    ),
    Sample(1, b"\x02", {"max_fragment_length": 1024}),
    Sample(11, vector(1, b"\0\x01\x02"), {"point_formats": (0, 1, 2)}),
    Sample(
        16, vector(2, vector(1, b"mqtt") + vector(1, b"\x1a\x1a")), {"alpn": (b"mqtt", b"\x1a\x1a")}
    ),
    Sample(28, b"\x40\x01", {"record_size_limit": 16385}),
    Sample(35, bytes(96), {"session_ticket": 96}, open_ended=True),
    Sample(42, b"", {"early_data": True}),
    Sample(44, vector(2, b"cookie"), {"cookie": True}),
    Sample(0xFF01, vector(1, bytes(12)), {"renegotiated_connection": 12}),
    Sample(
        10, vector(2, u16s([GREASE, 0x1D, 0x17, 0xABCD])), {"groups": (GREASE, 0x1D, 0x17, 0xABCD)}
    ),
)
CLIENT_SAMPLES = (
    *_SHARED,
    Sample(
        13,
        vector(2, u16s([0x0804, GREASE, 0x0401])),
        {"signature_algorithms": (0x0804, GREASE, 0x0401)},
    ),
    Sample(50, vector(2, u16s([0x0401])), {"signature_algorithms_cert": (0x0401,)}),
    Sample(45, vector(1, b"\x01\x00\x0b"), {"psk_modes": (1, 0, 11)}),
    Sample(
        43, vector(1, u16s([GREASE, TLS_1_3, DRAFT_28])), {"versions": (GREASE, TLS_1_3, DRAFT_28)}
    ),
    Sample(51, CLIENT_SHARES, {"key_shares": (0x1D,)}),
    Sample(40, CLIENT_SHARES, {"key_shares": (0x1D,)}),
    Sample(41, PSK_OFFER, {"psk_identities": (8, 5), "psk_identity": b"device-7"}),
)
SERVER_SAMPLES = (
    *_SHARED,
    Sample(43, u16s([TLS_1_3]), {"versions": (TLS_1_3,)}),
    Sample(51, SERVER_SHARE, {"key_shares": (0x1D,)}, whole_at=(2,)),
    Sample(40, SERVER_SHARE, {"key_shares": (0x1D,)}, whole_at=(2,)),
    Sample(41, u16s([1]), {"psk_selected": 1}),
)
