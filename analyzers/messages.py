"""Handshake messages as structures; each reader is `read_<struct>(raw) -> <Struct>`.

`raw` is a whole message with its 4-byte header, so that offsets in errors are offsets
in the message. Readers raise `ParseError`; an extension that cannot be read is a fault
of its own and leaves the rest standing.
"""

from __future__ import annotations

from dataclasses import dataclass

from analyzers.codepoints.suites import key_exchange
from analyzers.errors import Malformed, ParseError
from analyzers.extensions import (
    ENCRYPTED_CLIENT_HELLO,
    Extension,
    Extensions,
    interpret,
    read_extensions,
)
from analyzers.wire import Reader

HELLO_REQUEST, CLIENT_HELLO, SERVER_HELLO, NEW_SESSION_TICKET = 0, 1, 2, 4
HELLO_RETRY_REQUEST_DRAFT = 6
CERTIFICATE, SERVER_KEY_EXCHANGE, CERTIFICATE_REQUEST, SERVER_HELLO_DONE = 11, 12, 13, 14
CERTIFICATE_VERIFY, CLIENT_KEY_EXCHANGE, FINISHED = 15, 16, 20
CERTIFICATE_STATUS, COMPRESSED_CERTIFICATE = 22, 25

MAX_CHAIN = 1024
"""Certificates read of a message: a megabyte of empty ones must not stall a live relay."""
TLS13 = 0x0304
_HRR_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_DOWNGRADE = {b"DOWNGRD\x01": "TLS 1.2", b"DOWNGRD\x00": "TLS 1.1"}


def is_tls13(version: int) -> bool:
    """Whether a version is TLS 1.3, a draft (0x7F..) or an experiment (0x7E.., 0xFB..) of it."""
    return version == TLS13 or version >> 8 in (0x7F, 0x7E, 0xFB)


