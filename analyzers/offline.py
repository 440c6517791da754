"""A capture's bytes to connections: feeds `Connection` as a live relay would."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from analyzers.capture.blocks import Buffer
from analyzers.capture.files import CaptureFile, NotACapture
from analyzers.capture.flows import Flow, Half
from analyzers.capture.packets import Dissector
from analyzers.capture.tcp import Streams
from analyzers.connection import Connection
from analyzers.context import Context
from analyzers.transcript import Transcript

__all__ = ["NotACapture", "Reading", "Summary", "read_connections"]

_CLIENT_WORDS = (
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"CONNECT ",
    b"OPTIONS ",
    b"PROXY ",
    b"EHLO ",
)
_SERVER_WORDS = (b"HTTP/1.", b"220 ", b"220-", b"+OK", b"* OK")
_CLIENT_HELLO, _CLIENT_KEY_EXCHANGE = 1, 16
_SERVER_MESSAGES = frozenset((0, 2, 4, 12, 13, 14, 22))
"""Handshake messages that only servers send (HelloRequest to CertificateStatus)."""


@dataclass(slots=True)
class Summary:
    """What was read so far, besides the connections."""

    packets: int = 0
    """Packets in the file, TCP or not."""
    bytes: int = 0
    """Bytes of the (uncompressed) file."""
    connections: int = 0
    """TCP connections handed over."""
    others: dict[str, int] = field(default_factory=dict)
    """Packets in which no TCP could be read, by the name of what they hold."""
    warnings: list[str] = field(default_factory=list)
    """What could not be read, each with the file's name and offset."""


class Reading(Iterator[tuple[Transcript, Context]]):
    """The connections of a capture, read as they are asked for.

    After a KeyboardInterrupt in the middle it can still be asked: `stop` ends the
    reading, and what was open until then comes out.
    """

    def __init__(
        self,
        chunks: Iterator[Buffer],
        *,
        context: Context,
        ports: Collection[int] | None,
        hosts: Collection[bytes] | None,
        progress: Callable[[Summary], None] | None,
        warnings: list[str] | None,
    ) -> None:
        self.summary = Summary(warnings=[] if warnings is None else warnings)
        """What was read so far."""
        self._chunks = chunks
        self._context = context
        self._progress = progress
        self._streams = Streams(_open_connection, judge=first_sender, ports=ports, hosts=hosts)
        self._dissector = Dissector(self._streams.segment, self._streams.unreachable)
        self._file = CaptureFile(context.name, self._dissector.frame, self.summary.warnings)
        self._ended = False

    def __next__(self) -> tuple[Transcript, Context]:
        finished = self._streams.finished
        while not finished:
            if self._ended:
                if not self._streams.finish():
                    raise StopIteration
                break
            chunk = next(self._chunks, None)
            if chunk is None:
                self._file.finish()
                self.stop()
            else:
                self._file.feed(chunk)
                self._streams.expire()
                self.summary.bytes += len(chunk)
            self._count()
        self.summary.connections += 1
        return self._hand_over(finished.popleft())

    def stop(self) -> None:
        """Read no further: connections that are open come out as such."""
        if not self._ended:
            self._ended = True
            self._dissector.finish()
            if self._dissector.incomplete_datagrams:
                self._warn(
                    f"{self._dissector.incomplete_datagrams} fragmented IP datagrams were not "
                    "captured whole"
                )
            if self._streams.given_up:
                self._warn(
                    f"{self._streams.given_up} of the oldest connections were given up, "
                    "because too many were open at the same time"
                )

    def _warn(self, text: str) -> None:
        self.summary.warnings.append(f"{self._context.name}: {text}")

    def _count(self) -> None:
        self.summary.packets = self._file.frames
        self.summary.others = self._dissector.others
        if self._progress is not None:
            self._progress(self.summary)

    def _hand_over(self, flow: Flow) -> tuple[Transcript, Context]:
        connection, client = flow.sink, flow.client
        # Streams hands over nothing of which it has told nothing.
        assert isinstance(connection, Connection)
        assert client is not None
        address, port = _endpoint(client)
        server_address, server_port = _endpoint(client.other)
        flow.dissolve()
        return connection.transcript, replace(
            self._context,
            start=flow.first_at,
            client_address=address,
            client_port=port,
            server_address=server_address,
            server_port=server_port,
            stream=flow.stream,
            first_frame=flow.first_frame,
        )


def read_connections(
    chunks: Iterable[Buffer],
    *,
    name: str,
    ports: Collection[int] | None = None,
    hosts: Collection[str] | None = None,
    progress: Callable[[Summary], None] | None = None,
    trust_anchors: tuple[bytes, ...] | None = None,
    client_hint: str | None = None,
    broker_hint: str | None = None,
    warnings: list[str] | None = None,
) -> Reading:
    """Read a capture (pcap or pcapng) from chunks of any size.

    Args:
        chunks: The file's bytes; a chunk may be reused once the next is asked for.
        name: The file, for reports and warnings.
        ports: Only connections with one of these ports, at either end.
        hosts: Only connections with one of these IP addresses, at either end.
        progress: Called after each chunk.
        trust_anchors: DER certificates of the CAs that the clients trust, if known.
        client_hint: The client program, where the user named it.
        broker_hint: The broker program, where the user named it.
        warnings: The list to which warnings are added; the source of the chunks may add
            its own.

    Returns:
        An iterator of (transcript, context), one a TCP connection, each soon after it
        has ended; the rest when the capture ends. At the first chunks it raises
        NotACapture if the bytes are none; damage further on only adds to the warnings.

    Raises:
        ValueError: one of `hosts` is no IP address.
    """
    return Reading(
        iter(chunks),
        context=Context(
            kind="capture",
            name=name,
            start=0.0,
            trust_anchors=trust_anchors,
            client_hint=client_hint,
            broker_hint=broker_hint,
        ),
        ports=ports,
        hosts=None if hosts is None else [ipaddress.ip_address(host).packed for host in hosts],
        progress=progress,
        warnings=warnings,
    )


def first_sender(data: bytes) -> Literal["client", "server"] | None:
    """Who sends such bytes, where the capture lacks the start; None: cannot tell."""
    if len(data) > 5 and data[0] == 22 and data[1] == 3:
        if data[5] in (_CLIENT_HELLO, _CLIENT_KEY_EXCHANGE):
            return "client"
        return "server" if data[5] in _SERVER_MESSAGES else None
    if len(data) > 4 and data[0] & 0x80 and data[2] == _CLIENT_HELLO and data[3] in (0, 2, 3):
        return "client"  # the SSLv2 framing of a ClientHello (RFC 5246 appendix E.2)
    if data[:1] == b"\x10" and b"MQ" in data[2:10]:
        return "client"
    if data[:2] == b"\x20\x02" or data.startswith(_SERVER_WORDS):
        return "server"
    if data.startswith(_CLIENT_WORDS):
        return "client"
    return None


def _open_connection(flow: Flow) -> Connection:
    opened = flow.syn_at if flow.client is not None and flow.client.syn else None
    return Connection(
        client_start=flow.client_start, server_start=flow.server_start, opened_at=opened
    )


def _endpoint(half: Half) -> tuple[str, int]:
    """The sender's address and port."""
    key = half.key
    address = ipaddress.ip_address(key[: len(key) // 2 - 2])
    return str(address), int.from_bytes(key[-4:-2], "big")
