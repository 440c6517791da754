"""TLS 1.3: handshake, tickets, alerts and data told apart by length and order.

Lengths are those of RFC 8446 section 4.4 plus type and tag; JSSE pads every record by 16
bytes. Padding and coalescing are legal, so every fact says how sure it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from analyzers.codepoints.suites import facts, hash_length
from analyzers.course import Data, Flights, Sent, Sure
from analyzers.events import (
    HandshakeSeen,
    ProtectedSeen,
)
from analyzers.records import APPLICATION_DATA
from analyzers.transcript import CLIENT, SERVER

PADDING = 16
"""What JSSE adds to every TLS 1.3 record."""
_TICKET = 60
"""Server data records from here on, before any client data, are session tickets."""
_TOGETHER = 0.25
"""Seconds within which a side's last alerts follow each other."""
_SOON = 3.0
"""Seconds within which an end belongs to the alert before it; after a ping it comes later."""
_CROSSED = 120
"""Even after client data, the server's first records from here on are session tickets."""
_VERIFY_KEYS = {  # CertificateVerify: 4 header, 2 scheme, 2 length, signature
    72: "Ed25519",
    122: "Ed448",
    136: "RSA 1024",
    264: "RSA 2048",
    392: "RSA 3072",
    520: "RSA 4096",
    1032: "RSA 8192",
}
_ECDSA = (  # a DER signature varies by a few bytes
    (76, 80, "EC P-256"),
    (106, 112, "EC P-384"),
    (139, 147, "EC P-521"),
)


def certificate_key_of(length: int) -> str | None:
    """The key that a CertificateVerify message of this length was signed with."""
    if length in _VERIFY_KEYS:
        return _VERIFY_KEYS[length]
    return next((name for low, high, name in _ECDSA if low <= length <= high), None)


