"""ClientHellos of programs that cannot be run here, after captures of the real ones."""

from __future__ import annotations

from proxy.lab.messages import (
    MODERN_GROUPS,
    TLS_1_0,
    client_hello,
    extension,
    random_bytes,
    server_name_list,
    u16s,
    vector,
    x25519_share,
)

_SCHANNEL_SUITES = (
    *(0xC02C, 0xC02B, 0xC030, 0xC02F, 0x009F, 0x009E, 0xC024, 0xC023, 0xC028, 0xC027),
    *(0xC00A, 0xC009, 0xC014, 0xC013, 0x009D, 0x009C, 0x003D, 0x003C, 0x0035, 0x002F),
)
_SCHANNEL_SCHEMES = (
    *(0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0201, 0x0403, 0x0503, 0x0203, 0x0202),
    *(0x0601, 0x0603),
)
_NODE_SUITES = (
    *(0x1302, 0x1303, 0x1301, 0xC02F, 0xC02B, 0xC030, 0xC02C, 0x009E, 0xC027, 0x0067),
    *(0xC028, 0x006B, 0x00A3, 0x009F, 0xCCA9, 0xCCA8, 0xCCAA, 0xC0AF, 0xC0AD, 0xC0A3),
    *(0xC09F, 0xC05D, 0xC061, 0xC057, 0xC053, 0x00A2, 0xC0AE, 0xC0AC, 0xC0A2, 0xC09E),
    *(0xC05C, 0xC060, 0xC056, 0xC052, 0xC024, 0x006A, 0xC023, 0x0040, 0xC00A, 0xC014),
    *(0x0039, 0x0038, 0xC009, 0xC013, 0x0033, 0x0032, 0x009D, 0xC0A1, 0xC09D, 0xC051),
    *(0x009C, 0xC0A0, 0xC09C, 0xC050, 0x003D, 0x003C, 0x0035, 0x002F, 0x00FF),
)
_NODE_SCHEMES = (
    *(0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080A, 0x080B, 0x0804, 0x0805),
    *(0x0806, 0x0401, 0x0501, 0x0601, 0x0303, 0x0301, 0x0302, 0x0402, 0x0502, 0x0602),
)
_NODE_GROUPS = (0x1D, 0x17, 0x1E, 0x19, 0x18, 0x100, 0x101, 0x102, 0x103, 0x104)

NODE_CIPHERS = (
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA256:HIGH:"
    "!aNULL:!eNULL:!EXPORT:!DES:!RC4:!MD5:!PSK:!SRP:!CAMELLIA"
)
"""With these, OpenSSL's own hello begins as Node.js's does."""


def schannel(server_name: str) -> bytes:
    """.NET on Windows through SChannel, TLS 1.2 at most."""
    extensions = (
        extension(0, server_name_list(server_name)),
        extension(5, b"\x01\x00\x00\x00\x00"),
        extension(10, vector(2, u16s(MODERN_GROUPS))),
        extension(11, b"\x01\x00"),
        extension(13, vector(2, u16s(_SCHANNEL_SCHEMES))),
        extension(35, b""),
        extension(23, b""),
        extension(0xFF01, b"\x00"),
    )
    return client_hello(_SCHANNEL_SUITES, extensions)


def node(server_name: str) -> bytes:
    """MQTT.js on Node.js 20."""
    extensions = (
        extension(0, server_name_list(server_name)),
        extension(11, b"\x03\x00\x01\x02"),
        extension(10, vector(2, u16s(_NODE_GROUPS))),
        extension(35, b""),
        extension(22, b""),
        extension(23, b""),
        extension(13, vector(2, u16s(_NODE_SCHEMES))),
        extension(43, vector(1, u16s((0x0304, 0x0303)))),
        extension(45, b"\x01\x01"),
        extension(51, x25519_share()),
    )
    session_id = random_bytes("session")
    return client_hello(_NODE_SUITES, extensions, session_id=session_id, record_version=TLS_1_0)
