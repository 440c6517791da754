"""What the two capture formats share: cutting chunks of any size into whole blocks."""

from __future__ import annotations

from collections.abc import Callable

Buffer = bytes | bytearray | memoryview

FrameSink = Callable[[memoryview, int, int, int, int, float, int], None]
"""Takes (view, start, end, wire_length, link_type, at, number): the captured bytes of a
frame are `view[start:end]`, valid only during the call; it had `wire_length` bytes on
the wire; `at` is in seconds since the Unix epoch; `number` counts from 1 as Wireshark does."""

MAX_PACKET = 262_144
"""Largest believable packet in bytes: what dumpcap, tcpdump and Wireshark use."""
SEARCH_STEP = 4096
"""Bytes looked at together while searching for the next block after a damage."""


class Unreadable(Exception):
    """The rest of the file cannot be read; `str()` says why."""

    def __init__(self, why: str, offset: int) -> None:
        super().__init__(why)
        self.offset = offset
        """Where in the file, in bytes."""


class BlockReader:
    """Cuts a stream of chunks into blocks; keeps at most one incomplete block.

    A subclass reads blocks in `_walk`, and says in `_need` how many bytes the block at
    the front needs before it is worth another look. A damaged block sets `_searching`:
    the subclass then looks for the next block that makes sense.
    """

    _FIRST = 12
    """Bytes needed before the first look."""

    def __init__(self, name: str, frame: FrameSink, warnings: list[str]) -> None:
        self.name = name
        self.frames = 0
        """Frames so far, as Wireshark counts them."""
        self.consumed = 0
        """Bytes of the file that are done with: where the block at the front begins."""
        self._warnings = warnings
        self._frame = frame
        self._need = self._FIRST
        self._carry = bytearray()
        self._base = 0
        self._searching = False
        self._ended = False

    def feed(self, chunk: Buffer) -> None:
        """Read on. `chunk` may be reused afterwards."""
        if self._ended:
            return
        try:
            self._feed(memoryview(chunk))
        except Unreadable as why:
            self._ended = True
            self._carry.clear()
            self._warn(f"{why}; the rest of the file is not read", why.offset)

    def finish(self) -> None:
        """The file ends here: use what an incomplete last block still holds."""
        if self._ended:
            return
        self._ended = True
        self._base = self.consumed
        rest = memoryview(bytes(self._carry))
        self._carry.clear()
        try:
            position = self._walk(rest, 0, len(rest))
            if self._searching:
                self._warn("nothing more that makes sense was found", self._base + position)
            elif position < len(rest):
                self._base += position
                self._cut_short(rest[position:])
        except Unreadable as why:
            self._warn(str(why), why.offset)

    def _warn(self, text: str, offset: int) -> None:
        self._warnings.append(f"{self.name}: at byte {offset}: {text}")

    def _feed(self, view: memoryview) -> None:
        at = 0
        carry = self._carry
        while carry:
            piece = view[at : at + self._need - len(carry)]
            carry += piece
            at += len(piece)
            if len(carry) < self._need:
                return
            # A copy, because a bytearray that someone looks at cannot grow.
            self._base = self.consumed
            used = self._walk(memoryview(bytes(carry)), 0, len(carry))
            self.consumed += used
            del carry[:used]
        self._base = self.consumed - at
        stop = self._walk(view, at, len(view))
        self.consumed += stop - at
        carry += view[stop:]

    def _walk(self, view: memoryview, position: int, end: int) -> int:
        """Read whole blocks in `view[position:end]`; returns where the first unread begins.

        `_base + position` is the offset in the file.
        """
        while True:
            if self._searching:
                position = self._search(view, position, end)
                if self._searching:
                    return position
            position = self._blocks(view, position, end)
            if not self._searching:
                return position

    def _blocks(self, view: memoryview, position: int, end: int) -> int:
        """Read blocks until the data ends or (with `_searching` set) a damaged one."""
        raise NotImplementedError

    def _search(self, view: memoryview, position: int, end: int) -> int:
        """Look for a block that makes sense; clears `_searching` when it returns one.

        Once `_ended` is set no more data can come to judge it by.
        """
        raise NotImplementedError

    def _cut_short(self, rest: memoryview) -> None:
        """Use the incomplete block at the end of the file, and warn of it."""
        raise NotImplementedError

    def _salvage(self, rest: memoryview, position: int) -> bool:
        """Read the sensible blocks in the last bytes of the file, if there are any."""
        before = self.frames
        self._searching = True
        self._walk(rest, position, len(rest))
        return self.frames > before
