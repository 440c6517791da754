"""What is worth knowing besides the cause: misleading alerts, detours, oddities."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case
from analyzers.codepoints import HandshakeType, label
from analyzers.events import HandshakeSeen
from analyzers.extensions import SERVER_NAME
from analyzers.finding import Finding
from analyzers.offer import Offer
from analyzers.rules._rule import rule
from analyzers.rules._words import alert, at_ending, at_event, at_extension, version
from analyzers.transcript import CLIENT

PROTOCOL_VERSION = 70
_MISLEADING = {
    10: "a message out of place",
    20: "a damaged record",
    40: "a failed negotiation",
    47: "an illegal value",
    49: "a lack of rights",
    50: "an unreadable message",
    51: "a failed decryption",
    70: "the TLS version",
    71: "too weak algorithms",
    80: "an error inside the client",
}
_MSS = 1400


@rule("notes", note=True)
def alert_misleads(case: Case) -> Iterator[Finding]:
    """The alert's name points in a wrong direction.

    What it means:
        The client ended the handshake with the broker's certificate in hand, but the
        alert that it sent names something else. Windows (SChannel) is known to say
        protocol_version after a certificate that it cannot use, libmosquitto
        internal_error for a name that does not match.
    On the wire:
        A client alert after the server's Certificate, whose name is not about
        certificates, while version and suite were agreed.
    What to do:
        Do not follow the alert's name: look at the certificate.

    References:
        https://github.com/dotnet/MQTTnet/issues/2172
        https://github.com/rabbitmq/rabbitmq-server/discussions/13712
    """
    refusal, hello = case.server_refused, case.tr.server_hello
    client = case.tr.client_hello
    if refusal is None or refusal.alert not in _MISLEADING or hello is None or client is None:
        return
    if Offer.of(client).has_version(hello.version) is False:
        return
    about = _MISLEADING[refusal.alert]
    agreed = version(hello.version)
    event = case.tr.server_hello_event
    yield Finding(
        rule="alert-misleads",
        role="note",
        certainty="certain" if refusal.alert == PROTOCOL_VERSION else "likely",
        title=f"The alert {alert(refusal.alert)} misleads",
        explanation=f"By its name it is about {about}. But {agreed} had been offered by the "
        f"client and chosen by the broker, and the alert came only when the client had the "
        f"broker's certificate.",
        evidence=(
            *((at_event(event, f"{agreed} was agreed."),) if event is not None else ()),
            at_ending(case, refusal.ending),
        ),
    )


@rule("notes", note=True)
def client_points_at_proxy_name(case: Case) -> Iterator[Finding]:
    """The client was pointed at this proxy by the proxy's name.

    What it means:
        A client checks the broker's certificate against the name that it connects to.
        Pointed at localhost, it looks for localhost in the certificate and must fail,
        or the broker picks the wrong certificate by SNI.
    On the wire:
        SNI localhost or none, while the proxy stands for a broker of another name.
    What to do:
        Keep the broker's name: put it into the hosts file for 127.0.0.1 and start the
        proxy with --connect ADDRESS, or tell the client which name to check.

    References:
        RFC 9525 section 6 (https://www.rfc-editor.org/rfc/rfc9525#section-6)
    """
    hello, event = case.tr.client_hello, case.tr.client_hello_event
    if not case.points_at_proxy or hello is None or event is None:
        return
    sent = f"sends the name {case.sni}" if case.sni else "sends no name (no SNI)"
    hurt = case.server_refused is not None or case.phase == "before_server_hello"
    yield Finding(
        rule="client-points-at-proxy-name",
        role="contributing" if hurt else "note",
        certainty="likely",
        title=f"The client does not ask for {case.context.server_name}",
        explanation=f"The client {sent}, because it was pointed at this proxy. It checks the "
        f"certificate against that name, and not against {case.context.server_name}: a name "
        "mismatch here can be our doing and not the broker's.",
        evidence=(at_extension(event, hello, SERVER_NAME, f"The client {sent}."),),
    )


@rule("notes", note=True)
def client_hello_large(case: Case) -> Iterator[Finding]:
    """The ClientHello does not fit one packet.

    What it means:
        Post-quantum key shares (X25519MLKEM768) make hellos of 1.5 kB and more. Some
        middleboxes read only the first packet and drop or reset the connection.
    On the wire:
        A ClientHello longer than about 1400 bytes, and no answer.
    What to do:
        Try once without the post-quantum group (Go: GODEBUG=tlsmlkem=0; OpenSSL: -groups).

    References:
        https://tldr.fail/
    """
    event = case.tr.client_hello_event
    if event is None or len(event.raw) <= _MSS or case.tr.server_bytes:
        return
    if case.phase == "before_server_hello":
        yield Finding(
            rule="client-hello-large",
            role="contributing",
            certainty="possible",
            title=f"The ClientHello is large ({len(event.raw)} bytes)",
            explanation=f"It takes {len(event.raw)} bytes, more than one packet holds, and "
            "nothing came back. Some middleboxes cannot read such hellos.",
            evidence=(at_event(event, f"{len(event.raw)} bytes"),),
        )


@rule("notes", note=True)
def malformed_message(case: Case) -> Iterator[Finding]:
    """A message breaks its specification.

    What it means:
        Bytes that should form a TLS message do not: a bug in a TLS library, damage on the
        way, or not TLS at all.
    On the wire:
        The named field's length or value does not fit.
    What to do:
        Update the library that sent it; look for a device that alters traffic.

    References:
        RFC 8446 section 6.2, decode_error (https://www.rfc-editor.org/rfc/rfc8446#section-6.2)
    """
    for fault in case.tr.faults:
        yield Finding(
            rule="malformed-message",
            role="contributing" if case.outcome.failed_by else "note",
            certainty="certain",
            title=f"The {fault.direction.sender} sent bytes that are not valid TLS",
            explanation=f"{fault.error}. Nothing after this place could be read.",
            evidence=(at_event(fault, str(fault.error)),),
        )
    for event in case.tr.of(HandshakeSeen):
        if event.fault is not None:
            name = label(HandshakeType, event.type)
            yield Finding(
                rule="malformed-message",
                role="contributing" if case.outcome.failed_by else "note",
                certainty="certain",
                title=f"The {event.direction.sender}'s {name} is malformed",
                explanation=f"{event.fault}.",
                evidence=(at_event(event, str(event.fault)),),
            )


@rule("notes", note=True)
def middlebox_suspected(case: Case) -> Iterator[Finding]:
    """Something between client and broker may have ended the connection.

    What it means:
        Firewalls and inspectors answer in the broker's name when they dislike a hello.
    On the wire:
        A reset straight after the ClientHello, without one byte from the broker.
    What to do:
        Try from the broker's own host, and with another name (SNI).

    References:
        RFC 9293 section 3.5.2 (https://www.rfc-editor.org/rfc/rfc9293#section-3.5.2)
    """
    end = case.ending
    if end is None or end.direction is CLIENT or end.kind != "rst" or case.tr.server_bytes:
        return
    if case.tr.client_hello is not None and case.phase == "before_server_hello":
        yield Finding(
            rule="middlebox-suspected",
            role="note",
            certainty="possible",
            title="Something on the way may have reset the connection",
            explanation="A reset right after the ClientHello can come from the broker or from a "
            "device on the way that answers in its name.",
            evidence=(at_ending(case, end),),
        )


@rule("notes", note=True)
def analysis_stopped(case: Case) -> Iterator[Finding]:
    """The analysis ended before the connection did.

    What it means:
        A cap that bounds memory was reached, or this program has a bug. The traffic was
        not touched.
    On the wire:
        Nothing.
    What to do:
        Take the findings for what was seen until then.

    References:
        The README, section on safety
    """
    event = case.tr.stopped
    if event is not None:
        yield Finding(
            rule="analysis-stopped",
            role="note",
            certainty="certain",
            title="The analysis ended early",
            explanation=f"It stopped because of {event.reason}.",
        )
