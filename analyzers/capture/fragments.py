"""IP fragments back to datagrams, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict

MAX_DATAGRAMS = 256
"""Datagrams put together at the same time; the oldest is given up for a newer one."""
MAX_BYTES = 4 << 20
"""Bytes held for them."""
MAX_DATAGRAM = 65_535


class _Datagram:
    __slots__ = ("held", "length", "pieces")

    def __init__(self) -> None:
        self.pieces: dict[int, bytes] = {}
        self.length = -1
        """Known once the last fragment is there."""
        self.held = 0


class Fragments:
    """Puts together the payloads of IPv4 and IPv6 datagrams (RFC 791, RFC 8200 section 4.5)."""

    def __init__(self) -> None:
        self.given_up = 0
        """Datagrams of which not all fragments came."""
        self._held = 0
        self._datagrams: OrderedDict[bytes, _Datagram] = OrderedDict()

    def add(self, key: bytes, offset: int, payload: bytes, *, more: bool) -> bytes | None:
        """Take a fragment; returns the whole payload when it is complete.

        Args:
            key: What the fragments of one datagram have in common.
            offset: Where the payload begins in the datagram's, in bytes.
            payload: All bytes of it (a fragment that the capture cut is of no use).
            more: Whether fragments follow.
        """
        if offset + len(payload) > MAX_DATAGRAM:
            return None
        datagram = self._datagrams.get(key)
        if datagram is None:
            datagram = self._datagrams[key] = _Datagram()
        if offset not in datagram.pieces or len(payload) > len(datagram.pieces[offset]):
            change = len(payload) - len(datagram.pieces.get(offset, b""))
            datagram.pieces[offset] = payload
            datagram.held += change
            self._held += change
        if not more:
            datagram.length = offset + len(payload)
        whole = self._whole(datagram)
        if whole is not None:
            del self._datagrams[key]
            self._held -= datagram.held
            return whole
        while len(self._datagrams) > MAX_DATAGRAMS or self._held > MAX_BYTES:
            _, oldest = self._datagrams.popitem(last=False)
            self._held -= oldest.held
            self.given_up += 1
        return None

    def finish(self) -> None:
        """Nothing follows: count what has stayed incomplete."""
        self.given_up += len(self._datagrams)
        self._datagrams.clear()
        self._held = 0

    @staticmethod
    def _whole(datagram: _Datagram) -> bytes | None:
        if datagram.length < 0 or datagram.held < datagram.length:
            return None
        whole = bytearray()
        for offset in sorted(datagram.pieces):
            piece = datagram.pieces[offset]
            if offset > len(whole):
                return None
            # Where fragments overlap, the one that begins first has its way.
            whole += piece[len(whole) - offset :]
        return bytes(whole[: datagram.length]) if len(whole) >= datagram.length else None
