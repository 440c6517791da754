"""Peers that say given bytes: for what no current TLS library can be made to do."""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

import trio

from proxy.lab import messages

_CHUNK = 65536
_LINGER_FORMAT = "hh" if sys.platform == "win32" else "ii"


class UnexpectedEnd(Exception):
    """The peer ended the connection while the script waited for something."""


class Wire:
    """A TCP connection with the few verbs a script needs.

    Error handling: trio.BrokenResourceError where the peer resets.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def send(self, *parts: bytes) -> None:
        """Send bytes."""
        await self._stream.send_all(b"".join(parts))

    async def receive(self) -> bytes:
        """Whatever the peer has sent; none at its end of file."""
        if self._buffer:
            found = bytes(self._buffer)
            self._buffer.clear()
            return found
        return bytes(await self._stream.receive_some(_CHUNK))

    async def record(self) -> tuple[int, bytes]:
        """The next TLS record: content type and fragment.

        Raises:
            UnexpectedEnd: the peer closed before a whole record had come.
        """
        header = await self._exactly(5)
        return header[0], await self._exactly(int.from_bytes(header[3:5], "big"))

    async def until_message(self, message_type: int) -> bytes:
        """Read clear handshake messages up to one of the given type; gives its body.

        Raises:
            UnexpectedEnd: another kind of record came first, or the end.
        """
        pending = b""
        while True:
            content_type, fragment = await self.record()
            if content_type != messages.HANDSHAKE:
                raise UnexpectedEnd(f"a record of type {content_type} instead of a handshake")
            pending += fragment
            while len(pending) >= 4:
                end = 4 + int.from_bytes(pending[1:4], "big")
                if len(pending) < end:
                    break
                found, body = pending[0], pending[4:end]
                pending = pending[end:]
                if found == message_type:
                    return body

    async def until_end(self) -> bytes:
        """Read to the peer's end, be it a FIN or a reset; gives the bytes."""
        found = bytearray(self._buffer)
        self._buffer.clear()
        with contextlib.suppress(trio.BrokenResourceError):
            while data := await self._stream.receive_some(_CHUNK):
                found += data
        return bytes(found)

    async def fin(self) -> None:
        """End our direction, then wait for the peer's end."""
        await end(self._stream)

    async def reset(self) -> None:
        """Reset the connection."""
        reset(self._stream)
        await self._stream.aclose()

    async def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = await self._stream.receive_some(_CHUNK)
            if not data:
                raise UnexpectedEnd("the peer closed the connection")
            self._buffer += data
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found


def refusing_client(
    hello: bytes, *, alert: int | None, says: str
) -> Callable[[Wire], Awaitable[str]]:
    """A TLS 1.2 client that reads the broker's flight and then leaves.

    Args:
        hello: its ClientHello record.
        alert: what it sends first; None: nothing.
        says: what its user reads.
    """

    async def script(wire: Wire) -> str:
        await wire.send(hello)
        await wire.until_message(messages.SERVER_HELLO_DONE)
        if alert is not None:
            await wire.send(messages.alert(alert))
        return says

    return script


async def end(stream: trio.SocketStream, *, patience: float = math.inf) -> None:
    """Half-close, then read until the peer has ended too.

    Closing a socket with unread bytes makes the system send a reset; reading them
    first keeps each scenario's ending the same on every run.
    """
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await stream.send_eof()
        with trio.move_on_after(patience):
            while await stream.receive_some(_CHUNK):
                pass


def reset(stream: trio.SocketStream) -> None:
    """Make the coming close of this socket a reset (RFC 9293 section 3.5.2)."""
    linger = struct.pack(_LINGER_FORMAT, 1, 0)
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
