"""What a cipher suite's name says, and how long its records are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.codepoints import CipherSuite, ProtocolVersion
from analyzers.codepoints import suites as s

TLS10, TLS11, TLS12, TLS13 = 0x0301, 0x0302, 0x0303, 0x0304


def suite(name: str) -> int:
    return int(CipherSuite[f"TLS_{name}"])


def test_every_suite_but_the_signalling_ones_has_facts() -> None:
    without = {point for point in CipherSuite if s.facts(point) is None}
    assert without == s.SIGNALLING
    assert {s.hash_length(point) for point in CipherSuite} == {None, 32, 48, 64}


@pytest.mark.parametrize("number", [0x1A1A, 0x1234, 0x00FF, 0x5600, -1, 0x10000])
def test_nothing_is_said_of_unknown_grease_and_signalling_values(number: int) -> None:
    assert s.facts(number) is None
    assert s.key_exchange(number) is None
    assert s.authentication(number) is None
    assert s.certificate_key(number) is None
    assert s.hash_name(number) is None
    assert s.hash_length(number) is None
    assert s.min_version(number) is None
    assert s.max_version(number) is None
    assert not s.fits(number, TLS12)
    assert s.protected_length(number, TLS12, 2) is None
    assert s.plaintext_range(number, TLS12, 26) is None


@pytest.mark.parametrize(
    ("name", "exchange", "proof", "key"),
    [
        ("RSA_WITH_AES_128_GCM_SHA256", "RSA", "RSA", "RSA"),
        ("ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE", "ECDSA", "EC"),
        ("DHE_DSS_WITH_AES_128_CBC_SHA", "DHE", "DSS", "DSA"),
        ("DHE_DSS_EXPORT_WITH_DES40_CBC_SHA", "DHE", "DSS", "DSA"),
        ("ECDH_RSA_WITH_AES_128_CBC_SHA", "ECDH", "ECDH", "EC"),
        ("DH_anon_WITH_AES_128_CBC_SHA", "DHE", "anon", None),
        ("PSK_WITH_AES_128_GCM_SHA256", "PSK", "PSK", None),
        ("PSK_DHE_WITH_AES_128_CCM_8", "DHE_PSK", "PSK", None),
        ("ECDHE_PSK_WITH_AES_128_GCM_SHA256", "ECDHE_PSK", "PSK", None),
        ("RSA_PSK_WITH_AES_128_GCM_SHA256", "RSA_PSK", "RSA", "RSA"),
        ("AES_128_GCM_SHA256", "TLS13", "TLS13", "any"),
        ("GOSTR341112_256_WITH_MAGMA_MGM_S", "TLS13", "TLS13", "any"),
        ("GOSTR341112_256_WITH_MAGMA_CTR_OMAC", "GOST", "GOST", "GOST"),
    ],
)
def test_keys(name: str, exchange: str, proof: str, key: str | None) -> None:
    assert s.key_exchange(suite(name)) == exchange
    assert s.authentication(suite(name)) == proof
    assert s.certificate_key(suite(name)) == key


@pytest.mark.parametrize(
    ("name", "digest", "least", "most"),
    [
        ("AES_256_GCM_SHA384", "SHA384", "TLS 1.3", "TLS 1.3"),
        ("ECDHE_RSA_WITH_AES_256_GCM_SHA384", "SHA384", "TLS 1.2", "TLS 1.2"),
        ("ECDHE_RSA_WITH_AES_128_CBC_SHA256", "SHA256", "TLS 1.2", "TLS 1.2"),
        ("ECDHE_RSA_WITH_AES_128_CBC_SHA", "SHA256", "SSL 3.0", "TLS 1.2"),
        ("PSK_WITH_AES_256_CBC_SHA384", "SHA384", "SSL 3.0", "TLS 1.2"),
        ("ECDHE_ECDSA_WITH_AES_128_CCM", "SHA256", "TLS 1.2", "TLS 1.2"),
        ("SM4_CCM_SM3", "SM3", "TLS 1.3", "TLS 1.3"),
    ],
)
def test_hash_and_versions(name: str, digest: str, least: str, most: str) -> None:
    number = suite(name)
    low, high = s.min_version(number), s.max_version(number)
    assert s.hash_name(number) == digest
    assert low is not None
    assert high is not None
    assert (low.label, high.label) == (least, most)
    assert s.fits(number, low)
    assert not s.fits(number, high + 1)


# An alert is two bytes; these lengths were seen on real connections.
@pytest.mark.parametrize(
    ("name", "version", "etm", "length"),
    [
        ("AES_128_GCM_SHA256", TLS13, False, 19),
        ("AES_256_GCM_SHA384", TLS13, False, 19),
        ("CHACHA20_POLY1305_SHA256", TLS13, False, 19),
        ("AES_128_CCM_8_SHA256", TLS13, False, 11),
        ("ECDHE_RSA_WITH_AES_128_GCM_SHA256", TLS12, False, 26),
        ("ECDHE_ECDSA_WITH_AES_128_CCM", TLS12, False, 26),
        ("ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", TLS12, False, 18),
        ("ECDHE_ECDSA_WITH_AES_128_CCM_8", TLS12, False, 18),
        ("RSA_WITH_AES_128_CBC_SHA", TLS12, False, 48),
        ("RSA_WITH_AES_128_CBC_SHA", TLS12, True, 52),
        ("RSA_WITH_AES_128_CBC_SHA256", TLS12, False, 64),
        ("ECDHE_RSA_WITH_AES_256_CBC_SHA384", TLS12, False, 80),
        ("RSA_WITH_AES_128_CBC_SHA", TLS11, False, 48),
        ("RSA_WITH_AES_128_CBC_SHA", TLS10, False, 32),
        ("RSA_WITH_RC4_128_SHA", TLS12, False, 22),
        ("RSA_WITH_3DES_EDE_CBC_SHA", TLS10, False, 24),
    ],
)
def test_length_of_an_alert(name: str, version: int, etm: bool, length: int) -> None:
    number = suite(name)
    assert s.protected_length(number, version, 2, encrypt_then_mac=etm) == length
    span = s.plaintext_range(number, version, length, encrypt_then_mac=etm)
    assert span is not None
    assert span[0] <= 2 <= span[1]


def test_a_suite_has_no_length_outside_its_versions() -> None:
    assert s.protected_length(suite("AES_128_GCM_SHA256"), TLS12, 2) is None
    assert s.protected_length(suite("RSA_WITH_AES_128_GCM_SHA256"), TLS11, 2) is None
    assert s.protected_length(suite("RSA_WITH_AES_128_CBC_SHA"), TLS13, 2) is None


def test_lengths_that_no_plaintext_gives() -> None:
    assert s.plaintext_range(suite("AES_128_GCM_SHA256"), TLS13, 16) is None
    assert s.plaintext_range(suite("RSA_WITH_AES_128_CBC_SHA"), TLS12, 49) is None
    assert s.plaintext_range(suite("RSA_WITH_AES_128_CBC_SHA"), TLS12, 16) is None


@given(
    st.sampled_from([point for point in CipherSuite if s.facts(point)]),
    st.sampled_from([TLS10, TLS11, TLS12, TLS13]),
    st.integers(0, 0x4000),
    st.booleans(),
)
def test_length_and_range_agree(number: int, version: int, plain: int, etm: bool) -> None:
    length = s.protected_length(number, version, plain, encrypt_then_mac=etm)
    if length is None:
        assert not s.fits(number, version)
        return
    span = s.plaintext_range(number, version, length, encrypt_then_mac=etm)
    assert span is not None
    least, most = span
    assert least <= plain <= most
    for edge in span:
        assert s.protected_length(number, version, edge, encrypt_then_mac=etm) == length
    if least:
        before = s.protected_length(number, version, least - 1, encrypt_then_mac=etm)
        assert before is not None
        assert before < length
    after = s.protected_length(number, version, most + 1, encrypt_then_mac=etm)
    assert after is not None
    assert after > length


def test_versions_are_code_points() -> None:
    assert s.min_version(0x1301) is ProtocolVersion.TLS_1_3
