"""Before TLS, and where TLS stops in the middle: who closed, reset or fell silent."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case
from analyzers.endings import Ending
from analyzers.finding import Certainty, Evidence, Finding
from analyzers.rules._rule import rule
from analyzers.rules._words import at_ending, at_event, leaving, side, when
from analyzers.transcript import CLIENT, SERVER

_PATIENCE = 1.0
"""Seconds after which a departure is a wait in vain rather than a change of mind."""
_SERVER_PATIENCE = 3.0
"""Seconds after which a server's departure is a timer that ran out."""
_PLAIN_PORTS = frozenset({1883, 1884})
_HANDSHAKE = ("server_flight", "client_certificate", "finished")


def _cause(
    identifier: str,
    title: str,
    explanation: str,
    *evidence: Evidence,
    certainty: Certainty = "certain",
    weight: int = 50,
) -> Finding:
    return Finding(
        rule=identifier,
        role="cause",
        certainty=certainty,
        title=title,
        explanation=explanation,
        evidence=evidence,
        weight=weight,
    )


def _gone(case: Case, way: object, kinds: tuple[str, ...], *phases: str) -> Ending | None:
    """The first ending, if it is of this side, this kind and in one of these phases."""
    end = case.ending
    if end is None or end.direction is not way or end.kind not in kinds:
        return None
    return end if case.phase in phases else None


@rule("transport")
def tcp_refused(case: Case) -> Iterator[Finding]:
    """Nothing listens on the broker's port.

    What it means:
        The host is there and said no: the broker is down, listens on another port or
        address, or a firewall rejects.
    On the wire:
        SYN, answered by RST.
    What to do:
        Check host and port, that the broker runs, and which address its listener is
        bound to (a container needs its port published).

    References:
        RFC 9293 section 3.5.2 (https://www.rfc-editor.org/rfc/rfc9293#section-3.5.2)
    """
    event = case.tr.not_connected
    if event is not None and event.why == "refused":
        yield _cause(
            "tcp-refused",
            "Nothing listens on the broker's port",
            f"The TCP connection was refused: {event.detail}. TLS was never tried.",
            at_event(event, event.detail),
        )


@rule("transport")
def tcp_timeout(case: Case) -> Iterator[Finding]:
    """The broker's host does not answer.

    What it means:
        No answer to the connection attempt: a firewall drops it, the address is wrong,
        or there is no route.
    On the wire:
        SYN repeated, no answer; or an ICMP error.
    What to do:
        Open the port in the firewall, check the address; some networks let only 443 out.

    References:
        RFC 9293 section 3.8 (https://www.rfc-editor.org/rfc/rfc9293#section-3.8)
    """
    event = case.tr.not_connected
    if event is not None and event.why in ("timeout", "unreachable"):
        yield _cause(
            "tcp-timeout",
            "The broker's host does not answer",
            f"No TCP connection came about: {event.detail}. TLS was never tried.",
            at_event(event, event.detail),
        )


@rule("transport")
def name_not_resolved(case: Case) -> Iterator[Finding]:
    """The broker's name has no address.

    What it means:
        DNS does not know the name, or no DNS server answers.
    On the wire:
        Nothing: the connection was never tried.
    What to do:
        Check the spelling, the DNS server, and entries in the hosts file.

    References:
        RFC 1034 (https://www.rfc-editor.org/rfc/rfc1034)
    """
    event = case.tr.not_connected
    if event is not None and event.why == "name":
        yield _cause(
            "name-not-resolved",
            "The broker's name has no address",
            f"{event.detail[:1].upper()}{event.detail[1:].rstrip('.')}. "
            "No connection to the broker was tried.",
            at_event(event, event.detail),
        )


@rule("transport")
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
    yield _cause(
        "plaintext-to-tls-port",
        "The client speaks MQTT without TLS to a TLS port",
        f"The client sent {event.says}, in clear, where the broker expects TLS.{how}",
        at_event(event, event.says),
        *((at_ending(case, end),) if end else ()),
        weight=90,
    )


