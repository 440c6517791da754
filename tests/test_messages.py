from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

import pytest

from analyzers.codepoints.suites import key_exchange
from analyzers.errors import Malformed, ParseError, Truncated
from analyzers.messages import (
    MAX_CHAIN,
    CertificateMessage,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    ClientKeyExchange,
    ServerHello,
    ServerKeyExchange,
    changed_fields,
    is_tls13,
    read_body,
    read_certificate,
    read_certificate_request,
    read_certificate_verify,
    read_client_hello,
    read_client_key_exchange,
    read_server_hello,
    read_server_key_exchange,
    read_sslv2_client_hello,
)
from proxy.lab.messages import X25519_SHARE, extension, u16s, vector
from tests import hellos
from tests.feeding import TAIL, check_reader
from tests.hellos import (
    CLIENT_RANDOM,
    DHE_PARAMS,
    ECDHE_PARAMS,
    SERVER_RANDOM,
    SIGNATURE,
    TLS_1_0,
    TLS_1_2,
    TLS_1_3,
    VERSIONS,
    message,
)

T = TypeVar("T")


def check_message(
    read: Callable[[bytes], T],
    raw: bytes,
    *,
    whole_at: Collection[int] = (),
    tail: bytes | None = TAIL,
    cut: type[ParseError] = Truncated,
) -> T:
    """`check_reader` from the end of the 4-byte header on; `whole_at` counts from there too."""

    def body(data: bytes) -> T:
        try:
            return read(raw[:4] + data)
        except ParseError as error:
            error.offset -= 4
            raise

    return check_reader(body, raw[4:], whole_at=whole_at, tail=tail, cut=cut)


# -- ClientHello -----------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_hello_of_each_version(version: int) -> None:
    raw = hellos.client_hello(
        version=version,
        session_id=bytes(32),
        suites=[0x1301, hellos.GREASE, 0xFEFE, 0x00FF],
        compression=b"\x01\x00\x40",
        extensions=[sample.raw for sample in hellos.CLIENT_SAMPLES],
    )
    before_extensions = 2 + 32 + 33 + 10 + 4
    hello = check_message(read_client_hello, raw, whole_at=[before_extensions])
    assert hello.legacy_version == version
    assert hello.random == CLIENT_RANDOM
    assert hello.session_id == bytes(32)
    assert hello.cipher_suites == (0x1301, hellos.GREASE, 0xFEFE, 0x00FF)
    assert hello.compression_methods == (1, 0, 0x40)
    assert hello.extension_types == tuple(sample.type for sample in hellos.CLIENT_SAMPLES)
    assert hello.faults == ()
    assert hello.extensions.server_name == b"broker.example.com"
    assert not hello.sslv2


def test_a_hello_of_ssl_3_has_no_extension_block() -> None:
    raw = hellos.client_hello(version=hellos.SSL_3_0, extensions=None)
    # What follows would be the block.
    hello = check_message(read_client_hello, raw, tail=None)
    assert hello.raw_extensions == ()
    assert hello.versions == (hellos.SSL_3_0,)
    assert not hello.ech


def test_supported_versions_decide_what_is_offered() -> None:
    assert read_client_hello(hellos.hello_13()).versions == (TLS_1_3, TLS_1_2)
    assert read_client_hello(hellos.client_hello()).versions == (TLS_1_2,)


def test_a_broken_extension_leaves_the_hello_standing() -> None:
    raw = hellos.client_hello(
        extensions=[extension(0, b"\x00\x09broken"), extension(16, vector(2, vector(1, b"mqtt")))]
    )
    hello = read_client_hello(raw)
    assert hello.extensions.alpn == (b"mqtt",)
    assert [str(fault) for fault in hello.faults] == [
        "extension 0.server_name_list needs 11 bytes, only 8 are left (offset 53)"
    ]


def test_an_odd_list_of_suites_is_malformed() -> None:
    raw = bytearray(hellos.client_hello(extensions=None))
    raw[40] += 1
    with pytest.raises(Malformed, match="cipher_suites has an odd length") as caught:
        read_client_hello(bytes(raw))
    assert caught.value.offset == 39


def test_changed_fields_after_a_hello_retry_request() -> None:
    first = read_client_hello(hellos.hello_13())
    assert changed_fields(first, first) == ()
    second = read_client_hello(
        hellos.client_hello(
            random=bytes(32),
            session_id=b"new",
            suites=(hellos.TLS_13, hellos.ECDHE_RSA),
            extensions=[
                extension(43, vector(1, u16s([TLS_1_3, TLS_1_2]))),
                extension(44, vector(2, b"cookie")),
                extension(51, vector(2, u16s([0x17]) + vector(2, bytes(65)))),
            ],
        )
    )
    assert changed_fields(first, second) == (
        "random",
        "session_id",
        "extension:44",
        "extension:51",
    )
    older = read_client_hello(hellos.client_hello(version=TLS_1_0))
    assert changed_fields(first, older)[:2] == ("legacy_version", "cipher_suites")


