from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.capture.links import ethertype_name, link_name, protocol_name
from analyzers.capture.packets import Dissector
from tests.framing import (
    ACK,
    CLIENT,
    CLIENT6,
    CLIENT_PORT,
    PSH,
    SERVER,
    SERVER6,
    SERVER_PORT,
    SYN,
    ethernet,
    ip4,
    ip6,
    tcp,
    udp,
)

PORTS = struct.pack("!HH", CLIENT_PORT, SERVER_PORT)
KEY4 = CLIENT + SERVER + PORTS
KEY6 = CLIENT6 + SERVER6 + PORTS
HELLO = b"hello over TCP"
TCP = tcp(HELLO, seq=7, ack=9, flags=PSH | ACK)

Segment = tuple[bytes, int, int, int, bytes, int]


class Recorder:
    """Takes what a dissector finds."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.unreachable: list[tuple[bytes, str, str]] = []
        self.dissector = Dissector(self._segment, self._unreachable)

    def _segment(
        self,
        key: bytes,
        seq: int,
        ack: int,
        flags: int,
        view: memoryview,
        start: int,
        end: int,
        cut: int,
        at: float,
        number: int,
    ) -> None:
        assert (at, number) == (12.5, 3)
        assert 0 <= start <= end
        self.segments.append((key, seq, ack, flags, bytes(view[start:end]), cut))

    def _unreachable(self, key: bytes, why: str, detail: str, at: float, number: int) -> None:
        self.unreachable.append((key, why, detail))

    def take(self, frame: bytes, *, link: int = 1, wire: int | None = None) -> None:
        """A frame in the middle of a window that holds others."""
        view = memoryview(b"\xaa" * 9 + frame + b"\xff" * 50)
        self.dissector.frame(view, 9, 9 + len(frame), wire or len(frame), link, 12.5, 3)


def dissect(frame: bytes, *, link: int = 1, wire: int | None = None) -> Recorder:
    recorder = Recorder()
    recorder.take(frame, link=link, wire=wire)
    return recorder


def vlan(kind: int) -> bytes:
    return struct.pack("!HH", 100, kind)


V4, V6 = ip4(TCP), ip6(TCP)
PPP4 = b"\x00\x21" + V4
IN_ETHERNET = ethernet(V4)
ERSPAN_2 = b"\x10\x00\x88\xbe" + bytes(4) + b"\x10" + bytes(7)
ERSPAN_3 = b"\x10\x00\x22\xeb" + bytes(4) + b"\x20" + bytes(11)
EXTENSIONS = (
    bytes([60, 0]) + bytes(6)  # hop by hop
    + bytes([43, 1]) + bytes(14)  # destination options
    + bytes([51, 0]) + bytes(6)  # routing
    + bytes([44, 4]) + bytes(22)  # authentication
    + bytes([6, 0]) + bytes(6)  # an atomic fragment
)  # fmt: skip

FRAMES = {
    "ethernet": (1, IN_ETHERNET, KEY4),
    "ethernet, padded": (1, ethernet(ip4(tcp(b"", seq=7, ack=9)) + bytes(6)), KEY4),
    "ethernet, v6": (1, ethernet(V6, 0x86DD), KEY6),
    "v4 options": (1, ethernet(ip4(TCP, options=b"\x94\x04\x00\x00")), KEY4),
    "v6 extensions": (1, ethernet(ip6(EXTENSIONS + TCP, following=0), 0x86DD), KEY6),
    "tcp options": (1, ethernet(ip4(tcp(HELLO, seq=7, ack=9, options=bytes(12)))), KEY4),
    "v4 total length 0": (1, ethernet(ip4(TCP, total=0)), KEY4),
    "v6 length 0": (1, ethernet(ip6(TCP, length=0), 0x86DD), KEY6),
    "snap": (1, bytes(12) + b"\x00\x50\xaa\xaa\x03\0\0\0\x08\x00" + V4, KEY4),
    "vlan": (1, ethernet(vlan(0x0800) + V4, 0x8100), KEY4),
    "qinq": (1, ethernet(vlan(0x8100) + vlan(0x0800) + V4, 0x88A8), KEY4),
    "mpls": (1, ethernet(b"\x00\x01\x00\xff\x00\x02\x01\xff" + V4, 0x8847), KEY4),
    "mpls pseudowire": (1, ethernet(b"\x00\x02\x01\xff" + bytes(4) + IN_ETHERNET, 0x8847), KEY4),
    "pppoe": (1, ethernet(b"\x11\x00\x00\x01\x00\x50" + PPP4, 0x8864), KEY4),
    "linux cooked": (113, bytes(14) + b"\x08\x00" + V4, KEY4),
    "linux cooked 2": (276, b"\x86\xdd" + bytes(18) + V6, KEY6),
    "null, little endian": (0, b"\x02\0\0\0" + V4, KEY4),
    "null, big endian": (0, b"\0\0\0\x1e" + V6, KEY6),
    "loop": (108, b"\0\0\0\x18" + V6, KEY6),
    "enc": (109, b"\0\0\0\x02" + bytes(8) + V4, KEY4),
    "pflog": (117, bytes([61, 2]) + bytes(62) + V4, KEY4),
    "raw": (101, V4, KEY4),
    "raw, as BSD numbers it": (12, V6, KEY6),
    "ipv4": (228, V4, KEY4),
    "ipv6": (229, V6, KEY6),
    "ppp": (9, b"\xff\x03" + PPP4, KEY4),
    "ppp, short protocol": (50, b"\x21" + V4, KEY4),
    "ppp with mpls": (9, b"\x02\x81\x00\x02\x01\xff" + V4, KEY4),
    "pppoe link": (51, b"\x11\x00\x00\x01\x00\x50" + PPP4, KEY4),
    "hdlc": (104, b"\x0f\x00\x08\x00" + V4, KEY4),
    "6in4": (101, ip4(V6, protocol=41), KEY6),
    "4in6": (101, ip6(V4, following=4), KEY4),
    "4in4": (101, ip4(V4, protocol=4), KEY4),
    "mpls in ip": (101, ip4(b"\x00\x02\x01\xff" + V4, protocol=137), KEY4),
    "gre": (101, ip4(b"\x00\x00\x08\x00" + V4, protocol=47), KEY4),
    "gre with all fields": (101, ip4(b"\xb0\x00\x86\xdd" + bytes(12) + V6, protocol=47), KEY6),
    "gre bridged": (101, ip4(b"\x00\x00\x65\x58" + IN_ETHERNET, protocol=47), KEY4),
    "pptp": (101, ip4(b"\x30\x81\x88\x0b" + bytes(12) + b"\xff\x03" + PPP4, protocol=47), KEY4),
    "erspan 2": (101, ip4(ERSPAN_2 + IN_ETHERNET, protocol=47), KEY4),
    "erspan 3": (101, ip4(ERSPAN_3 + IN_ETHERNET, protocol=47), KEY4),
    "vxlan": (101, ip4(udp(b"\x08" + bytes(7) + IN_ETHERNET, 4789), protocol=17), KEY4),
    "geneve": (
        101,
        ip4(udp(b"\x01\x00\x65\x58" + bytes(8) + IN_ETHERNET, 6081), protocol=17),
        KEY4,
    ),
    "geneve with ip": (101, ip4(udp(b"\x00\x00\x86\xdd" + bytes(4) + V6, 6081), protocol=17), KEY6),
    "gtp-u": (101, ip4(udp(b"\x30\xff\x00\x50" + bytes(4) + V4, 2152), protocol=17), KEY4),
    "gtp-u with extension": (
        101,
        ip6(
            udp(b"\x34\xff\x00\x58" + bytes(4) + bytes(3) + b"\x85\x01\x10\x09\x00" + V6, 2152),
            following=17,
        ),
        KEY6,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_tcp_is_found_under_every_layer(name: str) -> None:
    link, frame, key = FRAMES[name]
    recorder = dissect(frame, link=link)
    (segment,) = recorder.segments
    assert segment[:3] == (key, 7, 9)
    assert segment[4] == (b"" if "padded" in name else HELLO)
    assert segment[5] == 0
    assert not recorder.dissector.others


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_cut_anywhere_never_raises_and_never_invents_bytes(name: str) -> None:
    link, frame, key = FRAMES[name]
    for length in range(len(frame)):
        recorder = dissect(frame[:length], link=link, wire=len(frame))
        for segment in recorder.segments:
            assert segment[0] == key
            if "length 0" not in name and "padded" not in name:
                assert HELLO.startswith(segment[4])
                assert len(segment[4]) + segment[5] == len(HELLO)
        if not recorder.segments:
            assert sum(recorder.dissector.others.values()) == 1


@given(st.binary(max_size=200), st.sampled_from(sorted({link for link, _, _ in FRAMES.values()})))
def test_no_bytes_make_it_raise(data: bytes, link: int) -> None:
    dissect(data, link=link)


@given(st.sampled_from(sorted(FRAMES)), st.integers(0, 250), st.integers(0, 255))
def test_no_changed_byte_makes_it_raise(name: str, place: int, value: int) -> None:
    link, frame, _ = FRAMES[name]
    changed = bytearray(frame)
    changed[place % len(frame)] = value
    dissect(bytes(changed), link=link)


def test_an_error_of_the_listener_is_not_taken_for_a_cut_header() -> None:
    def broken(*_: object) -> None:
        raise IndexError("a fault of the listener")

    dissector = Dissector(broken, lambda *_: None)
    frame = ethernet(V6, 0x86DD)
    with pytest.raises(IndexError, match="a fault of the listener"):
        dissector.frame(memoryview(frame), 0, len(frame), len(frame), 1, 0.0, 1)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_fragments_are_put_together(order: tuple[int, ...]) -> None:
    whole = tcp(bytes(range(60)), seq=7, ack=9)
    parts4 = [
        ip4(whole[:24], fragment=0x2000),
        ip4(whole[24:48], fragment=0x2003),
        ip4(whole[48:], fragment=6),
    ]
    parts6 = [
        ip6(struct.pack("!BBHI", 6, 0, place, 77) + piece, following=44)
        for place, piece in ((1, whole[:24]), (25, whole[24:48]), (48, whole[48:]))
    ]
    for parts, key in ((parts4, KEY4), (parts6, KEY6)):
        recorder = Recorder()
        for i in order:
            assert not recorder.segments
            recorder.take(parts[i], link=101)
        assert recorder.segments == [(key, 7, 9, ACK, bytes(range(60)), 0)]
        recorder.take(parts[0], link=101)
        recorder.dissector.finish()
        assert recorder.dissector.incomplete_datagrams == 1


def test_a_fragment_that_the_capture_cut_is_counted() -> None:
    frame = ip4(tcp(bytes(60)), fragment=0x2000)
    recorder = dissect(frame[:50], link=101, wire=len(frame))
    assert recorder.dissector.others == {"cut or malformed headers": 1}


@pytest.mark.parametrize(
    ("link", "frame", "name"),
    [
        (105, b"anything", "IEEE 802.11 (WiFi) (link type 105)"),
        (999, b"anything", "link type 999"),
        (1, ethernet(bytes(46), 0x0806), "ARP (EtherType 0x0806)"),
        (1, ethernet(bytes(46), 0x1234), "EtherType 0x1234"),
        (1, ethernet(bytes(46), 0x0026), "IEEE 802.3 without IP (EtherType 0x0600)"),
        (101, ip4(udp(bytes(20), 53), protocol=17), "UDP (IP protocol 17)"),
        (101, ip4(udp(b"\x00" * 20, 4789), protocol=17), "UDP (IP protocol 17)"),
        (101, ip4(udp(b"\x40" * 20, 6081), protocol=17), "UDP (IP protocol 17)"),
        (101, ip4(udp(b"\x32\x01" + bytes(20), 2152), protocol=17), "UDP (IP protocol 17)"),
        (
            101,
            ip4(udp(b"\x34\xff" + bytes(9) + b"\x85\0\0\0", 2152), protocol=17),
            "UDP (IP protocol 17)",
        ),
        (101, ip4(bytes(20), protocol=200), "IP protocol 200"),
        (9, b"\xc0\x21" + bytes(20), "PPP without IP (EtherType 0x880b)"),
        (0, b"\x07\0\0\0" + V4, "cut or malformed headers"),
        (101, b"\x55" + bytes(40), "cut or malformed headers"),
        (1, ethernet(b"\x00\x02\x01\xff\x90", 0x8847), "cut or malformed headers"),
        (101, ip4(tcp()[:12]), "cut or malformed headers"),
        (101, ip4(tcp()[:12] + b"\x10" + tcp()[13:]), "cut or malformed headers"),
        (101, b"\x41" + V4[1:], "cut or malformed headers"),
    ],
)
def test_what_holds_no_tcp_is_counted_by_name(link: int, frame: bytes, name: str) -> None:
    recorder = dissect(frame, link=link)
    assert not recorder.segments
    assert recorder.dissector.others == {name: 1}


@pytest.mark.parametrize(
    ("around", "link"),
    [
        (lambda packet: ip4(packet, protocol=4), 101),
        (lambda frame: ethernet(frame, 0x6558), 1),
        (lambda packet: ip4(b"\0\0\x08\0" + packet, protocol=47), 101),
    ],
)
def test_endless_tunnels_are_not_followed(around: Callable[[bytes], bytes], link: int) -> None:
    packet = V4
    for _ in range(30):
        packet = around(packet)
    recorder = dissect(packet, link=link)
    assert not recorder.segments
    assert recorder.dissector.others == {"cut or malformed headers": 1}


@pytest.mark.parametrize(
    ("code", "why", "says"),
    [
        (1, "unreachable", "host unreachable"),
        (3, "refused", "port unreachable"),
        (13, "unreachable", "forbidden by a filter"),
        (7, "unreachable", "unreachable, code 7"),
    ],
)
def test_tcp_inside_an_icmp_error_is_no_segment(code: int, why: str, says: str) -> None:
    inner = ip4(tcp(seq=5, flags=SYN))[:28]
    frame = ip4(bytes([3, code]) + bytes(6) + inner, source=SERVER, target=CLIENT, protocol=1)
    recorder = dissect(frame, link=101)
    assert not recorder.segments
    assert recorder.unreachable == [(KEY4, why, f"an ICMP message said: {says}")]
    for length in range(len(frame)):
        assert not dissect(frame[:length], link=101, wire=len(frame)).segments


@pytest.mark.parametrize(
    ("code", "why", "says"),
    [
        (0, "unreachable", "no route to it"),
        (4, "refused", "port unreachable"),
        (1, "unreachable", "forbidden by a filter"),
        (2, "unreachable", "unreachable, code 2"),
    ],
)
def test_icmpv6_errors_too(code: int, why: str, says: str) -> None:
    inner = ip6(tcp(seq=5, flags=SYN))[:60]
    frame = ip6(bytes([1, code]) + bytes(6) + inner, following=58)
    recorder = dissect(frame, link=101)
    assert not recorder.segments
    assert recorder.unreachable == [(KEY6, why, f"an ICMPv6 message said: {says}")]
    assert not dissect(frame[:70], link=101, wire=len(frame)).unreachable


def test_a_fragmentation_needed_message_is_not_a_refusal() -> None:
    inner = ip4(tcp(seq=5, flags=SYN))[:28]
    frame = ip4(bytes([3, 4]) + bytes(6) + inner, protocol=1)
    assert not dissect(frame, link=101).unreachable


def test_names() -> None:
    assert link_name(127).startswith("IEEE 802.11")
    assert ethertype_name(0x88CC) == "LLDP (EtherType 0x88cc)"
    assert protocol_name(132) == "SCTP (IP protocol 132)"
