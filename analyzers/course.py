"""The course of a handshake: what was seen of it and what lengths say of the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from analyzers.events import (
    AlertSeen,
    Direction,
    ProtectedSeen,
)
from analyzers.transcript import CLIENT, SERVER, Transcript

Sure = Literal["certain", "likely", "possible"]
Sent = Literal["none", "empty", "certificate"]


@dataclass(frozen=True, slots=True)
class Data:
    """An application record after the handshake."""

    event: ProtectedSeen
    least: int
    """Fewest plaintext bytes it can hold."""
    most: int

    @property
    def direction(self) -> Direction:
        """Who sent it."""
        return self.event.direction


@dataclass(slots=True)
class Flights:
    """The handshake's course, seen or inferred; indices are places in `events`."""

    transcript: Transcript
    padding: dict[Direction, int] = field(default_factory=lambda: {CLIENT: 0, SERVER: 0})
    second_flight: int | None = None
    """Where the client's answer to the server's flight begins."""
    client_finished: int | None = None
    server_finished: int | None = None
    requested: bool | None = None
    """Whether the server asked for a client certificate; None where it cannot be known."""
    requested_sure: Sure = "certain"
    sent: Sent | None = None
    sent_sure: Sure = "certain"
    resumed: bool = False
    hidden_alerts: list[tuple[int, ProtectedSeen, Sure]] = field(default_factory=list)
    """TLS 1.3 records that are alerts by length and place."""
    data: list[tuple[int, Data]] = field(default_factory=list)
    """Application records after the client's Finished, tickets left out."""
    tickets: list[int] = field(default_factory=list)
    """Session tickets after the client's Finished."""
    server_certificate: int | None = None
    """Length of the TLS 1.3 Certificate message, in bytes, where it has its own record."""
    server_key: str | None = None
    encrypted_extensions: int | None = None
    """Length of the EncryptedExtensions message where it has its own record."""
    renegotiation: int | None = None
    """Where a second handshake begins inside the protected phase (TLS <= 1.2)."""

    @property
    def answered(self) -> bool:
        """Whether the server sent more than an alert after the client's second flight."""
        if self.second_flight is None:
            return False
        hidden = {index for index, _, _ in self.hidden_alerts}
        if not self.transcript.tls13:
            done = self.server_finished
            return done is not None and (done > self.second_flight or self.resumed)
        return any(
            isinstance(event, ProtectedSeen)
            and event.direction is SERVER
            and index > self.second_flight
            and index not in hidden
            and index != self.server_finished
            for index, event in enumerate(self.transcript.events)
        )

    @property
    def handshake(self) -> Literal["complete", "client_complete", "partial", "none"]:
        """How far the handshake came."""
        if self.transcript.client_hello is None and self.transcript.server_hello is None:
            return "none"
        if self.client_finished is None:
            return "partial"
        if self.transcript.tls13:
            refused = self.refusal is not None and not self.answered
            return "client_complete" if refused else "complete"
        return "complete" if self.server_finished is not None else "client_complete"

    @property
    def refusal(self) -> int | None:
        """Where the server's first alert after the client's second flight stands."""
        if self.second_flight is None:
            return None
        places = [i for i, event, _ in self.hidden_alerts if event.direction is SERVER]
        places += [
            i
            for i, event in enumerate(self.transcript.events)
            if isinstance(event, AlertSeen) and event.direction is SERVER
        ]
        return min((place for place in places if place > self.second_flight), default=None)
