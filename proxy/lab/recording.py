"""What passed the relay in a run: to be replayed, or written to a capture file."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

from analyzers.connection import Connection
from analyzers.context import Context
from analyzers.events import Direction, How
from analyzers.transcript import Transcript
from proxy.record import CaptureWriter
from proxy.tap import Why


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that passed the relay in one piece."""

    direction: Direction
    data: bytes
    at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Close:
    """One direction ended."""

    direction: Direction
    how: How
    at: float


@dataclass(frozen=True, slots=True)
class Unreached:
    """The broker was not reached."""

    why: Why
    detail: str
    at: float


Seen = Chunk | Close | Unreached


def replay(seen: Iterable[Seen]) -> Transcript:
    """Tell a connection what was seen, in the same order and with the same times."""
    connection = Connection()
    for item in seen:
        match item:
            case Chunk(direction, data, at):
                connection.receive(direction, data, at)
            case Close(direction, how, at):
                connection.close(direction, how, at)
            case Unreached(why, detail, at):
                connection.not_connected(why, detail, at)
    return connection.transcript


def capture(seen: Iterable[Seen], context: Context, *, comment: str) -> bytes:
    """The same as a pcapng file with one connection.

    Args:
        seen: what passed.
        context: has the addresses; where the server's is missing (it was never reached),
            the file shows the connection attempt to the client's own address.
        comment: shown by Wireshark among the file's properties.
    """
    file = io.BytesIO()
    client = (context.client_address or "127.0.0.1", context.client_port or 0)
    server = (context.server_address or client[0], context.server_port or 0)
    flow = CaptureWriter(file, comment=comment).flow(client, server)
    if context.server_address is not None:
        flow.connected(context.start)
    for item in seen:
        match item:
            case Chunk(direction, data, at):
                flow.data(direction, data, at)
            case Close(direction, how, at):
                flow.close(direction, how, at)
            case Unreached("refused" | "timeout" as why, _, at):
                flow.not_connected(why, at)
    return file.getvalue()
