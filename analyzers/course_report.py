"""The course of a handshake for the report: alerts, the ladder, and its one-word history."""

from __future__ import annotations

from analyzers import report as r
from analyzers.case import Case
from analyzers.codepoints import (
    AlertDescription,
    AlertLevel,
    HandshakeType,
    label,
)
from analyzers.events import (
    AlertSeen,
    ChangeCipherSpecSeen,
    Event,
    HandshakeSeen,
    HeartbeatSeen,
    ProtectedSeen,
)
from analyzers.messages import ClientHello, ServerHello
from analyzers.transcript import CLIENT, SERVER

MAX_MESSAGES = 320


def _ms(case: Case, event: Event) -> float:
    return r.milliseconds(event.at - case.context.start)


def alerts(case: Case) -> list[r.AlertReport]:
    """Alerts seen or inferred, in order."""
    hidden = {index: sure for index, _, sure in case.flights.hidden_alerts}
    found: list[r.AlertReport] = []
    gone: set[str] = set()
    deciding = case.ending
    for index, event in enumerate(case.tr.events):
        if not isinstance(event, AlertSeen) and index not in hidden:
            continue
        sender: r.Sender = "client" if event.direction is CLIENT else "server"
        other = "server" if sender == "client" else "client"
        reaction = deciding is not None and index > deciding.index and other in gone
        if isinstance(event, AlertSeen) and event.description is not None:
            polite = event.description in (0, 90)
            found.append(
                r.AlertReport(
                    from_=sender,
                    level=label(AlertLevel, event.level) if event.level is not None else None,
                    code=event.description,
                    name=label(AlertDescription, event.description),
                    kind="close_notify" if polite else "error",
                    encrypted=False,
                    record_length=event.record_length,
                    reaction=reaction,
                    certainty="certain",
                    at_ms=_ms(case, event),
                )
            )
        elif isinstance(event, AlertSeen | ProtectedSeen):
            found.append(
                r.AlertReport(
                    from_=sender,
                    level=None,
                    code=None,
                    name=None,
                    kind=_hidden_kind(case, index),
                    encrypted=True,
                    record_length=event.record_length,
                    reaction=reaction,
                    certainty=hidden.get(index, "certain"),
                    at_ms=_ms(case, event),
                )
            )
        gone.add(sender)
    return found


def _hidden_kind(case: Case, index: int) -> r.AlertKind:
    """An encrypted alert before the handshake is over can only be an error."""
    deciding = case.ending
    first = deciding is not None and deciding.index == index
    early = case.phase in ("server_flight", "client_certificate", "finished")
    return "error" if first and early else "unknown"


_RECORDS = {20: "change_cipher_spec", 21: "alert", 22: "handshake", 23: "application_data"}


def messages(case: Case) -> list[r.MessageReport]:
    """The lines of the ladder, in order."""
    found: list[r.MessageReport] = []
    named = _names(case)
    for index, event in enumerate(case.tr.events[:MAX_MESSAGES]):
        sender: r.Sender = "client" if event.direction is CLIENT else "server"
        if isinstance(event, HandshakeSeen):
            record, encrypted, length = "handshake", False, len(event.raw)
            name = _handshake_name(event)
        elif isinstance(event, ChangeCipherSpecSeen):
            record, encrypted, length, name = "change_cipher_spec", False, 1, "ChangeCipherSpec"
        elif isinstance(event, AlertSeen):
            record, encrypted, length = "alert", event.encrypted, event.record_length
            name = (
                label(AlertDescription, event.description)
                if event.description is not None
                else "encrypted alert"
            )
        elif isinstance(event, ProtectedSeen):
            record, encrypted, length = (
                _RECORDS.get(event.content_type, "unknown"),
                True,
                event.record_length,
            )
            name = named.get(index, "encrypted")
        elif isinstance(event, HeartbeatSeen):
            record, encrypted, length, name = "heartbeat", False, event.record_length, "heartbeat"
        else:
            continue
        found.append(
            r.MessageReport(
                from_=sender,
                record=record,
                name=name,
                length=length,
                at_ms=_ms(case, event),
                encrypted=encrypted,
            )
        )
    return found


