"""Classic pcap files (draft-ietf-opsawg-pcap), and variants written under that name."""

from __future__ import annotations

import re
import struct

from analyzers.capture.blocks import (
    MAX_PACKET,
    SEARCH_STEP,
    BlockReader,
    FrameSink,
    Unreadable,
)

_FILE_HEADER = 24
_MAX_SNAPLEN = 16 << 20
"""A file may announce packets larger than usual, up to this."""
_BELIEVABLE_STEP = 7 * 86_400
"""Seconds between neighbours that are believed after a damage."""

MAGICS = {
    # magic as it lies in the file: (byte order, parts of a second, bytes of a packet header)
    bytes.fromhex("d4c3b2a1"): ("<", 1_000_000, 16),
    bytes.fromhex("a1b2c3d4"): (">", 1_000_000, 16),
    bytes.fromhex("4d3cb2a1"): ("<", 1_000_000_000, 16),
    bytes.fromhex("a1b23c4d"): (">", 1_000_000_000, 16),
    # Alexey Kuznetzov's libpcap: 8 more bytes a packet (interface, protocol, type).
    bytes.fromhex("34cdb2a1"): ("<", 1_000_000, 24),
    bytes.fromhex("a1b2cd34"): (">", 1_000_000, 24),
}


class PcapReader(BlockReader):
    """Reads both byte orders, micro- and nanoseconds, and the 24-byte packet headers."""

    _FIRST = _FILE_HEADER

    def __init__(self, name: str, frame: FrameSink, warnings: list[str]) -> None:
        super().__init__(name, frame, warnings)
        self._link = -1
        self._order = "<"
        self._header = struct.Struct("<IIII")
        self._size = 16
        self._parts = 1_000_000
        self._limit = MAX_PACKET
        self._last = -1
        self._pattern: re.Pattern[bytes] | None = None

    def _blocks(self, view: memoryview, position: int, end: int) -> int:
        if self._link < 0:
            if end - position < _FILE_HEADER:
                return position
            self._file_header(view, position)
            position += _FILE_HEADER
        unpack, size, limit = self._header.unpack_from, self._size, self._limit
        frame, link, number = self._frame, self._link, self.frames
        scale = 1 / self._parts
        seconds = self._last
        last_header = end - size
        self._need = size
        while position <= last_header:
            seconds, parts, captured, wire = unpack(view, position)
            body = position + size
            stop = body + captured
            if captured > wire or captured > limit:
                self._need = size + captured
                sense = self._makes_sense(view, position, end)
                if sense is None:
                    break
                if not sense:
                    self.frames = number
                    self._damaged(position, captured)
                    return position + 1
            if stop > end:
                self._need = size + captured
                break
            number += 1
            frame(view, body, stop, wire, link, seconds + parts * scale, number)
            position = stop
            self._last = seconds
        self.frames = number
        return position

    def _file_header(self, view: memoryview, position: int) -> None:
        self._order, self._parts, self._size = MAGICS[bytes(view[position : position + 4])]
        major, minor, snaplen, network = struct.unpack_from(
            self._order + "4xHH8xII", view, position
        )
        if major != 2:
            raise Unreadable(f"pcap version {major}.{minor} is not known", self._base + position)
        self._header = struct.Struct(self._order + "IIII")
        self._limit = max(MAX_PACKET, snaplen if snaplen <= _MAX_SNAPLEN else 0)
        # The upper bits tell of a frame check sequence, which ends up as padding.
        self._link = network & 0xFFFF

    def _damaged(self, position: int, captured: int) -> None:
        offset = self._base + position
        if self._last < 0:
            raise Unreadable(
                f"the first packet claims a length of {captured} bytes, which cannot be", offset
            )
        self._warn(
            f"packet {self.frames + 1} claims a length of {captured} bytes, which cannot be; "
            "looking for the next packet (frame numbers may differ from Wireshark's from here)",
            offset,
        )
        self._start_search()

    def _start_search(self) -> None:
        self._searching = True
        # The upper half of the seconds, which holds for 18 hours, or for its successor.
        high = self._last >> 16
        both = (n.to_bytes(2, "big") for n in (high, high + 1 & 0xFFFF))
        self._pattern = re.compile(
            b"|".join(re.escape(n if self._order == ">" else n[::-1]) for n in both)
        )

    def _believable(self, view: memoryview, position: int, near: int) -> bool:
        """Whether a packet header makes sense beside one of `near` seconds."""
        seconds, parts, captured, wire = self._header.unpack_from(view, position)
        return bool(
            captured <= self._limit
            and wire <= _MAX_SNAPLEN
            and parts < self._parts
            and abs(seconds - near) <= _BELIEVABLE_STEP
        )

    def _makes_sense(self, view: memoryview, position: int, end: int) -> bool | None:
        """Whether an odd packet is followed by a believable one; None: more data needed."""
        seconds, _, captured, _ = self._header.unpack_from(view, position)
        if captured > self._limit:
            return False
        after = position + self._size + captured
        if after + self._size > end:
            self._need = after + self._size - position
            return bool(after <= end) if self._ended else None
        return self._believable(view, after, seconds)

    def _search(self, view: memoryview, position: int, end: int) -> int:
        assert self._pattern is not None
        back = 2 if self._order == "<" else 0
        for match in self._pattern.finditer(view, position + back, end):
            candidate = match.start() - back
            if candidate + self._size > end:
                self._need = self._size
                return candidate
            captured, wire = self._header.unpack_from(view, candidate)[2:]
            if captured > wire or not self._believable(view, candidate, self._last):
                continue
            sense = self._makes_sense(view, candidate, end)
            if sense is None:
                return candidate
            if sense:
                self._searching = False
                return candidate
        self._need = SEARCH_STEP
        return max(position, end - 3)

    def _cut_short(self, rest: memoryview) -> None:
        size, have = self._size, len(rest)
        if self._link < 0:
            self._warn(f"the file ends inside its header ({have} of {_FILE_HEADER} bytes)", 0)
            return
        if have < size:
            self._warn(
                f"the file ends in the middle of a packet's header ({have} of {size} bytes)",
                self._base,
            )
            return
        seconds, parts, captured, wire = self._header.unpack_from(rest, 0)
        if self._last >= 0:
            # A bogus length may have swallowed packets: are there any in what is left?
            damaged = self.frames + 1
            self._start_search()
            if self._salvage(rest, 1):
                self._warn(
                    f"packet {damaged} claims a length of {captured} bytes, more than the file "
                    "has; it was passed over",
                    self._base,
                )
                return
        self._warn(
            f"the file ends in the middle of packet {self.frames + 1} "
            f"({have - size} of {captured} bytes)",
            self._base,
        )
        self.frames += 1
        at = seconds + parts / self._parts
        self._frame(rest, size, have, max(wire, captured), self._link, at, self.frames)
