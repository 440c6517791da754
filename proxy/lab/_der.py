"""Just enough DER (X.690) to sign certificates that `cryptography` refuses to build."""

from __future__ import annotations

from collections.abc import Callable, Iterator

_SEQUENCE = 0x30
_BIT_STRING = 0x03
_EXPLICIT_VERSION = 0xA0
_EXPLICIT_EXTENSIONS = 0xA3


def encode(tag: int, content: bytes) -> bytes:
    """One element with a definite length."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def elements(content: bytes) -> Iterator[bytes]:
    """The elements that follow one another in `content`, headers included.

    Only for DER that this program made: a damaged element raises IndexError or
    ValueError.
    """
    at = 0
    while at < len(content):
        start, size = _content(content, at)
        yield content[at : start + size]
        at = start + size


def inside(element: bytes) -> bytes:
    """The content of one element."""
    start, size = _content(element, 0)
    return element[start : start + size]


def resign(
    certificate: bytes,
    *,
    algorithm: bytes | None,
    version_1: bool,
    sign: Callable[[bytes], bytes],
) -> bytes:
    """A certificate with another signature algorithm, or as X.509 version 1.

    Args:
        certificate: DER of a sound certificate.
        algorithm: DER of the AlgorithmIdentifier to write; None keeps the present one.
        version_1: leave out version and extensions (RFC 5280 section 4.1.2.1).
        sign: gives the signature of a TBSCertificate under `algorithm`.
    """
    tbs, old_algorithm, _ = elements(inside(certificate))
    chosen = algorithm or old_algorithm
    fields = []
    for field in elements(inside(tbs)):
        if version_1 and field[0] in (_EXPLICIT_VERSION, _EXPLICIT_EXTENSIONS):
            continue
        fields.append(chosen if field == old_algorithm else field)
    new_tbs = encode(_SEQUENCE, b"".join(fields))
    signature = encode(_BIT_STRING, b"\x00" + sign(new_tbs))
    return encode(_SEQUENCE, new_tbs + chosen + signature)


def _content(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at `at` begins, and its size."""
    size = data[at + 1]
    start = at + 2
    if size >= 0x80:
        octets = size & 0x7F
        size = int.from_bytes(data[start : start + octets], "big")
        start += octets
    if start + size > len(data):
        raise ValueError("a DER element reaches past the end of its enclosing data")
    return start, size
