"""pcapng files (draft-ietf-opsawg-pcapng)."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from analyzers.capture.blocks import (
    MAX_PACKET,
    SEARCH_STEP,
    BlockReader,
    FrameSink,
    Unreadable,
)

SECTION_HEADER = 0x0A0D0D0A
_INTERFACE = 1
_OBSOLETE_PACKET = 2
_SIMPLE_PACKET = 3
_ENHANCED_PACKET = 6
_OTHER_BLOCKS = (4, 5, 9, 10, 0x204, 0x208, 0xBAD, 0x40000BAD)
_SHOWN_BLOCKS = frozenset((9, 0x204, 0x216, 0x221, 0xBAD, 0x40000BAD))
"""Blocks that Wireshark shows as frames (journal, sysdig, custom), so that they count."""
_MAX_BLOCK = 16 << 20
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_IF_TSRESOL = 9
_IF_TSOFFSET = 14
_MAX_INTERFACES = 65_536


@dataclass(frozen=True, slots=True)
class _Interface:
    """What packets need to know of their interface."""

    link_type: int
    snaplen: int
    units: int
    """Timestamp units a second."""
    offset: int
    """Seconds to add to a timestamp."""


class PcapngReader(BlockReader):
    """Reads several sections and interfaces; enhanced, simple and obsolete packet blocks.

    Everything else (name resolution, statistics, decryption secrets, custom blocks) is
    passed over.
    """

    def __init__(self, name: str, frame: FrameSink, warnings: list[str]) -> None:
        super().__init__(name, frame, warnings)
        self._interfaces: list[_Interface] = []
        self._last_at = 0.0
        self._use("<")

    def _use(self, order: str) -> None:
        """Take up a section's byte order."""
        self._order = order
        self._two = struct.Struct(order + "II")
        self._packet = struct.Struct(order + "IIIIIII")
        known = (SECTION_HEADER, 1, 2, 3, _ENHANCED_PACKET, *_OTHER_BLOCKS)
        self._pattern = re.compile(
            b"|".join(re.escape(struct.pack(order + "I", kind)) for kind in known)
        )

    def _blocks(self, view: memoryview, position: int, end: int) -> int:
        read_two = self._two.unpack_from
        while position + 12 <= end:
            kind, length = read_two(view, position)
            if kind == SECTION_HEADER:
                self._section(view, position)
                read_two = self._two.unpack_from
                length = read_two(view, position)[1]
            # A length that is no multiple of 4 is a writer's mistake: padding follows.
            size = length + 3 & ~3
            if not 12 <= size <= _MAX_BLOCK:
                return self._damaged(position, f"a block claims a length of {length} bytes")
            stop = position + size
            if stop > end:
                self._need = size
                return position
            if read_two(view, stop - 8)[1] != length:
                return self._damaged(
                    position,
                    f"the two lengths of a block differ ({length} and "
                    f"{read_two(view, stop - 8)[1]} bytes)",
                )
            if kind == _ENHANCED_PACKET:
                self._enhanced(view, position, stop - 4)
            elif kind != SECTION_HEADER:
                self._other(kind, view, position, stop - 4)
            position = stop
        self._need = 12
        return position

    def _section(self, view: memoryview, position: int) -> None:
        raw = view[position + 8 : position + 12]
        if int.from_bytes(raw, "little") == _BYTE_ORDER_MAGIC:
            self._use("<")
        elif int.from_bytes(raw, "big") == _BYTE_ORDER_MAGIC:
            self._use(">")
        else:
            raise Unreadable(
                f"a section with the unknown byte-order mark {raw.hex()}", self._base + position
            )
        self._interfaces.clear()

    def _enhanced(self, view: memoryview, position: int, end: int) -> None:
        if end - position < 28:
            self._short(position)
            return
        _, _, index, high, low, captured, wire = self._packet.unpack_from(view, position)
        self._deliver(view, position, position + 28, end, index, high << 32 | low, captured, wire)

    def _other(self, kind: int, view: memoryview, position: int, end: int) -> None:
        body = position + 8
        if kind == _INTERFACE:
            self._interface(view, body, end)
        elif kind == _OBSOLETE_PACKET:
            if end - body < 20:
                self._short(position)
                return
            index, _, high, low, captured, wire = struct.unpack_from(
                self._order + "HHIIII", view, body
            )
            stamp = high << 32 | low
            self._deliver(view, position, body + 20, end, index, stamp, captured, wire)
        elif kind == _SIMPLE_PACKET:
            if end - body < 4:
                self._short(position)
                return
            (wire,) = struct.unpack_from(self._order + "I", view, body)
            snaplen = self._interfaces[0].snaplen if self._interfaces else 0
            captured = min(wire, end - body - 4, snaplen or wire)
            self._deliver(view, position, body + 4, end, 0, None, captured, wire)
        elif kind in _SHOWN_BLOCKS:
            self.frames += 1

    def _deliver(
        self,
        view: memoryview,
        block: int,
        start: int,
        end: int,
        index: int,
        stamp: int | None,
        captured: int,
        wire: int,
    ) -> None:
        self.frames += 1
        if index >= len(self._interfaces):
            self._warn(
                f"packet {self.frames} is of interface {index}, which the section does not have",
                self._base + block,
            )
            return
        if captured > end - start or captured > max(MAX_PACKET, wire):
            self._warn(
                f"packet {self.frames} claims {captured} bytes, its block has {end - start}",
                self._base + block,
            )
            captured = min(captured, end - start)
        interface = self._interfaces[index]
        if stamp is not None:
            units = interface.units
            # Whole seconds apart from the rest: 64-bit nanoseconds do not fit a float.
            self._last_at = interface.offset + stamp // units + stamp % units / units
        # A simple packet block has no time: that of its neighbour is nearest.
        self._frame(
            view, start, start + captured, wire, interface.link_type, self._last_at, self.frames
        )

    def _interface(self, view: memoryview, position: int, end: int) -> None:
        if end - position < 8:
            self._short(position - 8)
            return
        link_type, _, snaplen = struct.unpack_from(self._order + "HHI", view, position)
        units, offset = 1_000_000, 0
        position += 8
        while position + 4 <= end:
            code, length = struct.unpack_from(self._order + "HH", view, position)
            position += 4
            value = bytes(view[position : min(position + length, end)])
            if code == 0:
                break
            if code == _IF_TSRESOL and len(value) == 1:
                power = value[0] & 0x7F
                units = 1 << power if value[0] & 0x80 else 10 ** min(power, 38)
            elif code == _IF_TSOFFSET and len(value) == 8:
                (offset,) = struct.unpack(self._order + "q", value)
            position += length + 3 & ~3
        if len(self._interfaces) >= _MAX_INTERFACES:
            raise Unreadable(f"more than {_MAX_INTERFACES} interfaces", self._base + position)
        self._interfaces.append(_Interface(link_type, snaplen, units, offset))

    def _short(self, position: int) -> None:
        self._warn("a block is shorter than its own fields", self._base + position)

    def _damaged(self, position: int, why: str) -> int:
        self._warn(
            f"{why}; looking for the next block "
            "(frame numbers may differ from Wireshark's from here)",
            self._base + position,
        )
        self._searching = True
        return position + 1

    def _search(self, view: memoryview, position: int, end: int) -> int:
        for match in self._pattern.finditer(view, position, end):
            candidate = match.start()
            if candidate + 12 > end:
                self._need = 12
                return candidate
            length = self._two.unpack_from(view, candidate)[1]
            if length % 4 or not 12 <= length <= _MAX_BLOCK:
                continue
            stop = candidate + length
            if stop > end:
                if self._ended:
                    continue
                self._need = length
                return candidate
            if self._two.unpack_from(view, stop - 8)[1] == length:
                self._searching = False
                return candidate
        self._need = SEARCH_STEP
        return max(position, end - 3)

    def _cut_short(self, rest: memoryview) -> None:
        have = len(rest)
        if have < 12:
            self._warn(f"the file ends in the middle of a block ({have} bytes of it)", self._base)
            return
        kind, length = self._two.unpack_from(rest, 0)
        # A bogus length may have swallowed blocks: are there any in what is left?
        if self._salvage(rest, 4):
            self._warn(
                f"a block claims a length of {length} bytes, more than the file has; "
                "it was passed over",
                self._base,
            )
            return
        self._warn(f"the file ends in the middle of a block ({have} of {length} bytes)", self._base)
        if kind == _ENHANCED_PACKET and have >= 28:
            _, _, index, high, low, captured, wire = self._packet.unpack_from(rest, 0)
            if captured <= length - 32:
                captured = min(captured, have - 28)
                self._deliver(rest, 0, 28, have, index, high << 32 | low, captured, wire)
