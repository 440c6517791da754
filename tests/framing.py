"""Readable builders for frames, packets and capture files."""

from __future__ import annotations

import struct
from collections.abc import Iterable

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

CLIENT = bytes((10, 0, 0, 1))
SERVER = bytes((10, 0, 0, 2))
CLIENT6 = bytes.fromhex("20010db8000000000000000000000001")
SERVER6 = bytes.fromhex("20010db8000000000000000000000002")
CLIENT_PORT, SERVER_PORT = 50000, 8883


def tcp(
    payload: bytes = b"",
    *,
    seq: int = 0,
    ack: int = 0,
    flags: int = ACK,
    ports: tuple[int, int] = (CLIENT_PORT, SERVER_PORT),
    options: bytes = b"",
) -> bytes:
    """A TCP segment; its checksum is left at zero."""
    offset = 20 + len(options) << 2
    head = struct.pack("!HHIIBBHHH", *ports, seq, ack, offset, flags, 65535, 0, 0)
    return head + options + payload


def ip4(
    payload: bytes,
    *,
    source: bytes = CLIENT,
    target: bytes = SERVER,
    protocol: int = 6,
    ident: int = 1,
    fragment: int = 0,
    options: bytes = b"",
    total: int | None = None,
) -> bytes:
    """An IPv4 packet; `fragment` holds the flags and the offset in units of 8 bytes."""
    size = 20 + len(options)
    total = size + len(payload) if total is None else total
    head = struct.pack("!BBHHHBBH", 0x40 | size >> 2, 0, total, ident, fragment, 64, protocol, 0)
    return head + source + target + options + payload


def ip6(
    payload: bytes,
    *,
    source: bytes = CLIENT6,
    target: bytes = SERVER6,
    following: int = 6,
    length: int | None = None,
) -> bytes:
    """An IPv6 packet."""
    length = len(payload) if length is None else length
    return struct.pack("!IHBB", 6 << 28, length, following, 64) + source + target + payload


def udp(payload: bytes, port: int) -> bytes:
    """A UDP datagram to `port`."""
    return struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload


def ethernet(payload: bytes, kind: int = 0x0800) -> bytes:
    """An Ethernet frame."""
    return bytes(12) + kind.to_bytes(2, "big") + payload


def pcap(
    frames: Iterable[tuple[float, bytes]],
    *,
    link: int = 1,
    order: str = "<",
    nano: bool = False,
    modified: bool = False,
    snaplen: int = 262_144,
) -> bytes:
    """A classic capture of (seconds, frame); frames longer than `snaplen` are cut."""
    magic = 0xA1B23C4D if nano else 0xA1B2CD34 if modified else 0xA1B2C3D4
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link)
    for at, frame in frames:
        parts = round(at % 1 * (1e9 if nano else 1e6))
        out += struct.pack(order + "IIII", int(at), parts, min(len(frame), snaplen), len(frame))
        out += bytes(8 if modified else 0) + frame[:snaplen]
    return out


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def section(order: str = "<") -> bytes:
    """A pcapng section header."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = 1, options: bytes = b"", order: str = "<", snaplen: int = 0) -> bytes:
    """A pcapng interface description."""
    return block(1, struct.pack(order + "HHI", link, 0, snaplen) + options, order)


def enhanced(frame: bytes, stamp: int, *, index: int = 0, order: str = "<") -> bytes:
    """A pcapng packet with a comment option behind it."""
    head = struct.pack(
        order + "IIIII", index, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame)
    )
    comment = struct.pack(order + "HH4sHH", 1, 4, b"note", 0, 0)
    return block(6, head + frame + bytes(-len(frame) % 4) + comment, order)
