"""Code points: unknown values survive, duplicates do not."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers import codepoints
from analyzers.codepoints import (
    GREASE_16,
    AlertDescription,
    CertificateCompressionAlgorithm,
    CipherSuite,
    CodePoint,
    ExtensionType,
    HandshakeType,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
    SignatureScheme,
    label,
    labels,
)

KINDS = [
    kind
    for name in codepoints.__all__
    if isinstance(kind := getattr(codepoints, name), type)
    and issubclass(kind, CodePoint)
    and kind is not CodePoint
]

BYTE_WIDE = {
    kind
    for kind in KINDS
    if kind
    not in (
        CipherSuite,
        ExtensionType,
        NamedGroup,
        SignatureScheme,
        ProtocolVersion,
        CertificateCompressionAlgorithm,
    )
}


def test_every_registry_is_tested() -> None:
    assert len(KINDS) == 19


@pytest.mark.parametrize("kind", KINDS)
def test_known_values_have_a_printable_label_and_no_twin(kind: type[CodePoint]) -> None:
    spelled = [member.label for member in kind]
    assert len(set(spelled)) == len(spelled) == len(kind.__members__)
    for member in kind:
        assert member.is_known
        assert not member.is_grease
        assert member.label.isascii()
        assert member.label.isprintable()
        assert kind(member.value) is member


@given(st.sampled_from(KINDS), st.integers(0, 0xFFFF))
def test_any_number_that_fits_the_field_survives(kind: type[CodePoint], number: int) -> None:
    if number > 0xFF and kind in BYTE_WIDE:
        with pytest.raises(ValueError, match="is not a valid"):
            kind(number)
        return
    point = kind(number)
    assert point == number
    assert int(point) == number
    assert point.label == str(point) == label(kind, number)
    assert kind(int(point)) == point
    assert isinstance(point, kind)


def test_unknown_values_do_not_grow_the_enum() -> None:
    before = len(CipherSuite), len(CipherSuite._value2member_map_)
    for number in range(0x10000):
        CipherSuite(number)
    assert (len(CipherSuite), len(CipherSuite._value2member_map_)) == before


def test_unknown_values_compare_hash_and_travel_as_their_number() -> None:
    unknown = CipherSuite(0x1234)
    assert unknown == CipherSuite(0x1234) == 0x1234
    assert {unknown: "seen"}[CipherSuite(0x1234)] == "seen"
    assert unknown in {0x1234, 0x1235}
    assert not unknown.is_known
    assert repr(unknown) == "<CipherSuite 0x1234>"
    assert pickle.loads(pickle.dumps(unknown)) == unknown


@pytest.mark.parametrize("number", [-1, 0x10000, 1 << 40])
def test_what_cannot_be_on_the_wire_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="is not a valid CipherSuite"):
        CipherSuite(number)


def test_unknown_values_are_written_as_wide_as_their_field() -> None:
    assert label(AlertDescription, 255) == "0xFF"
    assert label(ExtensionType, 0x0ABC) == "0x0ABC"


@pytest.mark.parametrize(
    "kind", [CipherSuite, ExtensionType, NamedGroup, SignatureScheme, ProtocolVersion]
)
def test_grease_is_recognised_wherever_it_is_reserved(kind: type[CodePoint]) -> None:
    found = [number for number in range(0x10000) if kind(number).is_grease]
    assert found == sorted(GREASE_16)
    assert found[0] == 0x0A0A
    assert found[-1] == 0xFAFA
    assert len(found) == 16
    assert kind(0x1A1A).label == "GREASE(0x1A1A)"
    assert not kind(0x1A1A).is_known


def test_psk_modes_have_grease_values_of_their_own() -> None:
    found = [number for number in range(256) if PskKeyExchangeMode(number).is_grease]
    assert found == [0x0B, 0x2A, 0x49, 0x68, 0x87, 0xA6, 0xC5, 0xE4]
    assert PskKeyExchangeMode(0x0B).label == "GREASE(0x0B)"


@pytest.mark.parametrize(
    ("kind", "number", "spelled"),
    [
        (CipherSuite, 0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        (CipherSuite, 0x0018, "TLS_DH_anon_WITH_RC4_128_MD5"),
        (CipherSuite, 0x00FF, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
        (CipherSuite, 0x5600, "TLS_FALLBACK_SCSV"),
        (NamedGroup, 0x001D, "x25519"),
        (NamedGroup, 0x001A, "brainpoolP256r1"),
        (NamedGroup, 0x0104, "ffdhe8192"),
        (NamedGroup, 0x11EB, "SecP256r1MLKEM768"),
        (NamedGroup, 0x11EC, "X25519MLKEM768"),
        (NamedGroup, 0x11ED, "SecP384r1MLKEM1024"),
        (NamedGroup, 0x0200, "MLKEM512"),
        (NamedGroup, 0x6399, "X25519Kyber768Draft00"),
        (NamedGroup, 0xFF01, "arbitrary_explicit_prime_curves"),
        (SignatureScheme, 0x0804, "rsa_pss_rsae_sha256"),
        (SignatureScheme, 0x0905, "mldsa65"),
        (SignatureScheme, 0x0302, "dsa_sha224"),
        (SignatureScheme, 0x081A, "ecdsa_brainpoolP256r1tls13_sha256"),
        (ExtensionType, 16, "application_layer_protocol_negotiation"),
        (ExtensionType, 65037, "encrypted_client_hello"),
        (AlertDescription, 70, "protocol_version"),
        (AlertDescription, 116, "certificate_required"),
        (ProtocolVersion, 0x0002, "SSL 2.0"),
        (ProtocolVersion, 0x0300, "SSL 3.0"),
        (ProtocolVersion, 0x0301, "TLS 1.0"),
        (ProtocolVersion, 0x0304, "TLS 1.3"),
        (ProtocolVersion, 0x7F1C, "TLS 1.3 draft 28"),
        (ProtocolVersion, 0x0305, "0x0305"),
        (HandshakeType, 2, "server_hello"),
    ],
)
def test_names_are_spelled_as_people_search_for_them(
    kind: type[CodePoint], number: int, spelled: str
) -> None:
    assert kind(number).label == spelled
    assert labels(kind, [number, number]) == [spelled, spelled]


@pytest.mark.parametrize(
    ("number", "struct"),
    [(1, "ClientHello"), (6, "HelloRetryRequest"), (21, "CertificateURL"), (99, "0x63")],
)
def test_messages_have_the_name_of_their_structure(number: int, struct: str) -> None:
    assert HandshakeType(number).struct == struct


def test_two_names_for_one_number_are_refused() -> None:
    with pytest.raises(TypeError, match="BADSIG and BADVERS are one number"):

        class Rcode(CodePoint):
            BADVERS = 16
            BADSIG = 16


@pytest.mark.parametrize("number", [0x0A0A, 0x10000, -1])
def test_a_name_for_an_impossible_number_is_refused(number: int) -> None:
    with pytest.raises(TypeError, match="NAMED cannot have the number"):

        class Bad(CodePoint, grease=GREASE_16):
            NAMED = number