class Tls13Reader:
    """One pass over the protected records of a TLS 1.3 connection."""

    def __init__(self, flights: Flights) -> None:
        self.flights = flights
        tr = flights.transcript
        suite = tr.server_hello.cipher_suite if tr.server_hello else 0
        known = facts(suite)
        self.overhead = 1 + (known.tag if known else 16)
        self.finished = 4 + (hash_length(suite) or 32) + self.overhead
        self.alert = 2 + self.overhead
        self.resumed = tr.server_hello is not None and (
            tr.server_hello.extensions.psk_selected is not None
        )
        self.server: list[tuple[int, ProtectedSeen]] = []
        self.client: list[tuple[int, ProtectedSeen]] = []
        for index, event in enumerate(tr.events):
            if isinstance(event, ProtectedSeen) and event.content_type == APPLICATION_DATA:
                if event.direction is SERVER:
                    self.server.append((index, event))
                elif not event.offered:
                    self.client.append((index, event))

    def read(self) -> None:
        """Fill in the flights."""
        self.flights.resumed = self.resumed
        after_server = self._server_flight()
        after_client = self._client_flight()
        self._afterwards(after_server, after_client)

    def _body(self, event: ProtectedSeen) -> int:
        return event.record_length - self.overhead - self.flights.padding[event.direction]

    def _server_flight(self) -> int:
        """Read the server's flight; returns how many of its records it takes."""
        flights = self.flights
        answered = self.client[0][0] if self.client else len(flights.transcript.events)
        for count, (index, event) in enumerate(self.server):
            if index > answered:
                break
            length = event.record_length
            if count < 3 and length in (self.alert, self.alert + PADDING):
                sure: Sure = "certain" if length == self.alert else "likely"
                flights.hidden_alerts.append((index, event, sure))
                return count + 1
            if count and length in (self.finished, self.finished + PADDING):
                before = self.server[count - 1][1].record_length
                signed = certificate_key_of(before - self.overhead) or certificate_key_of(
                    before - self.overhead - PADDING
                )
                if signed or (count == 1 and self.resumed):
                    flights.padding[SERVER] = length - self.finished
                    flights.server_finished = index
                    self._server_messages(count)
                    return count + 1
            if count > 6:
                break
        return self._coalesced()

    def _server_messages(self, count: int) -> None:
        """EncryptedExtensions [CertificateRequest] Certificate CertificateVerify Finished."""
        flights = self.flights
        flights.encrypted_extensions = self._body(self.server[0][1])
        if self.resumed:
            flights.requested = False
            return
        flights.server_key = certificate_key_of(self._body(self.server[count - 1][1]))
        if count >= 3:
            flights.server_certificate = self._body(self.server[count - 2][1])
        flights.requested_sure = "likely"
        flights.requested = count >= 4

    def _coalesced(self) -> int:
        """A flight in one record (BoringSSL, rustls, NSS), or one whose end was not seen."""
        if not self.server:
            return 0
        index, event = self.server[0]
        first = self.client[0][0] if self.client else len(self.flights.transcript.events)
        whole = self.flights.transcript.pending.get(SERVER) is None
        if index < first and whole and self._body(event) > 4 + (0 if self.resumed else 300):
            self.flights.server_finished = index
            if self.resumed:
                self.flights.requested = False
        return 1

    def _client_flight(self) -> int:
        """Read the client's flight; returns how many of its records it takes."""
        flights = self.flights
        position = 0
        if not self.client:
            return 0
        hello = flights.transcript.client_hello
        if hello is not None and hello.extensions.early_data:
            # EndOfEarlyData: a header without a body (RFC 8446 section 4.5).
            position += self.client[0][1].record_length == 4 + self.overhead
        if position >= len(self.client):
            return position
        index, event = self.client[position]
        length = event.record_length
        if length in (self.alert, self.alert + PADDING):
            flights.hidden_alerts.append((index, event, "certain"))
            return position + 1
        flights.second_flight = index
        for padding in (0, PADDING):
            if length == self.finished + padding:
                return self._done(position, padding, "none")
            empty = 8 + self.overhead
            if length == empty + padding and self._finished_at(position + 1, padding):
                return self._done(position + 1, padding, "empty")
            if length == self.finished + 8 + padding or length == self.finished + 25:
                return self._done(position, padding, "empty")
        return self._certificate(position)

    def _finished_at(self, position: int, padding: int) -> bool:
        return (
            position < len(self.client)
            and self.client[position][1].record_length == self.finished + padding
        )

    def _certificate(self, position: int) -> int:
        """A client certificate: Certificate, CertificateVerify, Finished, apart or as one."""
        for padding in (0, PADDING):
            if self._finished_at(position + 2, padding):
                return self._done(position + 2, padding, "certificate")
        if len(self.client) > position + 1:
            body = self.client[position + 1][1].record_length - self.overhead
            if any(certificate_key_of(body - pad) for pad in (0, PADDING)):
                # Certificate and CertificateVerify, and no Finished yet.
                self._auth("certificate")
                return position + 2
        return self._done(position, 0, "certificate")

    def _done(self, position: int, padding: int, sent: Sent) -> int:
        flights = self.flights
        flights.padding[CLIENT] = padding
        flights.client_finished = self.client[position][0]
        self._auth(sent)
        return position + 1

    def _auth(self, sent: Sent) -> None:
        flights = self.flights
        flights.sent, flights.sent_sure = sent, "likely"
        if sent == "none":
            if flights.requested is None:
                flights.requested = False
                flights.requested_sure = "likely"
        else:
            # A client may answer only a request (RFC 8446 section 4.4.2).
            flights.requested = True
            flights.requested_sure = "likely"

    def _afterwards(self, after_server: int, after_client: int) -> None:
        """Sort what follows the two flights into tickets, data and alerts."""
        flights = self.flights
        done = flights.client_finished
        rest = self.server[after_server:] + self.client[after_client:]
        rest.sort(key=lambda pair: pair[0])
        crossed = self._crossed_tickets(rest)
        spoken = answered = False
        for index, event in rest:
            body = self._body(event)
            if done is None or index < done:
                self._before_finished(index, event)
                continue
            if event.direction is SERVER and not spoken and body >= _TICKET:
                flights.tickets.append(index)
                continue
            if index in crossed or (event.direction is SERVER and _is_ticket(body, flights, self)):
                flights.tickets.append(index)
                continue
            # Nobody has two bytes to say before CONNECT and CONNACK.
            early = not (answered if event.direction is SERVER else spoken)
            if body == 2 and (early or _ends_soon(flights, index)):
                flights.hidden_alerts.append((index, event, "likely"))
                continue
            spoken = spoken or event.direction is CLIENT
            answered = answered or event.direction is SERVER
            flights.data.append((index, Data(event, max(0, body), max(0, body))))

    def _crossed_tickets(self, rest: Sequence[tuple[int, ProtectedSeen]]) -> set[int]:
        """Tickets that come after the client's first data, which it sent with its Finished.

        The first record that answers a CONNECT is a CONNACK, far shorter than a ticket; so
        long records before it are tickets, and two of the same length are in any case.
        """
        done = self.flights.client_finished
        after = [
            pair for pair in rest if done is not None and pair[0] > done and self._from_server(pair)
        ]
        bodies = [self._body(event) for _, event in after]
        count = next((i for i, body in enumerate(bodies) if body < _CROSSED), len(bodies))
        twins = count >= 2 and bodies[0] == bodies[1]
        followed = count < len(bodies) and bodies[count] > 2
        if not twins and not followed:
            return set()
        return {index for index, _ in after[: count if followed else 2]}

    @staticmethod
    def _from_server(pair: tuple[int, ProtectedSeen]) -> bool:
        return pair[1].direction is SERVER

    def _before_finished(self, index: int, event: ProtectedSeen) -> None:
        """After one flight and before the client's Finished: an alert or an early ticket."""
        if event.record_length in (self.alert, self.alert + self.flights.padding[event.direction]):
            self.flights.hidden_alerts.append((index, event, "likely"))


def _is_ticket(body: int, flights: Flights, reader: Tls13Reader) -> bool:
    """A ticket that crossed the client's first data: as long as one seen before."""
    events = flights.transcript.events
    seen = {
        event.record_length
        for event in (events[index] for index in flights.tickets)
        if isinstance(event, ProtectedSeen)
    }
    return body + reader.overhead + flights.padding[SERVER] in seen and body >= _TICKET


def _ends_soon(flights: Flights, index: int) -> bool:
    """Whether nothing but alerts and endings follows from that side, and an ending soon."""
    transcript = flights.transcript
    record = transcript.events[index]
    sender = record.direction
    length = getattr(record, "record_length", 0)
    padded = flights.padding[sender] == PADDING
    for event in transcript.events[index + 1 :]:
        if isinstance(event, ProtectedSeen | HandshakeSeen) and event.direction is sender:
            # JSSE says user_canceled, then close_notify; elsewhere the first of two such
            # records is a PINGREQ or a DISCONNECT.
            twin = isinstance(event, ProtectedSeen) and event.record_length == length
            if padded and twin and event.at - record.at < _TOGETHER:
                continue
            return False
    ends = (transcript.close_of(way) for way in (CLIENT, SERVER))
    return any(end is not None and end.at - record.at < _SOON for end in ends)