# -- ClientHello in SSL 2.0 framing ----------------------------------------------------


def test_an_sslv2_hello_keeps_the_suites_of_tls() -> None:
    raw = hellos.sslv2_client_hello(session_id=b"old session")
    hello = read_sslv2_client_hello(raw)
    assert hello.sslv2
    assert hello.versions == (TLS_1_0,)
    assert hello.cipher_suites == (0x0035, 0x002F)
    assert hello.session_id == b"old session"
    assert hello.random == bytes(16) + bytes(range(1, 17))
    assert (hello.compression_methods, hello.extension_types) == ((), ())


def test_an_sslv2_hello_is_read_whole_or_not_at_all() -> None:
    raw = hellos.sslv2_client_hello(challenge=bytes(range(32)))
    assert check_reader(read_sslv2_client_hello, raw).random == bytes(range(32))


def test_cipher_kinds_are_three_bytes_each() -> None:
    with pytest.raises(Malformed, match="is 4, no multiple of 3") as caught:
        read_sslv2_client_hello(hellos.sslv2_client_hello(specs=b"\0\0\x35\0"))
    assert caught.value.offset == 5


# -- ServerHello and HelloRetryRequest -------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_hello_of_each_version(version: int) -> None:
    raw = hellos.server_hello(
        version=version,
        session_id=b"session",
        suite=0xABCD,
        extensions=[extension(0, b""), extension(23, b""), extension(0xFF01, b"\0")],
    )
    hello = check_message(read_server_hello, raw, whole_at=[2 + 32 + 8 + 2 + 1])
    assert (hello.version, hello.legacy_version) == (version, version)
    assert (hello.random, hello.session_id) == (SERVER_RANDOM, b"session")
    assert (hello.cipher_suite, hello.compression_method) == (0xABCD, 0)
    assert hello.extension_types == (0, 23, 0xFF01)
    assert hello.extensions.server_name == b""
    assert not hello.retry
    assert hello.downgrade is None


@pytest.mark.parametrize("version", [TLS_1_3, hellos.DRAFT_22, hellos.DRAFT_28, 0x7E02, 0xFB1A])
def test_a_server_hello_of_tls_1_3(version: int) -> None:
    raw = hellos.server_hello_13(version=version)
    hello = check_message(read_server_hello, raw, whole_at=[2 + 32 + 1 + 2 + 1])
    assert (hello.version, hello.legacy_version) == (version, TLS_1_2)
    assert is_tls13(hello.version)
    assert hello.extensions.key_shares == (0x1D,)


@pytest.mark.parametrize("version", [hellos.DRAFT_18, hellos.DRAFT_21])
def test_drafts_before_22_have_no_session_id(version: int) -> None:
    share = extension(40, hellos.SERVER_SHARE)
    raw = hellos.server_hello(version=version, session_id=None, suite=0x1302, extensions=[share])
    hello = check_message(read_server_hello, raw, whole_at=[2 + 32 + 2])
    assert (hello.version, hello.cipher_suite, hello.session_id) == (version, 0x1302, b"")
    assert hello.extensions.key_shares == (0x1D,)
    assert is_tls13(hello.version)


def test_a_hello_retry_request_has_the_form_of_a_server_hello() -> None:
    raw = hellos.hello_retry_request(extension(44, vector(2, b"cookie")))
    hello = check_message(read_server_hello, raw, whole_at=[2 + 32 + 1 + 2 + 1])
    assert hello.retry
    assert hello.version == TLS_1_3
    assert hello.extensions.key_shares == (0x17,)


@pytest.mark.parametrize(
    ("version", "suite"),
    [(hellos.DRAFT_18, 0), (hellos.DRAFT_19, 0x1301), (hellos.DRAFT_21, 0x1301)],
)
def test_a_hello_retry_request_of_a_draft_has_a_type_of_its_own(version: int, suite: int) -> None:
    raw = hellos.draft_retry_request(version, extension(40, u16s([0x17])))
    fixed = 2 if version == hellos.DRAFT_18 else 4
    hello = check_message(read_server_hello, raw, whole_at=[fixed])
    assert hello.retry
    assert (hello.version, hello.cipher_suite) == (version, suite)
    assert hello.extensions.key_shares == (0x17,)


