"""Protocols that end up on a TLS port by mistake, or in front of one."""

from __future__ import annotations

import re

from analyzers.codepoints import ProtocolVersion
from analyzers.plaintext._answer import (
    LINE_LIMIT,
    RECORD_TYPES,
    WAIT,
    Answer,
    Matcher,
    Recognised,
    Wait,
    first_line,
    prefix,
    shown,
)


def sslv2(data: bytes, final: bool) -> Answer:
    """A ClientHello in SSL 2.0 framing (RFC 5246 appendix E.2)."""
    if not data or not data[0] & 0x80 or (len(data) > 2 and data[2] != 1):
        return None if data else WAIT
    size = 2 + ((data[0] & 0x7F) << 8 | data[1]) if len(data) > 1 else 0
    if len(data) < 11:
        return WAIT
    version = ProtocolVersion(int.from_bytes(data[3:5], "big"))
    lengths = [int.from_bytes(data[at : at + 2], "big") for at in (5, 7, 9)]
    if not version.is_known or 11 + sum(lengths) != size or lengths[0] % 3:
        return None
    if len(data) < size and not final:
        return WAIT
    return Recognised(
        kind="sslv2",
        says=f"a hello in SSL 2.0 framing that offers up to {version.label}",
        detail={"version": version.label, "cipher_specs": lengths[0] // 3, "length": size},
        consumed=size if len(data) >= size else 0,
    )


def dtls(data: bytes, final: bool) -> Answer:
    """A DTLS record (RFC 6347 section 4.1)."""
    if not data or data[0] not in RECORD_TYPES:
        return None if data else WAIT
    if len(data) < 3:
        return WAIT if data[1:2] in (b"", b"\xfe") else None
    version = ProtocolVersion(int.from_bytes(data[1:3], "big"))
    if not version.label.startswith("DTLS"):
        return None
    return Recognised(
        kind="dtls",
        says=f"a {version.label} record, which belongs on UDP",
        detail={"version": version.label},
    )


def socks(data: bytes, final: bool) -> Answer:
    """A SOCKS request (RFC 1928 section 3; SOCKS 4)."""
    if not data or data[0] not in (4, 5):
        return None if data else WAIT
    if len(data) < 2:
        return WAIT
    if data[0] == 4:
        if data[1] not in (1, 2) or len(data) < 9:
            return WAIT if data[1] in (1, 2) else None
        return Recognised(kind="socks", says="a SOCKS 4 request", detail={"version": 4})
    methods = data[2 : 2 + data[1]]
    if not 1 <= data[1] <= 8 or any(3 < method < 0x80 for method in methods):
        return None
    if len(methods) < data[1]:
        return WAIT
    return Recognised(kind="socks", says="a SOCKS 5 greeting", detail={"version": 5})


def amqp(data: bytes, final: bool) -> Answer:
    """An AMQP protocol header; servers answer with one when they refuse."""
    begins = prefix(data, b"AMQP")
    if not begins or len(data) < 8:
        return WAIT if begins is not False else None
    protocol, major, minor, revision = data[4:8]
    version = "0-9-1" if major == 0 else f"{major}.{minor}"
    return Recognised(
        kind="amqp",
        says=f"an AMQP {version} protocol header in clear",
        detail={
            "version": version,
            "protocol_id": protocol,
            "raw": f"{protocol}-{major}-{minor}-{revision}",
        },
    )


def postgresql(data: bytes, final: bool) -> Answer:
    """What a PostgreSQL client sends first (its documentation's section 55.7)."""
    if data[:2] != b"\0\0"[: len(data)]:
        return None
    if len(data) < 8:
        return WAIT
    size, code = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
    if size == 8 and code == 80877103:
        says, what = "a PostgreSQL request to start TLS", "SSLRequest"
    elif 8 < size < 10000 and code == 0x30000:
        says, what = "a PostgreSQL startup message in clear", "StartupMessage"
    else:
        return None
    return Recognised(kind="postgresql", says=says, detail={"message": what})


def mysql(data: bytes, final: bool) -> Answer:
    """The greeting with which a MySQL server begins (protocol version 10)."""
    if len(data) < 5:
        return WAIT if data[3:] == b"\0"[: max(0, len(data) - 3)] else None
    if data[3] != 0 or data[4] != 10:
        return None
    end = data.find(b"\0", 5, 69)
    if end < 0:
        return None if final or len(data) >= 69 else WAIT
    version = data[5:end]
    if not re.fullmatch(rb"\d+\.\d+[\x20-\x7e]*", version):
        return None
    return Recognised(
        kind="mysql",
        says=f"a MySQL greeting in clear (version {shown(version)})",
        detail={"version": shown(version)},
    )


def rdp(data: bytes, final: bool) -> Answer:
    """An X.224 connection request or answer in a TPKT (RFC 1006 section 6)."""
    begins = prefix(data, b"\x03\0")
    if not begins or len(data) < 6:
        return WAIT if begins is not False else None
    if data[5] not in (0xD0, 0xE0):
        return None
    return Recognised(
        kind="rdp",
        says="the beginning of a Remote Desktop (X.224) connection",
        detail={"answer": data[5] == 0xD0},
    )


def stun(data: bytes, final: bool) -> Answer:
    """A STUN message (RFC 8489 section 5)."""
    if data and data[0] not in (0, 1):
        return None
    if len(data) < 8:
        return WAIT
    if data[4:8] != b"\x21\x12\xa4\x42":
        return None
    return Recognised(kind="stun", says="a STUN message in clear")


_CLIENT_LINES: tuple[tuple[str, bytes, str], ...] = (
    ("ssh", rb"SSH-[\d.]+-", "an SSH banner"),
    ("smtp", rb"(?i:EHLO|HELO|LHLO) ", "an SMTP greeting in clear"),
    ("ftp", rb"(?i:USER|AUTH) ", "an FTP or POP3 command in clear"),
    ("imap", rb"\w+ (?i:CAPABILITY|LOGIN|STARTTLS|AUTHENTICATE)\b", "an IMAP command in clear"),
    ("redis", rb"\*\d+$|(?i:PING)$", "a Redis command in clear"),
)
_SERVER_LINES: tuple[tuple[str, bytes, str], ...] = (
    ("ssh", rb"SSH-[\d.]+-", "an SSH banner"),
    ("ftp", rb"(?i)220[ -].*FTP", "an FTP greeting in clear"),
    ("smtp", rb"(220|421|554)[ -]", "an SMTP greeting in clear"),
    ("redis", rb"-(ERR|NOAUTH|DENIED|WRONGPASS|MISCONF|LOADING)\b|\+(OK|PONG)$", "a Redis reply"),
    ("pop3", rb"(\+OK|-ERR)\b", "a POP3 greeting in clear"),
    ("imap", rb"\* (OK|PREAUTH|BYE)\b", "an IMAP greeting in clear"),
)
# What a client says after these words may be a name or a secret.
_SHOW_LINE = frozenset(("ssh", "smtp"))


def _lines(table: tuple[tuple[str, bytes, str], ...]) -> Matcher:
    def match(data: bytes, final: bool) -> Answer:
        seen = data[:LINE_LIMIT].split(b"\n", 1)[0]
        if not re.fullmatch(rb"[\t\x20-\x7e]*\r?", seen):
            return None
        line = first_line(data, final)
        if isinstance(line, Wait):
            return line
        for kind, pattern, says in table:
            if re.match(pattern, line):
                show = kind in _SHOW_LINE
                return Recognised(
                    kind=kind,
                    says=f"{says} ({shown(line)})" if show else says,
                    detail={"line": shown(line)} if show else {},
                )
        return None

    return match


client_line = _lines(_CLIENT_LINES)
server_line = _lines(_SERVER_LINES)
