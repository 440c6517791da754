"""All that was seen of one connection, frozen, with the lookups that judgement needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from analyzers.events import (
    AlertSeen,
    ChangeCipherSpecSeen,
    ClosedSeen,
    Direction,
    Event,
    FaultSeen,
    GapSeen,
    HandshakeSeen,
    How,
    NotConnectedSeen,
    PlaintextSeen,
    ProtectedSeen,
    StoppedSeen,
)
from analyzers.messages import (
    CertificateMessage,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    ClientKeyExchange,
    ServerHello,
    ServerKeyExchange,
    is_tls13,
)

CLIENT, SERVER = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Pending:
    """Something that had begun and not ended when the transcript was taken."""

    content_type: int | None
    """The record's type; None where only bytes that say nothing yet have come."""
    record_length: int | None
    record_had: int
    """Bytes of the record that came, header included; 0 between records."""
    handshake_type: int | None
    handshake_length: int | None
    handshake_had: int
    """Bytes of the message that came in whole records."""
    stream_offset: int


@dataclass(frozen=True)
class Transcript:
    """Events in the order in which the observer saw them, and how much it saw."""

    events: tuple[Event, ...]
    opened_at: float | None
    """When the connection was opened, in epoch seconds."""
    client_start: bool
    """The client's first byte was seen (or none was ever sent)."""
    server_start: bool
    client_bytes: int
    server_bytes: int
    client_skipped: int
    """Records after the handshake whose lengths were dropped to bound memory."""
    server_skipped: int
    pending: dict[Direction, Pending]

    def of(self, kind: type[_T], direction: Direction | None = None) -> Iterator[_T]:
        """Events of one class, and of one direction if given."""
        for event in self.events:
            if isinstance(event, kind) and (direction is None or event.direction is direction):
                yield event

    def first(self, kind: type[_T], direction: Direction | None = None) -> _T | None:
        """The first event of a class, if any."""
        return next(self.of(kind, direction), None)

    def messages(self, body: type[_T]) -> Iterator[tuple[HandshakeSeen, _T]]:
        """Handshake messages whose parsed body has a class."""
        for event in self.of(HandshakeSeen):
            if isinstance(event.body, body):
                yield event, event.body

    def message(
        self, body: type[_T], direction: Direction | None = None
    ) -> tuple[HandshakeSeen, _T] | None:
        """The first such message, if any."""
        for event, found in self.messages(body):
            if direction is None or event.direction is direction:
                return event, found
        return None

    def bytes_from(self, direction: Direction) -> int:
        """TCP payload bytes seen from one side."""
        return self.client_bytes if direction is CLIENT else self.server_bytes

    @cached_property
    def handshake_bytes(self) -> int:
        """Bytes of the handshake messages that are kept: the weight of this transcript."""
        return sum(len(event.raw) for event in self.of(HandshakeSeen))

    @cached_property
    def client_hello_event(self) -> HandshakeSeen | None:
        """The first ClientHello as seen."""
        found = self.message(ClientHello, CLIENT)
        return found[0] if found else None

    @cached_property
    def client_hello(self) -> ClientHello | None:
        """The first ClientHello."""
        found = self.message(ClientHello, CLIENT)
        return found[1] if found else None

    @cached_property
    def second_client_hello(self) -> ClientHello | None:
        """The one that answers a HelloRetryRequest."""
        if self.hello_retry_request is None:
            return None
        hellos = [hello for event, hello in self.messages(ClientHello) if event.direction is CLIENT]
        return hellos[1] if len(hellos) > 1 else None

    @cached_property
    def hello_retry_request(self) -> ServerHello | None:
        """The HelloRetryRequest."""
        return next((hello for _, hello in self.messages(ServerHello) if hello.retry), None)

    @cached_property
    def server_hello_event(self) -> HandshakeSeen | None:
        """The real ServerHello as seen."""
        return next((event for event, hello in self.messages(ServerHello) if not hello.retry), None)

    @cached_property
    def server_hello(self) -> ServerHello | None:
        """The real ServerHello: a HelloRetryRequest is not one."""
        return next((hello for _, hello in self.messages(ServerHello) if not hello.retry), None)

    @cached_property
    def version(self) -> int | None:
        """The version agreed."""
        return self.server_hello.version if self.server_hello else None

    @cached_property
    def tls13(self) -> bool:
        """Whether TLS 1.3 (or a draft) was agreed."""
        return self.version is not None and is_tls13(self.version)

    def certificates(self, direction: Direction) -> tuple[bytes, ...] | None:
        """The chain one side sent in clear; None where none was seen, () for an empty one."""
        found = self.message(CertificateMessage, direction)
        return found[1].certificates if found else None

    @cached_property
    def certificate_request(self) -> CertificateRequest | None:
        """The server's clear CertificateRequest (TLS 1.2 and earlier)."""
        found = self.message(CertificateRequest)
        return found[1] if found else None

    @cached_property
    def server_key_exchange(self) -> ServerKeyExchange | None:
        """The ServerKeyExchange."""
        found = self.message(ServerKeyExchange)
        return found[1] if found else None

    @cached_property
    def client_key_exchange(self) -> ClientKeyExchange | None:
        """The ClientKeyExchange."""
        found = self.message(ClientKeyExchange)
        return found[1] if found else None

    @cached_property
    def certificate_verify(self) -> CertificateVerify | None:
        """The client's clear CertificateVerify (TLS 1.2 and earlier)."""
        found = self.message(CertificateVerify)
        return found[1] if found else None

    @cached_property
    def alerts(self) -> tuple[AlertSeen, ...]:
        """Alert records in order: all that TLS <= 1.2 sends, the clear ones of TLS 1.3."""
        return tuple(self.of(AlertSeen))

    @cached_property
    def closes(self) -> tuple[ClosedSeen, ...]:
        """How the directions ended, in order."""
        return tuple(self.of(ClosedSeen))

    def close_of(self, direction: Direction) -> ClosedSeen | None:
        """The first real ending (FIN or RST) of one direction."""
        for event in self.of(ClosedSeen, direction):
            if event.how in (How.FIN, How.RST):
                return event
        return None

    @cached_property
    def not_connected(self) -> NotConnectedSeen | None:
        """Why the server was never reached, if so."""
        return self.first(NotConnectedSeen)

    @cached_property
    def stopped(self) -> StoppedSeen | None:
        """Why the analysis ended early, if so."""
        return self.first(StoppedSeen)

    @cached_property
    def gaps(self) -> int:
        """Holes in the capture."""
        return sum(1 for _ in self.of(GapSeen))

    @cached_property
    def faults(self) -> tuple[FaultSeen, ...]:
        """Places where a direction stopped being readable."""
        return tuple(self.of(FaultSeen))

    def plaintext(self, direction: Direction) -> PlaintextSeen | None:
        """What a side speaks instead of TLS, if that was seen."""
        return self.first(PlaintextSeen, direction)

    def ccs(self, direction: Direction) -> ChangeCipherSpecSeen | None:
        """The first ChangeCipherSpec of a side."""
        return self.first(ChangeCipherSpecSeen, direction)

    def protected(self, direction: Direction) -> tuple[ProtectedSeen, ...]:
        """Records of one side that cannot be read, in order."""
        return tuple(self.of(ProtectedSeen, direction))
