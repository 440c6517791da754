"""What was seen on a connection, in the order in which it was seen."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from analyzers.errors import ParseError


class Direction(enum.Enum):
    """Which way bytes travel; the value is the sender's name in reports."""

    CLIENT_TO_SERVER = "client"
    SERVER_TO_CLIENT = "server"

    @property
    def sender(self) -> str:
        """The sender, "client" or "server"."""
        return self.value

    @property
    def other(self) -> Direction:
        """The opposite direction."""
        if self is Direction.CLIENT_TO_SERVER:
            return Direction.SERVER_TO_CLIENT
        return Direction.CLIENT_TO_SERVER


class How(enum.Enum):
    """How one direction of a connection ended."""

    FIN = "fin"
    RST = "rst"
    TIMEOUT = "timeout"
    """The observer stopped waiting; the connection itself may live on."""
    OPEN = "open"
    """The capture or the proxy ended before the connection did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was seen."""

    direction: Direction
    """Who sent it."""
    at: float
    """When the last byte of it arrived, in seconds since the Unix epoch (UTC)."""
    stream_offset: int
    """Where it begins in its direction's TCP payload, in bytes."""
    frame: int | None = None
    """The capture's frame number that completed it, from 1 as Wireshark counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeSeen(Event):
    """A whole handshake message in clear (RFC 8446 section 4, RFC 5246 section 7.4)."""

    type: int
    """HandshakeType code point."""
    raw: bytes
    """The message with its 4-byte header (a hello in SSL 2.0 framing: with that one's)."""
    body: object = None
    """The parsed structure, one of the classes of `analyzers.messages`; None where it
    is of no interest or could not be read (then `fault` says why)."""
    fault: ParseError | None = None
    """Why the message could not be read in full."""
    record_version: int = 0
    """legacy_record_version of the record in which it begins; SSL 2.0 for its framing."""
    records: int = 1
    """Over how many records it is spread."""
    segments: int = 1
    """In how many pieces it reached the observer."""
    first_at: float = 0.0
    """When its first byte arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSeen(Event):
    """An alert record, clear or encrypted (RFC 8446 section 6)."""

    level: int | None
    """AlertLevel; None where encrypted."""
    description: int | None
    """AlertDescription; None where encrypted."""
    encrypted: bool
    record_length: int
    """The record's length field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCipherSpecSeen(Event):
    """A ChangeCipherSpec record: a real switch up to TLS 1.2, a dummy in TLS 1.3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedSeen(Event):
    """A record whose content cannot be read: type and length are all the evidence."""

    content_type: int
    """The outer ContentType: 23 for all of TLS 1.3, the true type up to TLS 1.2."""
    record_length: int
    """The record's length field."""
    complete: bool = True
    """False where part of the fragment was not captured."""
    offered: bool = False
    """True for a record seen before its protection was agreed (0-RTT data)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatSeen(Event):
    """A heartbeat record (RFC 6520)."""

    record_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaintextSeen(Event):
    """The direction does not speak TLS (or not from its first byte)."""

    kind: str
    """"mqtt", "http", "websocket", "proxy", "ssh", ... or "unknown"."""
    says: str
    """What was recognised, for people; never a password."""
    length: int
    """How many bytes the judgement rests on."""
    detail: dict[str, str | int | bool | None] = field(default_factory=dict)
    """Facts by name, for rules (e.g. `return_code` of a CONNACK)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapSeen(Event):
    """Bytes that were sent and not captured; the stream goes on after them."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedSeen(Event):
    """Bytes that the relay passed on without showing them."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSeen(Event):
    """Bytes that break the protocol: nothing after them in this direction is read."""

    error: ParseError
    raw: bytes
    """The first bytes of the offending structure: a record's header, or at most 64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedSeen(Event):
    """One direction has ended."""

    how: How


@dataclass(frozen=True, slots=True, kw_only=True)
class NotConnectedSeen(Event):
    """The server was never reached."""

    why: str
    """One of "refused", "timeout", "unreachable" or "name" (it does not resolve)."""
    detail: str
    """The system's words, or what the capture shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedSeen(Event):
    """The analysis of this connection ended before the connection did."""

    reason: str