@dataclass(frozen=True, slots=True)
class ClientHello:
    """RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2."""

    legacy_version: int
    random: bytes
    session_id: bytes
    cipher_suites: tuple[int, ...]
    compression_methods: tuple[int, ...]
    raw_extensions: tuple[Extension, ...]
    extensions: Extensions
    faults: tuple[ParseError, ...]
    sslv2: bool = False
    """Sent in SSL 2.0 framing (RFC 5246 appendix E.2), where fields have other places."""

    @property
    def extension_types(self) -> tuple[int, ...]:
        """Extension types in wire order."""
        return tuple(extension.type for extension in self.raw_extensions)

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions offered: supported_versions, or legacy_version alone.

        RFC 5246 appendix E.1: a client without the extension accepts what its
        legacy_version names and may accept less; how far down it would go is not said.
        """
        if self.extensions.versions:
            return self.extensions.versions
        return (self.legacy_version,)

    @property
    def ech(self) -> bool:
        """Whether an encrypted ClientHello is offered (or greased)."""
        return ENCRYPTED_CLIENT_HELLO in self.extension_types


@dataclass(frozen=True, slots=True)
class ServerHello:
    """RFC 8446 section 4.1.3, RFC 5246 section 7.4.1.3; also a HelloRetryRequest."""

    legacy_version: int
    random: bytes
    session_id: bytes
    cipher_suite: int
    compression_method: int
    raw_extensions: tuple[Extension, ...]
    extensions: Extensions
    faults: tuple[ParseError, ...]
    retry: bool = False
    """A HelloRetryRequest (RFC 8446 section 4.1.4), in today's or the drafts' form."""

    @property
    def extension_types(self) -> tuple[int, ...]:
        """Extension types in wire order."""
        return tuple(extension.type for extension in self.raw_extensions)

    @property
    def version(self) -> int:
        """The version chosen."""
        return self.extensions.versions[0] if self.extensions.versions else self.legacy_version

    @property
    def downgrade(self) -> str | None:
        """The highest version the sentinel admits to (RFC 8446 section 4.1.3)."""
        return _DOWNGRADE.get(self.random[-8:])


@dataclass(frozen=True, slots=True)
class CertificateMessage:
    """RFC 5246 section 7.4.2: DER certificates, leaf first."""

    certificates: tuple[bytes, ...]
    offsets: tuple[int, ...]
    """Of each DER in the message."""


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """RFC 5246 section 7.4.4."""

    certificate_types: tuple[int, ...]
    signature_algorithms: tuple[int, ...]
    authorities: tuple[bytes, ...]
    """DER distinguished names."""


@dataclass(frozen=True, slots=True)
class ServerKeyExchange:
    """RFC 5246 section 7.4.3, RFC 8422 section 5.4, RFC 4279."""

    group: int | None
    """NamedCurve of an ECDHE exchange."""
    dh_bits: int | None
    """Size of the prime of a DHE exchange."""
    psk_hint: bytes | None
    params: bytes
    """The bytes that the signature covers besides the two randoms."""
    signature_scheme: int | None
    """SignatureAndHashAlgorithm; None before TLS 1.2."""
    signature: bytes | None
    """None for anonymous and PSK exchanges."""


@dataclass(frozen=True, slots=True)
class ClientKeyExchange:
    """Only what is readable and of use: the PSK identity (RFC 4279)."""

    psk_identity: bytes | None


@dataclass(frozen=True, slots=True)
class CertificateVerify:
    """RFC 5246 section 7.4.8."""

    signature_scheme: int | None
    signature: bytes


def _open(raw: bytes, struct: str) -> Reader:
    return Reader(raw, struct, start=4)


def read_client_hello(raw: bytes) -> ClientHello:
    """Read a ClientHello."""
    reader = _open(raw, "ClientHello")
    version = reader.u16("legacy_version")
    random = reader.take(32, "random")
    session_id = reader.vector(1, "legacy_session_id")
    suites = reader.u16s(2, "cipher_suites")
    compression = tuple(reader.vector(1, "legacy_compression_methods"))
    raw_extensions = read_extensions(reader)
    reader.finish()
    extensions, faults = interpret(raw_extensions, server=False)
    return ClientHello(
        version, random, session_id, suites, compression, raw_extensions, extensions, faults
    )


def read_sslv2_client_hello(raw: bytes) -> ClientHello:
    """Read a ClientHello in SSL 2.0 framing (RFC 5246 appendix E.2).

    `raw` is the whole message with its 2-byte header. Cipher kinds of SSL 2.0 itself,
    whose first byte is not 0, are left out; the challenge is the random, padded on the left.
    """
    reader = Reader(raw, "V2ClientHello")
    reader.take(3, "header")  # msg_length and msg_type
    version = reader.u16("version")
    at = reader.offset
    specs, session_id, challenge = (
        reader.u16(f"{name}_length") for name in ("cipher_spec", "session_id", "challenge")
    )
    if specs % 3:
        raise Malformed(
            reader.struct, "cipher_spec_length", at, reason=f"is {specs}, no multiple of 3"
        )
    kinds = reader.take(specs, "cipher_specs")
    session = reader.take(session_id, "session_id")
    random = reader.take(challenge, "challenge").rjust(32, b"\0")[-32:]
    reader.finish()
    suites = tuple(kinds[i + 1] << 8 | kinds[i + 2] for i in range(0, specs, 3) if not kinds[i])
    return ClientHello(version, random, session, suites, (), (), Extensions(), (), sslv2=True)


def read_server_hello(raw: bytes) -> ServerHello:
    """Read a ServerHello, or a HelloRetryRequest in its form.

    Drafts of TLS 1.3 before 22 have neither session id nor compression method.
    """
    reader = _open(raw, "ServerHello")
    version = reader.u16("legacy_version")
    if raw[0] == HELLO_RETRY_REQUEST_DRAFT:
        return _draft_retry(reader, version)
    random = reader.take(32, "random")
    session_id, compression = b"", 0
    if 0x7F00 < version < 0x7F16:
        suite = reader.u16("cipher_suite")
    else:
        session_id = reader.vector(1, "legacy_session_id_echo")
        suite = reader.u16("cipher_suite")
        compression = reader.u8("legacy_compression_method")
    raw_extensions = read_extensions(reader)
    reader.finish()
    extensions, faults = interpret(raw_extensions, server=True)
    return ServerHello(
        version,
        random,
        session_id,
        suite,
        compression,
        raw_extensions,
        extensions,
        faults,
        random == _HRR_RANDOM,
    )


def _draft_retry(reader: Reader, version: int) -> ServerHello:
    suite = reader.u16("cipher_suite") if version >= 0x7F13 else 0
    raw_extensions = read_extensions(reader)
    reader.finish()
    extensions, faults = interpret(raw_extensions, server=True)
    return ServerHello(version, b"", b"", suite, 0, raw_extensions, extensions, faults, True)


def read_certificate(raw: bytes) -> CertificateMessage:
    """Read a Certificate message of TLS 1.2 and earlier."""
    reader = _open(raw, "Certificate")
    found: list[bytes] = []
    offsets: list[int] = []
    with reader.nested(3, "certificate_list") as chain:
        while chain.left:
            if len(found) == MAX_CHAIN:
                raise Malformed(
                    chain.struct,
                    "certificate_list",
                    chain.offset,
                    reason=f"holds more than {MAX_CHAIN} certificates",
                )
            offsets.append(chain.offset + 3)
            found.append(chain.vector(3, "ASN.1Cert"))
    reader.finish()
    return CertificateMessage(tuple(found), tuple(offsets))


def read_certificate_request(raw: bytes, version: int) -> CertificateRequest:
    """Read a CertificateRequest; signature algorithms are there from TLS 1.2 on."""
    reader = _open(raw, "CertificateRequest")
    types = tuple(reader.vector(1, "certificate_types"))
    algorithms = reader.u16s(2, "supported_signature_algorithms") if version >= 0x0303 else ()
    names: list[bytes] = []
    with reader.nested(2, "certificate_authorities") as block:
        while block.left:
            names.append(block.vector(2, "DistinguishedName"))
    reader.finish()
    return CertificateRequest(types, algorithms, tuple(names))


def read_server_key_exchange(raw: bytes, version: int, key_exchange: str) -> ServerKeyExchange:
    """Read a ServerKeyExchange; its form follows from the suite's key exchange.

    `key_exchange` is as in `analyzers.codepoints.key_exchange`: "ECDHE", "DHE", "PSK"...
    """
    reader = _open(raw, "ServerKeyExchange")
    hint = reader.vector(2, "psk_identity_hint") if "PSK" in key_exchange else None
    start = reader.offset
    group = bits = None
    if key_exchange.startswith("ECDH"):
        kind = reader.u8("curve_type")
        if kind != 3:  # explicit curves: nobody sends them any more
            return ServerKeyExchange(None, None, hint, reader.rest(), None, None)
        group = reader.u16("namedcurve")
        reader.vector(1, "public")
    elif key_exchange.startswith("DH"):
        prime = reader.vector(2, "dh_p")
        bits = int.from_bytes(prime, "big").bit_length()
        reader.vector(2, "dh_g")
        reader.vector(2, "dh_Ys")
    elif hint is None:
        return ServerKeyExchange(None, None, None, reader.rest(), None, None)
    params = raw[start : reader.offset]
    if hint is not None:
        reader.finish()
    if not reader.left:
        return ServerKeyExchange(group, bits, hint, params, None, None)
    scheme = reader.u16("algorithm") if version >= 0x0303 else None
    signature = reader.vector(2, "signature")
    reader.finish()
    return ServerKeyExchange(group, bits, hint, params, scheme, signature)


def read_client_key_exchange(raw: bytes, key_exchange: str) -> ClientKeyExchange:
    """Read a ClientKeyExchange as far as a PSK identity stands in it."""
    reader = _open(raw, "ClientKeyExchange")
    identity = reader.vector(2, "psk_identity") if "PSK" in key_exchange else None
    return ClientKeyExchange(identity)


def read_certificate_verify(raw: bytes, version: int) -> CertificateVerify:
    """Read a CertificateVerify of TLS 1.2 and earlier."""
    reader = _open(raw, "CertificateVerify")
    scheme = reader.u16("algorithm") if version >= 0x0303 else None
    signature = reader.vector(2, "signature")
    reader.finish()
    return CertificateVerify(scheme, signature)


def changed_fields(first: ClientHello, second: ClientHello) -> tuple[str, ...]:
    """Which fields a client changed after a HelloRetryRequest (RFC 8446 section 4.1.2)."""
    names = [
        name
        for name in ("legacy_version", "random", "session_id", "cipher_suites")
        if getattr(first, name) != getattr(second, name)
    ]
    before = {extension.type: extension.data for extension in first.raw_extensions}
    after = {extension.type: extension.data for extension in second.raw_extensions}
    names += [
        f"extension:{kind}"
        for kind in sorted(before.keys() | after.keys())
        if before.get(kind) != after.get(kind)
    ]
    return tuple(names)


def read_body(
    kind: int, raw: bytes, *, record_version: int, version: int | None, suite: int
) -> object:
    """Read a message by its type; None where nobody needs its content.

    `version` and `suite` are those of the ServerHello (None and 0 before it): they decide
    the form of what follows.

    Raises:
        ParseError: the message is malformed.
    """
    if kind == CLIENT_HELLO:
        return read_client_hello(raw)
    if kind == SERVER_HELLO or (kind == HELLO_RETRY_REQUEST_DRAFT and version is None):
        return read_server_hello(raw)
    agreed = version if version is not None else record_version
    if is_tls13(agreed):
        return None
    if kind == CERTIFICATE:
        return read_certificate(raw)
    if kind == CERTIFICATE_REQUEST:
        return read_certificate_request(raw, agreed)
    if kind == CERTIFICATE_VERIFY:
        return read_certificate_verify(raw, agreed)
    exchange = key_exchange(suite) if version is not None else None
    if kind == SERVER_KEY_EXCHANGE and exchange is not None:
        return read_server_key_exchange(raw, agreed, exchange)
    if kind == CLIENT_KEY_EXCHANGE and exchange is not None:
        return read_client_key_exchange(raw, exchange)
    return None