@rule("transport")
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
        yield _cause(
            "proxy-header-unexpected",
            "A PROXY protocol header stands before TLS, and the broker does not expect it",
            f"The client side sent {event.says}; the broker {leaving(case.tr, end)}.",
            at_event(event, event.says),
            at_ending(case, end),
            certainty="likely",
            weight=88,
        )


@rule("transport")
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
    yield _cause(
        "non-tls-to-tls-port",
        "The client does not speak TLS",
        f"The client sent {event.says}."
        + (f" {side(end.direction).capitalize()} {leaving(case.tr, end)}." if end else ""),
        at_event(event, event.says),
        *((at_ending(case, end),) if end else ()),
        weight=85,
    )


@rule("transport")
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
        yield _cause(
            "tls-to-plaintext-port",
            "The broker's port speaks MQTT without TLS",
            f"The client sent a TLS ClientHello, and the broker answered in clear with "
            f"{back.says}.",
            at_event(back, back.says),
            weight=92,
        )
        return
    end = _gone(case, SERVER, ("fin", "rst"), "before_server_hello")
    if end is None or case.tr.server_bytes:
        return
    plain = case.context.server_port in _PLAIN_PORTS
    yield _cause(
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


@rule("transport")
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
    yield _cause(
        "tls-to-other-protocol",
        "The server on this port does not speak TLS",
        f"The client sent a TLS ClientHello, and the server answered with {back.says}.",
        at_event(back, back.says),
        weight=92,
    )


@rule("transport")
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
    yield _cause(
        "client-hello-fragments-refused",
        "The broker could not read a ClientHello in several records",
        f"The ClientHello is spread over {hello.records} TLS records, which is allowed and rare. "
        f"The broker {leaving(case.tr, end)} without a ServerHello.",
        at_event(hello, f"{hello.records} records"),
        at_ending(case, end),
        certainty="likely",
        weight=70,
    )


@rule("transport")
def server_closed_before_hello(case: Case) -> Iterator[Finding]:
    """The broker closed the connection before the client said anything.

    What it means:
        A connection limit, an address filter, a listener with broken options, or a load
        balancer without a backend.
    On the wire:
        The server's FIN before the first client byte.
    What to do:
        Read the broker's log; check connection limits and address rules.

    References:
        RFC 9293 section 3.6 (https://www.rfc-editor.org/rfc/rfc9293#section-3.6)
    """
    yield from _before_hello(case, "fin", "server-closed-before-hello", "closed")


@rule("transport")
def server_reset_before_hello(case: Case) -> Iterator[Finding]:
    """The broker reset the connection before the client said anything.

    What it means:
        A full accept queue, a firewall, or a load balancer without a backend.
    On the wire:
        The server's RST before the first client byte.
    What to do:
        Check that the broker behind the address is up; look at firewalls on the way.

    References:
        RFC 9293 section 3.5.2 (https://www.rfc-editor.org/rfc/rfc9293#section-3.5.2)
    """
    yield from _before_hello(case, "rst", "server-reset-before-hello", "reset")


def _before_hello(case: Case, kind: str, identifier: str, verb: str) -> Iterator[Finding]:
    end = case.ending
    if end is None or end.direction is not SERVER or end.kind != kind:
        return
    if any(event.direction is CLIENT for event in case.tr.events[: end.index]):
        return
    if case.tr.server_bytes or CLIENT in case.tr.pending or case.waited >= _SERVER_PATIENCE:
        return
    yield _cause(
        identifier,
        f"The broker {verb} the connection before the client said anything",
        f"The TCP connection came about, and the broker {verb} it before it had received "
        "a single byte.",
        at_ending(case, end),
        weight=62,
    )


@rule("transport")
def server_closed_after_client_hello(case: Case) -> Iterator[Finding]:
    """The broker closed the connection in answer to the ClientHello.

    What it means:
        No certificate on the listener, a name (SNI) that is not served, a policy, or a
        port that does not speak TLS.
    On the wire:
        A complete ClientHello, then the server's FIN without one byte.
    What to do:
        Read the broker's log; check that this port is the TLS listener and has a
        certificate; check the name that the client sends.

    References:
        RFC 8446 section 6.1 (https://www.rfc-editor.org/rfc/rfc8446#section-6.1)
    """
    yield from _after_hello(case, "fin", "server-closed-after-client-hello", "closed")


@rule("transport")
def server_reset_after_client_hello(case: Case) -> Iterator[Finding]:
    """The broker (or something before it) reset the connection after the ClientHello.

    What it means:
        A firewall that does not like the name, the size or the port; a listener that
        does not speak TLS; a crash.
    On the wire:
        A complete ClientHello, then a RST without one byte from the server.
    What to do:
        Try from the broker's own host: if that works, something on the way resets.

    References:
        RFC 9293 section 3.5.2 (https://www.rfc-editor.org/rfc/rfc9293#section-3.5.2)
    """
    yield from _after_hello(case, "rst", "server-reset-after-client-hello", "reset")


def _after_hello(case: Case, kind: str, identifier: str, verb: str) -> Iterator[Finding]:
    hello = case.tr.client_hello_event
    end = _gone(case, SERVER, (kind,), "before_server_hello")
    if hello is None or end is None or case.tr.server_bytes:
        return
    if end.index < case.tr.events.index(hello):
        return
    yield _cause(
        identifier,
        f"The broker {verb} the connection in answer to the ClientHello",
        f"The broker received a complete ClientHello and {verb} the connection "
        f"{when(max(0.0, end.at - hello.at))} later, without an alert. Possible reasons: this "
        f"port does not speak TLS, no certificate is loaded, "
        + (f"the name {case.sni} is not served, " if case.sni else "")
        + "or a policy.",
        at_event(hello, "ClientHello"),
        at_ending(case, end),
        weight=50,
    )


@rule("transport")
def server_closed_mid_handshake(case: Case) -> Iterator[Finding]:
    """The broker closed the connection in the middle of the handshake.

    What it means:
        A crash, a handshake timeout on the broker, or a refusal without an alert.
    On the wire:
        ServerHello or more, then the server's FIN before the handshake is over.
    What to do:
        Read the broker's log at this moment; a pause before the close points to a timer.

    References:
        RFC 8446 section 6.1 (https://www.rfc-editor.org/rfc/rfc8446#section-6.1)
    """
    yield from _mid(case, SERVER, ("fin", "close_notify"), "server-closed-mid-handshake", "closed")


@rule("transport")
def server_reset_mid_handshake(case: Case) -> Iterator[Finding]:
    """The broker (or something before it) reset the connection in mid-handshake.

    What it means:
        A crash, or a middlebox that does not like what it saw.
    On the wire:
        ServerHello or more, then a RST from the server's side.
    What to do:
        Read the broker's log; if it knows nothing of it, look at what stands between.

    References:
        RFC 9293 section 3.5.2 (https://www.rfc-editor.org/rfc/rfc9293#section-3.5.2)
    """
    yield from _mid(case, SERVER, ("rst",), "server-reset-mid-handshake", "reset")


def _mid(
    case: Case, way: object, kinds: tuple[str, ...], identifier: str, verb: str
) -> Iterator[Finding]:
    end = _gone(case, way, kinds, *_HANDSHAKE)
    if end is None:
        return
    if end.direction is SERVER and case.client_refused is not None:
        return
    who = side(end.direction)
    place = {
        "server_flight": "after the ServerHello, before the client's answer",
        "client_certificate": "after the client's answer",
        "finished": "after the client's Finished",
    }[case.phase or "finished"]
    yield _cause(
        identifier,
        f"{'The broker' if end.direction is SERVER else 'The client'} {verb} the connection "
        "in the middle of the handshake",
        f"{who.capitalize()} {verb} the connection {place}, {when(case.waited)} after the last "
        "message.",
        at_ending(case, end),
        weight=48,
    )


@rule("transport")
def server_silent(case: Case) -> Iterator[Finding]:
    """The broker never answered the ClientHello.

    What it means:
        The TCP connection stands, but nothing comes back: the port speaks another
        protocol that waits, the broker hangs, or a middlebox swallows the hello.
    On the wire:
        A complete ClientHello, then nothing until the client gives up.
    What to do:
        Check the port; try from the broker's host; if only large hellos fail, look for a
        middlebox or an MTU problem.

    References:
        RFC 8446 section 4.1.1 (https://www.rfc-editor.org/rfc/rfc8446#section-4.1.1)
    """
    hello = case.tr.client_hello_event
    if hello is None or case.tr.server_bytes or case.phase != "before_server_hello":
        return
    end = case.ending
    if end is not None and (end.direction is SERVER or case.waited < _PATIENCE):
        return
    if end is None and case.outcome.status != "failed":
        return
    yield _cause(
        "server-silent",
        "The broker did not answer the ClientHello",
        f"The ClientHello was sent in full; nothing came back within {when(case.waited)}"
        + (f", and the client {leaving(case.tr, end)}." if end else "."),
        at_event(hello, "ClientHello"),
        *((at_ending(case, end),) if end else ()),
        weight=60,
    )


@rule("transport")
def server_stalled_mid_handshake(case: Case) -> Iterator[Finding]:
    """The broker stopped in the middle of the handshake.

    What it means:
        The broker hangs (a key on slow hardware, a blocked lookup), or packets are lost
        from a certain size on (MTU).
    On the wire:
        Part of the server's messages, then nothing until the client gives up.
    What to do:
        Read the broker's log; try with a smaller MTU on the client.

    References:
        RFC 8446 section 4 (https://www.rfc-editor.org/rfc/rfc8446#section-4)
    """
    end = case.ending
    if case.phase not in _HANDSHAKE or case.server_refused is not None:
        return
    if end is None:
        if case.outcome.status != "failed":
            return
    elif end.direction is SERVER or end.is_alert or case.waited < _PATIENCE:
        return
    half = case.tr.pending.get(SERVER)
    yield _cause(
        "server-stalled-mid-handshake",
        "The broker stopped in the middle of the handshake",
        f"Nothing came from the broker for {when(case.waited)}"
        + (", with a record half sent" if half else "")
        + (f"; then the client {leaving(case.tr, end)}." if end else "."),
        *((at_ending(case, end),) if end else ()),
        certainty="certain" if half else "likely",
        weight=62,
    )


@rule("transport")
def client_closed_before_hello_complete(case: Case) -> Iterator[Finding]:
    """The client left with its ClientHello half sent.

    What it means:
        The client's program ended or gave up, or the rest of a large hello was lost.
    On the wire:
        The beginning of a ClientHello, then the client's FIN or RST.
    What to do:
        Look at the client's own log; with large (post-quantum) hellos check the MTU.

    References:
        RFC 8446 section 4.1.2 (https://www.rfc-editor.org/rfc/rfc8446#section-4.1.2)
    """
    end = _gone(case, CLIENT, ("fin", "rst"), "before_server_hello")
    half = case.tr.pending.get(CLIENT)
    if end is None or half is None or case.tr.client_hello is not None:
        return
    yield _cause(
        "client-closed-before-hello-complete",
        "The client left with its ClientHello half sent",
        f"The client sent {case.tr.client_bytes} bytes of a longer ClientHello and then "
        f"{leaving(case.tr, end)}.",
        at_ending(case, end),
        weight=65,
    )


@rule("transport")
def client_closed_mid_handshake(case: Case) -> Iterator[Finding]:
    """The client closed the connection in the middle of the handshake.

    What it means:
        The client's program ended, its timer ran out, or it disliked what it saw and did
        not say so.
    On the wire:
        The client's FIN before the handshake is over, without an error alert.
    What to do:
        Read the client's own error. If there is none, raise its connect timeout.

    References:
        RFC 8446 section 6.1 (https://www.rfc-editor.org/rfc/rfc8446#section-6.1)
    """
    if case.tr.client_hello is None:
        return
    phases = (*_HANDSHAKE, "before_server_hello")
    end = _gone(case, CLIENT, ("fin", "close_notify"), *phases)
    canceled = case.ending
    if end is None and canceled is not None and canceled.direction is CLIENT:
        # An alert that is about neither certificate nor version still ends it.
        known = case.server_refused is not None
        if canceled.kind == "alert" and case.phase in phases and not known:
            end = canceled
    if end is None or (case.phase == "before_server_hello" and case.waited >= _PATIENCE):
        return
    refusal = case.server_refused
    possible = refusal is not None and refusal.sure != "possible"
    stalled = case.phase != "server_flight" or case.flights.server_finished is None
    late = case.waited >= _PATIENCE and refusal is None and stalled
    yield _cause(
        "client-closed-mid-handshake",
        "The client left in the middle of the handshake",
        f"The client {leaving(case.tr, end)} {when(case.waited)} after the last message, "
        "before the handshake was over.",
        at_ending(case, end),
        certainty="possible" if possible or late else "certain",
        weight=47,
    )


@rule("transport")
def client_reset_before_hello(case: Case) -> Iterator[Finding]:
    """The client reset the connection without sending anything.

    What it means:
        A port scanner or a health check; or a client that was killed.
    On the wire:
        The TCP handshake, then the client's RST.
    What to do:
        If it repeats at regular intervals it is a probe: exempt it.

    References:
        RFC 9293 section 3.5.2 (https://www.rfc-editor.org/rfc/rfc9293#section-3.5.2)
    """
    end = case.ending
    if end is None or case.tr.client_bytes or case.tr.server_bytes:
        return
    if end.direction is CLIENT and end.kind == "rst":
        yield _cause(
            "client-reset-before-hello",
            "The client reset the connection without sending anything",
            "The TCP connection came about and the client reset it at once.",
            at_ending(case, end),
        )


@rule("transport")
def client_reset_mid_handshake(case: Case) -> Iterator[Finding]:
    """The client reset the connection in the middle of the handshake.

    What it means:
        The client's program was killed or threw the connection away.
    On the wire:
        The client's RST before the handshake is over, without an alert before it.
    What to do:
        Look at the client's own log and at what ended its process.

    References:
        RFC 9293 section 3.5.2 (https://www.rfc-editor.org/rfc/rfc9293#section-3.5.2)
    """
    if case.tr.client_hello is None:
        return
    end = _gone(case, CLIENT, ("rst",), *_HANDSHAKE, "before_server_hello")
    if end is None:
        return
    refusal = case.server_refused
    possible = refusal is not None and refusal.sure != "possible"
    yield _cause(
        "client-reset-mid-handshake",
        "The client reset the connection in the middle of the handshake",
        f"The client reset the TCP connection {when(case.waited)} after the last message.",
        at_ending(case, end),
        certainty="possible" if possible else "certain",
        weight=49,
    )


@rule("transport")
def client_silent(case: Case) -> Iterator[Finding]:
    """The client opened the connection and did not speak.

    What it means:
        The client's program hangs before TLS, waits for the server to speak first, or
        stopped in the middle of its ClientHello.
    On the wire:
        A TCP connection without a (complete) ClientHello until somebody's timer ends it.
    What to do:
        Check that TLS is switched on in the client and that its program is not blocked.

    References:
        RFC 8446 section 4.1.1 (https://www.rfc-editor.org/rfc/rfc8446#section-4.1.1)
    """
    if case.tr.client_hello is not None or case.tr.plaintext(CLIENT) is not None:
        return
    if not case.tr.client_start or case.tr.not_connected is not None:
        return
    end = case.ending
    half = case.tr.pending.get(CLIENT)
    if not _was_silent(case, end, half=half is not None):
        return
    what = f"{case.tr.client_bytes} bytes of a ClientHello" if half else "nothing"
    yield _cause(
        "client-silent",
        "The client opened the connection and did not speak",
        f"The client sent {what} within {when(case.waited)}"
        + (f"; then {side(end.direction)} {leaving(case.tr, end)}." if end else "."),
        *((at_ending(case, end),) if end else ()),
        weight=60,
    )


def _was_silent(case: Case, end: Ending | None, *, half: bool) -> bool:
    """Whether the client's silence is what ended (or holds up) the connection."""
    if end is None:
        return case.outcome.failed_by == "client" or (half and case.outcome.status == "failed")
    if end.direction is SERVER:
        return case.waited >= _SERVER_PATIENCE
    return end.kind != "rst" and not half and case.outcome.failed_by is not None