@pytest.mark.parametrize(
    ("sentinel", "admits"), [(b"DOWNGRD\x01", "TLS 1.2"), (b"DOWNGRD\x00", "TLS 1.1")]
)
def test_the_downgrade_sentinel(sentinel: bytes, admits: str) -> None:
    raw = hellos.server_hello(random=bytes(24) + sentinel)
    assert read_server_hello(raw).downgrade == admits


@pytest.mark.parametrize("version", [*VERSIONS, 0x0002, 0x0305, 0xFEFD, 0])
def test_what_is_not_tls_1_3(version: int) -> None:
    assert not is_tls13(version)


# -- Certificate and CertificateRequest ------------------------------------------------


@pytest.mark.parametrize("chain", [(), (b"leaf",), (b"leaf", b"intermediate" * 100, b"")])
def test_certificate(chain: tuple[bytes, ...]) -> None:
    raw = hellos.certificate(*chain)
    read = check_message(read_certificate, raw)
    assert read.certificates == chain
    for der, offset in zip(chain, read.offsets, strict=True):
        assert raw[offset : offset + len(der)] == der


def test_a_chain_of_thousands_is_no_chain() -> None:
    assert len(read_certificate(hellos.certificate(*[b""] * MAX_CHAIN)).certificates) == MAX_CHAIN
    with pytest.raises(Malformed, match="holds more than 1024 certificates"):
        read_certificate(hellos.certificate(*[b""] * (MAX_CHAIN + 1)))


@pytest.mark.parametrize("version", VERSIONS)
def test_certificate_request(version: int) -> None:
    raw = hellos.certificate_request(version, b"first CA", b"", types=b"\x01\x40\xee")
    read = check_message(partial(read_certificate_request, version=version), raw)
    assert read.certificate_types == (1, 0x40, 0xEE)
    assert read.signature_algorithms == ((0x0401,) if version == TLS_1_2 else ())
    assert read.authorities == (b"first CA", b"")


def test_a_certificate_request_in_the_form_of_another_version_does_not_fit() -> None:
    with pytest.raises(ParseError):
        read_certificate_request(hellos.certificate_request(TLS_1_2, b"CA" * 20), TLS_1_0)


# -- ServerKeyExchange -----------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("suite", "params", "group", "bits"),
    [(hellos.ECDHE_RSA, ECDHE_PARAMS, 0x1D, None), (hellos.DHE_RSA, DHE_PARAMS, None, 1024)],
)
def test_a_signed_key_exchange(
    version: int, suite: int, params: bytes, group: int | None, bits: int | None
) -> None:
    exchange = key_exchange(suite)
    assert exchange is not None
    read = check_message(
        partial(read_server_key_exchange, version=version, key_exchange=exchange),
        hellos.signed(version, params),
        whole_at=[len(params)],  # as an anonymous exchange
    )
    assert (read.group, read.dh_bits, read.psk_hint) == (group, bits, None)
    assert read.params == params
    assert read.signature_scheme == (0x0804 if version == TLS_1_2 else None)
    assert read.signature == SIGNATURE


@pytest.mark.parametrize(
    ("suite", "params", "hint", "group", "bits"),
    [
        (hellos.PSK, b"", b"hint", None, None),
        (hellos.PSK, b"", b"", None, None),
        (hellos.RSA_PSK, b"", b"hint", None, None),
        (hellos.ECDHE_PSK, ECDHE_PARAMS, b"hint", 0x1D, None),
        (hellos.DHE_PSK, DHE_PARAMS, b"hint", None, 1024),
        (hellos.ECDH_ANON, ECDHE_PARAMS, None, 0x1D, None),
    ],
)
def test_an_unsigned_key_exchange(
    suite: int, params: bytes, hint: bytes | None, group: int | None, bits: int | None
) -> None:
    exchange = key_exchange(suite)
    assert exchange is not None
    raw = message(12, (b"" if hint is None else vector(2, hint)) + params)
    read = check_message(
        partial(read_server_key_exchange, version=TLS_1_2, key_exchange=exchange),
        raw,
        # What follows an anonymous exchange would be its signature.
        tail=None if hint is None else TAIL,
        cut=ParseError,
    )
    assert read == ServerKeyExchange(group, bits, hint, params, None, None)


@pytest.mark.parametrize("curve_type", [1, 2, 0xEE])
def test_explicit_curves_are_passed_over(curve_type: int) -> None:
    read = read_server_key_exchange(message(12, bytes([curve_type]) + bytes(50)), TLS_1_2, "ECDHE")
    assert read.group is None
    assert read.params == bytes(50)
    assert read.signature is None


