"""JA3, JA3S and JA4: short names for the shape of a hello.

JA3 and JA3S: github.com/salesforce/ja3 (BSD-3-Clause). JA4 for TLS clients:
github.com/FoxIO-LLC/ja4, technical_details/JA4.md (BSD-3-Clause); the other JA4+
fingerprints have a licence of their own and are not made here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from analyzers.codepoints import GREASE_16

_SERVER_NAME, _ALPN = 0, 16
_NOTHING = "000000000000"
_JA4_VERSIONS = {
    0x0002: "s2",
    0x0300: "s3",
    0x0301: "10",
    0x0302: "11",
    0x0303: "12",
    0x0304: "13",
}


def ja3(
    legacy_version: int,
    ciphers: Iterable[int],
    extensions: Iterable[int],
    groups: Iterable[int],
    point_formats: Iterable[int],
) -> tuple[str, str]:
    """A ClientHello's JA3: the MD5 digest in hex, and the string that it digests.

    All values in wire order; GREASE is dropped here.
    """
    fields = (
        str(legacy_version),
        _dashed(ciphers),
        _dashed(extensions),
        _dashed(groups),
        _dashed(point_formats),
    )
    return _md5(fields)


def ja3s(version: int, cipher: int, extensions: Iterable[int]) -> tuple[str, str]:
    """A ServerHello's JA3S: the MD5 digest in hex, and the string that it digests.

    `version` is the legacy_version field (0x0303 also for TLS 1.3).
    """
    return _md5((str(version), str(cipher), _dashed(extensions)))


def ja4(
    legacy_version: int,
    ciphers: Iterable[int],
    extensions: Iterable[int],
    *,
    versions: Iterable[int] = (),
    signature_algorithms: Iterable[int] = (),
    alpn: Sequence[bytes] = (),
) -> str:
    """A ClientHello's JA4 over TCP, like `t13d1516h2_8daaf6152771_e5627efa2ab1`.

    `versions` is the supported_versions extension, empty without one; `alpn` the offered
    names. All values in wire order; GREASE is dropped here.
    """
    suites, kinds, schemes = _real(ciphers), _real(extensions), _real(signature_algorithms)
    version = _JA4_VERSIONS.get(max(_real(versions), default=legacy_version), "00")
    name = "d" if _SERVER_NAME in kinds else "i"
    head = (
        f"t{version}{name}{min(len(suites), 99):02}{min(len(kinds), 99):02}"
        f"{_alpn_letters(alpn[0] if alpn else b'')}"
    )
    hashed = sorted(kind for kind in kinds if kind not in (_SERVER_NAME, _ALPN))
    middle = _sha256(_hexes(sorted(suites))) if suites else _NOTHING
    if not hashed:
        return f"{head}_{middle}_{_NOTHING}"
    tail = _hexes(hashed) + (f"_{_hexes(schemes)}" if schemes else "")
    return f"{head}_{middle}_{_sha256(tail)}"


def _real(values: Iterable[int]) -> list[int]:
    return [value for value in values if value not in GREASE_16]


def _dashed(values: Iterable[int]) -> str:
    return "-".join(map(str, _real(values)))


def _hexes(values: Iterable[int]) -> str:
    return ",".join(f"{value:04x}" for value in values)


def _md5(fields: Iterable[str]) -> tuple[str, str]:
    text = ",".join(fields)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), text


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _alpn_letters(first: bytes) -> str:
    """The first and last letter of a name, or of its hex form if one is not alphanumeric."""
    if not first:
        return "00"
    ends = first[:1] + first[-1:]
    # isalnum() on bytes knows ASCII only, which is what is wanted.
    return ends.decode() if ends.isalnum() else first[:1].hex()[0] + first[-1:].hex()[1]
