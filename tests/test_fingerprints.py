"""Fingerprints against published values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.codepoints import GREASE_16
from analyzers.fingerprints import ja3, ja3s, ja4


def hexes(text: str) -> list[int]:
    return [int(value, 16) for value in text.split(",")]


# The worked example of FoxIO-LLC/ja4, technical_details/JA4.md, in wire order.
CIPHERS = hexes("1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035")
EXTENSIONS = hexes(
    "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"
)
SCHEMES = hexes("0403,0804,0401,0503,0805,0501,0806,0601")


def example(
    *,
    legacy_version: int = 0x0303,
    ciphers: list[int] = CIPHERS,
    extensions: list[int] = EXTENSIONS,
    versions: tuple[int, ...] = (0x0304, 0x0303),
    schemes: list[int] = SCHEMES,
    alpn: tuple[bytes, ...] = (b"h2", b"http/1.1"),
) -> str:
    return ja4(
        legacy_version,
        ciphers,
        extensions,
        versions=versions,
        signature_algorithms=schemes,
        alpn=alpn,
    )


def test_ja4_of_the_specification() -> None:
    assert example() == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_ja4_ignores_grease_everywhere() -> None:
    grease = example(
        ciphers=[0x1A1A, *CIPHERS],
        extensions=[0x0A0A, *EXTENSIONS, 0xFAFA],
        versions=(0xEAEA, 0x0304, 0x0303),
        schemes=[0x2A2A, *SCHEMES],
    )
    assert grease == example()


def test_ja4_without_signature_algorithms_has_no_trailing_underscore() -> None:
    # The digest is the specification's.
    assert example(schemes=[]) == "t13d1516h2_8daaf6152771_6d807ffa2a79"


def test_ja4_of_nothing_is_zeros_not_the_digest_of_nothing() -> None:
    assert ja4(0x0303, [], []) == "t12i000000_000000000000_000000000000"


def test_ja4_does_not_hash_server_name_and_alpn_but_counts_them() -> None:
    assert ja4(0x0303, [0xC02F], [0, 16], alpn=[b"mqtt"]) == "t12d0102mt_" + (
        ja4(0x0303, [0xC02F], []).split("_")[1] + "_000000000000"
    )
    # A list of signature algorithms alone cannot be: it comes in an extension.
    assert example(extensions=[0, 16]).endswith("_000000000000")


def test_ja4_depends_on_the_order_of_signature_algorithms_only() -> None:
    assert example(ciphers=CIPHERS[::-1], extensions=EXTENSIONS[::-1]) == example()
    assert example(schemes=SCHEMES[::-1]) != example()


def test_ja4_counts_are_capped() -> None:
    assert example(ciphers=list(range(1, 101))).startswith("t13d9916")
    assert example(extensions=list(range(150))).startswith("t13d1599")


@pytest.mark.parametrize(
    ("first", "letters"),
    [
        # The specification's examples.
        (b"h2", "h2"),
        (b"http/1.1", "h1"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
        (b"\xba\xad", "bd"),
        (b"q", "qq"),
        (b"", "00"),
        # What MQTT uses.
        (b"mqtt", "mt"),
        (b"x-amzn-mqtt-ca", "xa"),
    ],
)
def test_ja4_alpn(first: bytes, letters: str) -> None:
    assert example(alpn=(first,)) == f"t13d1516{letters}_8daaf6152771_e5627efa2ab1"


@pytest.mark.parametrize(
    ("legacy", "versions", "written"),
    [
        (0x0303, (0x0304,), "13"),
        (0x0303, (), "12"),
        (0x0302, (), "11"),
        (0x0301, (), "10"),
        (0x0300, (), "s3"),
        (0x0002, (), "s2"),
        (0x0303, (0x7F1C,), "00"),
        (0x0303, (0x1A1A,), "12"),
    ],
)
def test_ja4_version(legacy: int, versions: tuple[int, ...], written: str) -> None:
    assert example(legacy_version=legacy, versions=versions)[1:3] == written


@pytest.mark.parametrize(
    ("version", "ciphers", "extensions", "groups", "formats", "text", "digest"),
    [
        # The two examples in the README of salesforce/ja3.
        (
            769,
            [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4],
            [0, 10, 11],
            [23, 24, 25],
            [0],
            "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0",
            "ada70206e40642a3e4461f35503241d5",
        ),
        (
            769,
            [4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99],
            [],
            [],
            [],
            "769,4-5-10-9-100-98-3-6-19-18-99,,,",
            "de350869b8c85de67a350c8d186f11e6",
        ),
    ],
)
def test_ja3(
    version: int,
    ciphers: list[int],
    extensions: list[int],
    groups: list[int],
    formats: list[int],
    text: str,
    digest: str,
) -> None:
    assert ja3(version, ciphers, extensions, groups, formats) == (digest, text)
    grease = ja3(version, [0x0A0A, *ciphers], [*extensions, 0x1A1A], [0xDADA, *groups], [*formats])
    assert grease == (digest, text)


@pytest.mark.parametrize(
    ("version", "cipher", "extensions", "text", "digest"),
    [
        # Digests as Wireshark 4.0.17 shows them (tls.handshake.ja3s).
        (771, 4865, [51, 43], "771,4865,51-43", "eb1d94daa7e0344597e756a1fb6e7054"),
        (771, 4866, [43, 51], "771,4866,43-51", "15af977ce25de452b96affa2addb1036"),
        (771, 49200, [0, 11, 23], "771,49200,0-11-23", "fefe71bbf202a58d3dfed8b3415cd9fc"),
    ],
)
def test_ja3s(version: int, cipher: int, extensions: list[int], text: str, digest: str) -> None:
    assert ja3s(version, cipher, extensions) == (digest, text)


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.integers(0, 0xFFFF)),
    st.lists(st.integers(0, 0xFFFF)),
    st.lists(st.binary(max_size=255), max_size=3),
)
def test_any_hello_has_a_fingerprint_of_the_right_form(
    version: int, ciphers: list[int], extensions: list[int], alpn: list[bytes]
) -> None:
    made = ja4(version, ciphers, extensions, alpn=alpn)
    head, middle, tail = made.split("_")
    assert (len(head), len(middle), len(tail)) == (10, 12, 12)
    assert made.isascii()
    assert made.isprintable()
    digest, text = ja3(version, ciphers, extensions, [], [])
    assert len(digest) == 32
    assert text.count(",") == 4
    assert not {str(value) for value in GREASE_16} & set(text.split(",")[1].split("-"))