@pytest.mark.parametrize("exchange", ["SRP", "KRB5", "RSA", "GOST"])
def test_exchanges_that_are_not_read_keep_their_bytes(exchange: str) -> None:
    read = read_server_key_exchange(message(12, b"anything"), TLS_1_2, exchange)
    assert read == ServerKeyExchange(None, None, None, b"anything", None, None)


# -- ClientKeyExchange and CertificateVerify -------------------------------------------


@pytest.mark.parametrize(
    ("exchange", "body", "identity"),
    [
        ("PSK", vector(2, b"device-7"), b"device-7"),
        ("ECDHE_PSK", vector(2, b"device-7") + vector(1, X25519_SHARE), b"device-7"),
        ("ECDHE", vector(1, X25519_SHARE), None),
        ("RSA", vector(2, bytes(256)), None),
    ],
)
def test_client_key_exchange(exchange: str, body: bytes, identity: bytes | None) -> None:
    assert read_client_key_exchange(message(16, body), exchange).psk_identity == identity


def test_a_psk_identity_that_claims_too_much() -> None:
    with pytest.raises(Truncated, match="psk_identity needs 11 bytes, only 5 are left"):
        read_client_key_exchange(message(16, b"\x00\x09abc"), "PSK")


@pytest.mark.parametrize("version", VERSIONS)
def test_certificate_verify(version: int) -> None:
    scheme = 0x0403 if version == TLS_1_2 else None
    body = (u16s([0x0403]) if scheme else b"") + vector(2, SIGNATURE)
    read = check_message(partial(read_certificate_verify, version=version), message(15, body))
    assert read == CertificateVerify(scheme, SIGNATURE)


# -- by type ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "version", "suite", "kind"),
    [
        (hellos.client_hello(), None, 0, ClientHello),
        (hellos.server_hello(), None, 0, ServerHello),
        (hellos.draft_retry_request(hellos.DRAFT_18), None, 0, ServerHello),
        (hellos.certificate(b"der"), TLS_1_2, hellos.ECDHE_RSA, CertificateMessage),
        (hellos.certificate(b"der"), None, 0, CertificateMessage),
        (hellos.certificate_request(TLS_1_2), TLS_1_2, hellos.ECDHE_RSA, CertificateRequest),
        (hellos.certificate_request(TLS_1_2), None, 0, CertificateRequest),
        (message(15, u16s([0x0401]) + vector(2, b"s")), TLS_1_2, 0, CertificateVerify),
        (hellos.signed(TLS_1_2, ECDHE_PARAMS), TLS_1_2, hellos.ECDHE_RSA, ServerKeyExchange),
        (message(16, vector(1, X25519_SHARE)), TLS_1_2, hellos.ECDHE_RSA, ClientKeyExchange),
    ],
)
def test_a_message_is_read_by_its_type(
    raw: bytes, version: int | None, suite: int, kind: type
) -> None:
    read = read_body(raw[0], raw, record_version=TLS_1_2, version=version, suite=suite)
    assert isinstance(read, kind)


@pytest.mark.parametrize(
    ("raw", "version", "suite"),
    [
        # In TLS 1.3 all of these are encrypted or have another form.
        (hellos.certificate(b"der"), TLS_1_3, hellos.TLS_13),
        (hellos.certificate(b"der"), hellos.DRAFT_18, hellos.TLS_13),
        # The form of a key exchange is not known before the suite is.
        (hellos.signed(TLS_1_2, ECDHE_PARAMS), None, 0),
        (hellos.signed(TLS_1_2, ECDHE_PARAMS), TLS_1_2, 0xFEFE),
        (message(16, b"\0"), None, 0),
        (hellos.draft_retry_request(hellos.DRAFT_18), TLS_1_2, hellos.RSA),
        (message(14, b""), TLS_1_2, hellos.RSA),
        (message(0xEE, b"unknown"), TLS_1_2, hellos.RSA),
    ],
)
def test_messages_of_which_nothing_is_read(raw: bytes, version: int | None, suite: int) -> None:
    assert read_body(raw[0], raw, record_version=TLS_1_2, version=version, suite=suite) is None


def test_the_records_version_stands_in_for_one_that_was_not_seen() -> None:
    raw = hellos.certificate_request(TLS_1_0, b"CA")
    read = read_body(13, raw, record_version=TLS_1_0, version=None, suite=0)
    assert isinstance(read, CertificateRequest)
    assert read.authorities == (b"CA",)
