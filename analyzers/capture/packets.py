"""Frames to TCP segments: link layers, IP and tunnels, as far as TCP travels in them.

Positions are always within the one view that a frame came in. `end` is where the
captured bytes end, `stop` where the bytes ended on the wire: what lies between was cut
off by the capture's snap length. Nothing here raises on input; what is not read is
counted by name.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from analyzers.capture.fragments import Fragments
from analyzers.capture.links import IEEE_802_3, ethertype_name, link_name, protocol_name

SegmentSink = Callable[[bytes, int, int, int, memoryview, int, int, int, float, int], None]
"""Takes (key, seq, ack, flags, view, start, end, cut, at, number). `key` is source and
destination address (4 or 16 bytes each) and source and destination port (2 bytes each);
the payload is `view[start:end]` plus `cut` bytes that were sent and not captured."""

UnreachableSink = Callable[[bytes, str, str, float, int], None]
"""Takes (key, why, detail, at, number) of a segment that ICMP says was not delivered; why
is what the sender's system makes of it: "refused" or "unreachable"."""

ETHERNET = 1
MAX_DEPTH = 10
"""Layers inside one another that are followed."""

_IP4, _IP6 = 0x0800, 0x86DD
_VLAN = frozenset((0x8100, 0x88A8, 0x9100, 0x9200, 0x9300))
_MPLS = frozenset((0x8847, 0x8848))
_PPPOE_SESSION, _BRIDGED, _PPP_IN_GRE = 0x8864, 0x6558, 0x880B
_ERSPAN_2, _ERSPAN_3 = 0x88BE, 0x22EB
_TCP, _UDP, _ICMP, _ICMP6 = 6, 17, 1, 58
_FRAGMENT, _AUTHENTICATION = 44, 51
_IP6_OPTIONS = frozenset((0, 43, 60, 135, 139, 140))
_VXLAN_PORTS = frozenset((4789, 8472))
_GENEVE_PORT, _GTP_PORT = 6081, 2152
_AF_INET, _AF_INET6 = 2, frozenset((10, 23, 24, 28, 30))

# Ethernet, IPv4 without options and TCP in one go: nearly every frame there is.
_USUAL = struct.Struct("!12xHBxH2xHxB2x12sIIBB").unpack_from
_IP4_HEADER = struct.Struct("!BxHHHxB2x8s").unpack_from
_IP6_HEADER = struct.Struct("!IHBx32s").unpack_from
_TCP_HEADER = struct.Struct("!4sIIBB").unpack_from
_U16 = struct.Struct("!H").unpack_from
_U32 = struct.Struct("!I").unpack_from

_ICMP_CODES = {0: "network", 1: "host", 2: "protocol", 3: "port", 9: "network", 10: "host"}
_ICMP_FORBIDDEN = frozenset((9, 10, 13))
_ICMP6_CODES = {0: "no route to it", 3: "address unreachable", 4: "port unreachable"}


