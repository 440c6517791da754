"""What the protected records were, read from their lengths and order.

Up to TLS 1.2 the outer type still tells handshake, alert and data apart. In TLS 1.3 it
does not (RFC 8446 section 5.2), but a Finished has the length of its hash, an alert has
two bytes, an empty Certificate has eight, and every stack sends them in the order of the
specification. Padding and coalescing are legal, so all of this is inference, and each
fact says how sure it is. Lengths are those of RFC 8446 section 4.4 plus type and tag;
JSSE pads every TLS 1.3 record by 16 bytes.
"""

from __future__ import annotations

from analyzers.codepoints.suites import plaintext_range
from analyzers.course import Data, Flights
from analyzers.events import (
    ChangeCipherSpecSeen,
    Direction,
    HandshakeSeen,
    ProtectedSeen,
)
from analyzers.flights_tls13 import Tls13Reader
from analyzers.messages import (
    CERTIFICATE,
    CERTIFICATE_STATUS,
    CLIENT_KEY_EXCHANGE,
    CertificateMessage,
)
from analyzers.records import APPLICATION_DATA, HANDSHAKE
from analyzers.transcript import CLIENT, SERVER, Transcript


def read_flights(transcript: Transcript) -> Flights:
    """Read the course of a handshake from a transcript."""
    flights = Flights(transcript)
    if transcript.server_hello is None:
        return flights
    if transcript.tls13:
        Tls13Reader(flights).read()
    else:
        _read_tls12(flights)
    return flights


def _read_tls12(flights: Flights) -> None:
    tr = flights.transcript
    hello = next(i for i, event in enumerate(tr.events) if event is tr.server_hello_event)
    suite = tr.server_hello.cipher_suite if tr.server_hello else 0
    version = tr.version or 0
    etm = tr.server_hello is not None and 22 in tr.server_hello.extension_types
    switched: dict[Direction, int] = {}
    finished: dict[Direction, int] = {}
    exchanged = False
    for index, event in enumerate(tr.events):
        if index < hello:
            continue
        way = event.direction
        if isinstance(event, ChangeCipherSpecSeen):
            switched.setdefault(way, index)
            if way is CLIENT and flights.second_flight is None:
                flights.second_flight = index
            if way is SERVER and not exchanged and tr.certificates(SERVER) is None:
                flights.resumed = True
        elif isinstance(event, HandshakeSeen) and way is CLIENT:
            if flights.second_flight is None and event.type != 1:
                flights.second_flight = index
            exchanged = exchanged or event.type == CLIENT_KEY_EXCHANGE
        elif isinstance(event, ProtectedSeen) and way in switched:
            if event.content_type == HANDSHAKE:
                if way in finished and flights.renegotiation is None:
                    flights.renegotiation = index
                finished.setdefault(way, index)
            elif event.content_type == APPLICATION_DATA:
                span = plaintext_range(suite, version, event.record_length, encrypt_then_mac=etm)
                low, high = span or (0, event.record_length)
                if high > 0 or low > 0:
                    flights.data.append((index, Data(event, low, high)))
    flights.client_finished = finished.get(CLIENT)
    flights.server_finished = finished.get(SERVER)
    _client_auth_tls12(flights)


def _client_auth_tls12(flights: Flights) -> None:
    tr = flights.transcript
    done = any(event.type in (14, CERTIFICATE_STATUS) for event in tr.of(HandshakeSeen, SERVER))
    if tr.certificate_request is not None or any(
        event.type == 13 for event in tr.of(HandshakeSeen, SERVER)
    ):
        flights.requested = True
    elif done or flights.resumed or flights.second_flight is not None:
        flights.requested = False
    chain = tr.message(CertificateMessage, CLIENT)
    if any(event.type == CERTIFICATE for event in tr.of(HandshakeSeen, CLIENT)):
        # Nobody sends one unasked (RFC 5246 section 7.4.6): the request was not captured.
        flights.requested = True
    if chain is not None:
        flights.sent = "certificate" if chain[1].certificates else "empty"
    elif any(event.type == CERTIFICATE for event in tr.of(HandshakeSeen, CLIENT)):
        flights.sent = "certificate"
    elif flights.second_flight is not None:
        flights.sent = "none"
