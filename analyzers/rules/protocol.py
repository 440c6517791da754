"""One side speaks something else than TLS, or TLS in a form the other cannot read."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case
from analyzers.finding import Finding
from analyzers.rules._rule import rule
from analyzers.rules._words import at_ending, at_event, cause, gone, leaving, side
from analyzers.transcript import CLIENT, SERVER

_PLAIN_PORTS = frozenset({1883, 1884})


@rule("protocol")
def plaintext_to_tls_port(case: Case) -> Iterator[Finding]:
    """The client speaks MQTT without TLS to a TLS port.

    What it means:
        The port expects a TLS ClientHello; the client sent an MQTT CONNECT in clear.
    On the wire:
        The first client byte is 0x10. OpenSSL brokers close without a word,
        Erlang and Java send unexpected_message (10).
    What to do:
        Switch TLS on in the client, or use the broker's plain port (1883) if that is
        meant.

    References:
        MQTT 3.1.1 section 3.1 (https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html)
    """
    event = case.tr.plaintext(CLIENT)
    if event is None or event.kind != "mqtt" or case.outcome.failed_by is None:
        return
    end = case.ending
    how = f" The broker {leaving(case.tr, end)}." if end and end.direction is SERVER else ""
    yield cause(
        "plaintext-to-tls-port",
        "The client speaks MQTT without TLS to a TLS port",
        f"The client sent {event.says} where the broker expects TLS.{how}",
        at_event(event, event.says),
        *((at_ending(case, end),) if end else ()),
        weight=90,
    )


@rule("protocol")
def proxy_header_unexpected(case: Case) -> Iterator[Finding]:
    """A PROXY protocol header comes before TLS, and the broker does not expect it.

    What it means:
        A load balancer puts the client's address in front of the connection; a broker
        that is not told to expect this takes it for broken TLS.
    On the wire:
        "PROXY " or 0D 0A 0D 0A 00 0D 0A 51 before the ClientHello, then an alert or close.
    What to do:
        Switch PROXY protocol on in the broker's listener, or off in the balancer.

    References:
        PROXY protocol (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt)
    """
    event = case.tr.plaintext(CLIENT)
    end = case.ending
    if event is None or event.kind != "proxy" or end is None or end.direction is not SERVER:
        return
    if case.phase == "before_server_hello":
        yield cause(
            "proxy-header-unexpected",
            "A PROXY protocol header stands before TLS, and the broker does not expect it",
            f"The client side sent {event.says}; the broker {leaving(case.tr, end)}.",
            at_event(event, event.says),
            at_ending(case, end),
            certainty="likely",
            weight=88,
        )


@rule("protocol")
def non_tls_to_tls_port(case: Case) -> Iterator[Finding]:
    """The client's first bytes are no TLS.

    What it means:
        Something other than a TLS client talks to the port: a health check by HTTP, a
        scanner, another protocol.
    On the wire:
        The first client byte is not 0x16; the broker closes or sends an alert.
    What to do:
        Find the program at the client's address; point health checks at a TCP check.

    References:
        RFC 8446 section 5.1 (https://www.rfc-editor.org/rfc/rfc8446#section-5.1)
    """
    event = case.tr.plaintext(CLIENT)
    if event is None or event.kind in ("mqtt", "proxy") or case.outcome.failed_by is None:
        return
    end = case.ending
    yield cause(
        "non-tls-to-tls-port",
        "The client does not speak TLS",
        f"The client sent {event.says}."
        + (f" {side(end.direction).capitalize()} {leaving(case.tr, end)}." if end else ""),
        at_event(event, event.says),
        *((at_ending(case, end),) if end else ()),
        weight=85,
    )


@rule("protocol")
def tls_to_plaintext_port(case: Case) -> Iterator[Finding]:
    """The client speaks TLS to a port that speaks MQTT in clear.

    What it means:
        The broker's listener has no TLS (port 1883, or 8883 without certificate and
        key), reads the ClientHello as MQTT and hangs up.
    On the wire:
        A ClientHello, then a close or reset without any TLS byte; or an MQTT packet back.
    What to do:
        Use the broker's TLS port, or configure certificate and key on this listener
        (Mosquitto: certfile and keyfile, not cafile alone).

    References:
        RFC 8446 section 5.1 (https://www.rfc-editor.org/rfc/rfc8446#section-5.1)
    """
    hello = case.tr.client_hello_event
    if hello is None or case.tr.server_hello is not None:
        return
    back = case.tr.plaintext(SERVER)
    if back is not None and back.kind == "mqtt":
        yield cause(
            "tls-to-plaintext-port",
            "The broker's port speaks MQTT without TLS",
            f"The client sent a TLS ClientHello, and the broker answered in clear with "
            f"{back.says}.",
            at_event(back, back.says),
            weight=92,
        )
        return
    end = gone(case, SERVER, ("fin", "rst"), "before_server_hello")
    if end is None or case.tr.server_bytes:
        return
    plain = case.context.server_port in _PLAIN_PORTS
    yield cause(
        "tls-to-plaintext-port",
        "The broker's port may speak MQTT without TLS",
        f"The client sent a TLS ClientHello and the broker {leaving(case.tr, end)} without "
        "one byte. A listener without TLS does that"
        + (f", and {case.context.server_port} is the port for MQTT in clear." if plain else "."),
        at_event(hello, "ClientHello"),
        at_ending(case, end),
        certainty="likely" if plain else "possible",
        weight=80 if plain else 40,
    )


@rule("protocol")
def tls_to_other_protocol(case: Case) -> Iterator[Finding]:
    """The port speaks another protocol than TLS.

    What it means:
        The server answered the ClientHello in clear in some other protocol.
    On the wire:
        The server's first bytes are HTTP, SSH, SMTP, AMQP or the like.
    What to do:
        Check the port: 8883 is MQTT over TLS, 443 or 8084 often WebSocket.

    References:
        RFC 8446 section 5.1 (https://www.rfc-editor.org/rfc/rfc8446#section-5.1)
    """
    back = case.tr.plaintext(SERVER)
    if back is None or back.kind == "mqtt" or case.tr.client_hello is None:
        return
    yield cause(
        "tls-to-other-protocol",
        "The server on this port does not speak TLS",
        f"The client sent a TLS ClientHello, and the server answered with {back.says}.",
        at_event(back, back.says),
        weight=92,
    )


@rule("protocol")
def client_hello_fragments_refused(case: Case) -> Iterator[Finding]:
    """The broker refused a ClientHello that is spread over several TLS records.

    What it means:
        TLS allows a hello in pieces; some stacks (Mbed TLS before 3.6.1) and middleboxes
        cannot read it.
    On the wire:
        A ClientHello in two or more records, then a close or an alert and no ServerHello.
    What to do:
        Update the broker's TLS library, or have the client send its hello in one record.

    References:
        RFC 8446 section 5.1 (https://www.rfc-editor.org/rfc/rfc8446#section-5.1)
    """
    hello = case.tr.client_hello_event
    end = case.ending
    if hello is None or hello.records < 2 or end is None or end.direction is not SERVER:
        return
    if case.phase != "before_server_hello" or case.server_alert in (70, 86, 112, 120):
        return
    yield cause(
        "client-hello-fragments-refused",
        "The broker could not read a ClientHello in several records",
        f"The ClientHello is spread over {hello.records} TLS records, which is allowed and rare. "
        f"The broker {leaving(case.tr, end)} without a ServerHello.",
        at_event(hello, f"{hello.records} records"),
        at_ending(case, end),
        certainty="likely",
        weight=70,
    )