class Dissector:
    """Finds the TCP segment in a frame, through VLANs, tunnels and IP fragments."""

    def __init__(self, segment: SegmentSink, unreachable: UnreachableSink) -> None:
        self._segment = segment
        self._unreachable = unreachable
        self._fragments = Fragments()
        self._links: dict[int, int] = {}
        self._ethertypes: dict[int, int] = {}
        self._protocols: dict[int, int] = {}
        self._broken = 0
        # The frame at hand, for all that is not usual.
        self._view = memoryview(b"")
        self._at = 0.0
        self._number = 0
        self._found: tuple[bytes, int, int, int, memoryview, int, int, int, float, int] | None
        self._found = None
        self._lost: tuple[bytes, str, str, float, int] | None = None

    @property
    def others(self) -> dict[str, int]:
        """How many frames held no TCP that could be read, by name."""
        counts = {link_name(n): count for n, count in self._links.items()}
        counts |= {ethertype_name(n): count for n, count in self._ethertypes.items()}
        counts |= {protocol_name(n): count for n, count in self._protocols.items()}
        if self._broken:
            counts["cut or malformed headers"] = self._broken
        return counts

    @property
    def incomplete_datagrams(self) -> int:
        """Fragmented IP datagrams of which not all fragments were captured."""
        return self._fragments.given_up

    def finish(self) -> None:
        """The capture ends here."""
        self._fragments.finish()

    def frame(
        self, view: memoryview, start: int, end: int, wire: int, link: int, at: float, number: int
    ) -> None:
        """Take a frame (a `FrameSink`)."""
        if link == ETHERNET and end - start >= 54:
            ethertype, first, total, fragment, protocol, key, seq, ack, offset, flags = _USUAL(
                view, start
            )
            if ethertype == _IP4 and first == 0x45 and protocol == _TCP and not fragment & 0x3FFF:
                payload = start + 34 + (offset >> 4 << 2)
                stop = start + 14 + total
                if payload <= stop <= end and offset >= 0x50:
                    self._segment(key, seq, ack, flags, view, payload, stop, 0, at, number)
                    return
        # Positions count from the frame's first byte now, and reading ends at its last.
        self._view, self._at, self._number = view[start:end], at, number
        self._found = self._lost = None
        size = end - start
        try:
            self._link(0, size, max(size, wire), link)
        except (struct.error, IndexError):
            # A header that is longer than what was captured of it.
            self._broken += 1
        # Told out here, so that an error of theirs is not taken for a cut header.
        if self._found is not None:
            self._segment(*self._found)
        elif self._lost is not None:
            self._unreachable(*self._lost)

    def _link(self, p: int, end: int, stop: int, link: int) -> None:
        view = self._view
        if link == ETHERNET:
            self._ethernet(p, end, stop, 0)
        elif link in (12, 14, 101, 228, 229):  # raw IP under its several numbers
            self._ip(p, end, stop, 0)
        elif link == 113:  # Linux cooked
            self._ethertype(_U16(view, p + 14)[0], p + 16, end, stop, 0)
        elif link == 276:  # Linux cooked, version 2
            self._ethertype(_U16(view, p)[0], p + 20, end, stop, 0)
        elif link in (0, 108, 109):  # BSD loopback (either byte order), OpenBSD's, ENC
            family = _U32(view, p)[0]
            if family > 0xFFFF:
                family = int.from_bytes(view[p : p + 4], "little")
            self._family(family, p + (12 if link == 109 else 4), end, stop)
        elif link == 117:  # OpenBSD's pflog
            self._family(view[p + 1], p + (view[p] + 3 & ~3), end, stop)
        elif link in (9, 50):  # PPP
            self._ppp(p, end, stop, 0)
        elif link == 51:
            self._pppoe(p, end, stop, 0)
        elif link == 104:  # Cisco HDLC
            self._ethertype(_U16(view, p + 2)[0], p + 4, end, stop, 0)
        else:
            self._links[link] = self._links.get(link, 0) + 1

    def _family(self, family: int, p: int, end: int, stop: int) -> None:
        if family == _AF_INET or family in _AF_INET6:
            self._ip(p, end, stop, 0)
        else:
            self._broken += 1

    def _ethernet(self, p: int, end: int, stop: int, depth: int) -> None:
        view = self._view
        kind = _U16(view, p + 12)[0]
        p += 14
        if kind < IEEE_802_3:
            # IEEE 802.3 gives a length here; with LLC and SNAP the type comes 6 bytes on.
            if bytes(view[p : p + 6]) != b"\xaa\xaa\x03\x00\x00\x00":
                self._ethertypes[IEEE_802_3] = self._ethertypes.get(IEEE_802_3, 0) + 1
                return
            kind = _U16(view, p + 6)[0]
            p += 8
        self._ethertype(kind, p, end, stop, depth)

    def _ethertype(self, kind: int, p: int, end: int, stop: int, depth: int) -> None:
        view = self._view
        while kind in _VLAN:
            kind = _U16(view, p + 2)[0]
            p += 4
        if depth > MAX_DEPTH:
            self._broken += 1
        elif kind in (_IP4, _IP6):
            self._ip(p, end, stop, depth)
        elif kind in _MPLS:
            while not view[p + 2] & 1:
                p += 4
            p += 4
            if view[p] >> 4 in (4, 6):
                self._ip(p, end, stop, depth)
            elif view[p] >> 4 == 0:  # a pseudowire's control word (RFC 4448)
                self._ethernet(p + 4, end, stop, depth + 1)
            else:
                self._broken += 1
        elif kind == _PPPOE_SESSION:
            self._pppoe(p, end, stop, depth)
        elif kind == _BRIDGED:
            self._ethernet(p, end, stop, depth + 1)
        elif kind == _PPP_IN_GRE:
            self._ppp(p, end, stop, depth)
        else:
            self._ethertypes[kind] = self._ethertypes.get(kind, 0) + 1

    def _pppoe(self, p: int, end: int, stop: int, depth: int) -> None:
        self._ppp(p + 6, end, stop, depth)

    def _ppp(self, p: int, end: int, stop: int, depth: int) -> None:
        view = self._view
        if bytes(view[p : p + 2]) == b"\xff\x03":
            p += 2
        protocol = view[p]
        p += 1
        if not protocol & 1:
            # Protocol numbers are odd; one byte may stand for two (RFC 1661 section 6.5).
            protocol = protocol << 8 | view[p]
            p += 1
        if protocol in (0x21, 0x57):
            self._ip(p, end, stop, depth + 1)
        elif protocol in (0x281, 0x283):
            self._ethertype(0x8847, p, end, stop, depth + 1)
        else:
            self._ethertypes[_PPP_IN_GRE] = self._ethertypes.get(_PPP_IN_GRE, 0) + 1

    def _ip(self, p: int, end: int, stop: int, depth: int) -> None:
        view = self._view
        version = view[p] >> 4
        if depth > MAX_DEPTH:
            self._broken += 1
        elif version == 4:
            self._ip4(p, end, stop, depth)
        elif version == 6:
            self._ip6(p, end, stop, depth)
        else:
            self._broken += 1

    def _ip4(self, p: int, end: int, stop: int, depth: int) -> None:
        view = self._view
        first, total, ident, fragment, protocol, addresses = _IP4_HEADER(view, p)
        payload = p + ((first & 15) << 2)
        # A total length of 0 is left by cards that cut large segments themselves.
        stop = min(p + total, stop) if total else stop
        if payload < p + 20 or payload > stop:
            self._broken += 1
            return
        if fragment & 0x3FFF:
            key = addresses + bytes((protocol, ident >> 8, ident & 255))
            more = bool(fragment & 0x2000)
            self._fragment(
                key, (fragment & 0x1FFF) << 3, more, protocol, addresses, payload,
                end, stop, depth,
            )  # fmt: skip
            return
        self._transport(protocol, addresses, payload, min(end, stop), stop, depth)

    def _ip6(self, p: int, end: int, stop: int, depth: int) -> None:
        view = self._view
        _, length, following, addresses = _IP6_HEADER(view, p)
        p += 40
        stop = min(p + length, stop) if length else stop
        while True:
            if following in _IP6_OPTIONS:
                following, size = view[p], (view[p + 1] + 1) << 3
            elif following == _AUTHENTICATION:
                following, size = view[p], (view[p + 1] + 2) << 2
            elif following == _FRAGMENT:
                following = view[p]
                place = _U16(view, p + 2)[0]
                if place & 0xFFF9:
                    key = addresses + bytes(view[p + 4 : p + 8])
                    self._fragment(
                        key, place & 0xFFF8, bool(place & 1), following, addresses, p + 8,
                        end, stop, depth,
                    )  # fmt: skip
                    return
                size = 8
            else:
                break
            p += size
        self._transport(following, addresses, p, min(end, stop), stop, depth)

    def _fragment(
        self,
        key: bytes,
        offset: int,
        more: bool,
        protocol: int,
        addresses: bytes,
        p: int,
        end: int,
        stop: int,
        depth: int,
    ) -> None:
        if stop > end:
            self._broken += 1
            return
        whole = self._fragments.add(key, offset, bytes(self._view[p:stop]), more=more)
        if whole is not None:
            size = len(whole)
            self._view = memoryview(whole)
            self._transport(protocol, addresses, 0, size, size, depth)

    def _transport(
        self, protocol: int, addresses: bytes, p: int, end: int, stop: int, depth: int
    ) -> None:
        view = self._view
        if protocol == _TCP:
            self._tcp(addresses, p, end, stop)
        elif protocol == 4 or protocol == 41:
            self._ip(p, end, stop, depth + 1)
        elif protocol == 47:
            self._gre(p, end, stop, depth + 1)
        elif protocol == 137:  # MPLS in IP (RFC 4023)
            self._ethertype(0x8847, p, end, stop, depth + 1)
        elif protocol == _UDP and self._tunnel(p, end, stop, depth + 1):
            pass
        else:
            if protocol == _ICMP and view[p] == 3:
                self._icmp(p, end)
            elif protocol == _ICMP6 and view[p] == 1:
                self._icmp6(p, end)
            self._protocols[protocol] = self._protocols.get(protocol, 0) + 1

    def _tcp(self, addresses: bytes, p: int, end: int, stop: int) -> None:
        view = self._view
        if end - p < 14:
            self._broken += 1
            return
        ports, seq, ack, offset, flags = _TCP_HEADER(view, p)
        payload = p + (offset >> 4 << 2)
        if offset < 0x50 or payload > stop:
            self._broken += 1
            return
        end = max(payload, end)
        self._found = (
            addresses + ports, seq, ack, flags, view, payload, min(end, stop),
            max(0, stop - end), self._at, self._number,
        )  # fmt: skip

    def _tunnel(self, p: int, end: int, stop: int, depth: int) -> bool:
        """Look into the UDP tunnels; False: it is none."""
        view = self._view
        if end - p < 16:
            return False
        ports = (_U16(view, p)[0], _U16(view, p + 2)[0])
        p += 8
        if not _VXLAN_PORTS.isdisjoint(ports):
            if not view[p] & 0x08:
                return False
            self._ethernet(p + 8, end, stop, depth)
        elif _GENEVE_PORT in ports:
            if view[p] >> 6:
                return False
            kind = _U16(view, p + 2)[0]
            inner = p + 8 + ((view[p] & 0x3F) << 2)
            self._ethertype(kind, inner, end, stop, depth)
        elif _GTP_PORT in ports:
            flags = view[p]
            if flags >> 4 != 3 or view[p + 1] != 255:  # version 1, user data
                return False
            inner = p + 8
            if flags & 7:
                inner += 4
                following = view[inner - 1] if flags & 4 else 0
                while following:
                    size = view[inner] << 2
                    if not size:
                        return False
                    inner += size
                    following = view[inner - 1]
            self._ip(inner, end, stop, depth)
        else:
            return False
        return True

    def _gre(self, p: int, end: int, stop: int, depth: int) -> None:
        view = self._view
        flags, kind = _U16(view, p)[0], _U16(view, p + 2)[0]
        p += 4
        if flags & 0xC000:  # checksum (or routing) present
            p += 4
        if flags & 0x2000:  # key
            p += 4
        if flags & 0x1000:  # sequence number
            p += 4
        if flags & 7 == 1 and flags & 0x80:  # PPTP's acknowledgement (RFC 2637)
            p += 4
        if kind == _ERSPAN_2:
            inner = p + 8 if flags & 0x1000 else p
            self._ethernet(inner, end, stop, depth)
        elif kind == _ERSPAN_3:
            inner = p + (20 if view[p + 11] & 1 else 12)
            self._ethernet(inner, end, stop, depth)
        elif p < stop:
            self._ethertype(kind, p, end, stop, depth)

    def _icmp(self, p: int, end: int) -> None:
        """A router or host says that a segment did not arrive (RFC 792)."""
        view = self._view
        code, inner = view[p + 1], p + 8
        if code == 4 or end - inner < 28:  # "too big" concerns the path MTU
            return
        first, _, _, _, protocol, addresses = _IP4_HEADER(view, inner)
        tcp = inner + ((first & 15) << 2)
        if protocol == _TCP and end - tcp >= 8:
            what = _ICMP_CODES.get(code)
            says = f"{what} unreachable" if what else f"unreachable, code {code}"
            if code in _ICMP_FORBIDDEN:
                says = "forbidden by a filter"
            self._lost = (
                addresses + bytes(view[tcp : tcp + 4]),
                "refused" if code == 3 else "unreachable",
                f"an ICMP message said: {says}",
                self._at,
                self._number,
            )

    def _icmp6(self, p: int, end: int) -> None:
        """The same for IPv6 (RFC 4443 section 3.1)."""
        view = self._view
        code, inner = view[p + 1], p + 8
        if end - inner < 48:
            return
        _, _, following, addresses = _IP6_HEADER(view, inner)
        if following == _TCP:
            says = "forbidden by a filter" if code in (1, 5, 6) else _ICMP6_CODES.get(code)
            self._lost = (
                addresses + bytes(view[inner + 40 : inner + 44]),
                "refused" if code == 4 else "unreachable",
                f"an ICMPv6 message said: {says or f'unreachable, code {code}'}",
                self._at,
                self._number,
            )