def _handshake_name(event: HandshakeSeen) -> str:
    if isinstance(event.body, ServerHello) and event.body.retry:
        return "HelloRetryRequest"
    if isinstance(event.body, ClientHello):
        return "ClientHello"
    spelled = label(HandshakeType, event.type)
    return "".join(part.capitalize() for part in spelled.split("_"))


def _names(case: Case) -> dict[int, str]:
    """What the protected records are, where their place or length tells."""
    flights = case.flights
    named = dict.fromkeys(flights.tickets, "session ticket")
    for index, _, _ in flights.hidden_alerts:
        named[index] = "alert"
    if flights.client_finished is not None:
        coalesced = case.tr.tls13 and flights.client_finished == flights.second_flight
        with_certificate = coalesced and flights.sent not in (None, "none")
        named[flights.client_finished] = (
            "Certificate to Finished" if with_certificate else "Finished"
        )
        if case.tr.tls13 and flights.second_flight is not None and not coalesced:
            for index in range(flights.second_flight + 1, flights.client_finished):
                if case.tr.events[index].direction is CLIENT:
                    named[index] = "CertificateVerify"
            empty = flights.sent == "empty"
            named[flights.second_flight] = "empty Certificate" if empty else "Certificate"
    if flights.server_finished is not None:
        named |= _server_flight(case, flights.server_finished)
    for index, _ in flights.data:
        named[index] = "data"
    return named


_SERVER_FLIGHTS = {
    2: ("EncryptedExtensions", "Finished"),
    4: ("EncryptedExtensions", "Certificate", "CertificateVerify", "Finished"),
    5: (
        "EncryptedExtensions",
        "CertificateRequest",
        "Certificate",
        "CertificateVerify",
        "Finished",
    ),
}
"""RFC 8446 section 2: what a server sends, by the number of records."""


def _server_flight(case: Case, last: int) -> dict[int, str]:
    """Names for the records up to the server's Finished."""
    if not case.tr.tls13:
        return {last: "Finished"}
    places = [
        index
        for index, event in enumerate(case.tr.events[: last + 1])
        if isinstance(event, ProtectedSeen) and event.direction is SERVER
    ]
    if len(places) == 1:
        return {last: "EncryptedExtensions to Finished"}
    names = _SERVER_FLIGHTS.get(len(places))
    return dict(zip(places, names, strict=True)) if names else {last: "Finished"}


def history(case: Case) -> str:
    """Zeek's ssl_history: a letter a message, capitals from the client.

    c ClientHello, s ServerHello, j HelloRetryRequest, x Certificate, r CertificateRequest,
    k ServerKeyExchange, g ClientKeyExchange, t NewSessionTicket, n ServerHelloDone,
    y CertificateVerify, i ChangeCipherSpec, f Finished (protected handshake), l alert,
    d data, h HelloRequest, u CertificateStatus; the rest is rare, and z what is unknown.
    """
    letters = {0: "h", 1: "c", 2: "s", 4: "t", 11: "x", 12: "k", 13: "r", 14: "n", 15: "y"}
    letters |= {16: "g", 20: "f", 22: "u", 3: "v", 5: "e", 8: "o", 21: "w", 23: "a", 24: "p"}
    out: list[str] = []
    seen_data = {CLIENT: False, SERVER: False}
    for event in case.tr.events:
        letter = ""
        if isinstance(event, HandshakeSeen):
            letter = letters.get(event.type, "z")
            if isinstance(event.body, ServerHello) and event.body.retry:
                letter = "j"
        elif isinstance(event, ChangeCipherSpecSeen):
            letter = "i"
        elif isinstance(event, AlertSeen):
            letter = "l"
        elif isinstance(event, ProtectedSeen):
            if event.content_type == 22:
                letter = "f"
            elif event.content_type == 23 and not seen_data[event.direction]:
                letter, seen_data[event.direction] = "d", True
        if letter:
            out.append(letter.upper() if event.direction is CLIENT else letter)
    return "".join(out[:128])
