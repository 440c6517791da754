"""Where TLS stops in the middle: who closed, reset or fell silent."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case
from analyzers.events import ClosedSeen
from analyzers.finding import Finding
from analyzers.rules._rule import rule
from analyzers.rules._words import at_ending, at_event, cause, gone, leaving, side, when
from analyzers.transcript import CLIENT, SERVER

_PATIENCE = 1.0
"""Seconds after which a departure is a wait in vain rather than a change of mind."""
_HANDSHAKE = ("server_flight", "client_certificate", "finished")


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
    kinds = ("fin", "close_notify")
    yield from _after_hello(case, kinds, "server-closed-after-client-hello", "closed")


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
    yield from _after_hello(case, ("rst",), "server-reset-after-client-hello", "reset")


def _after_hello(
    case: Case, kinds: tuple[str, ...], identifier: str, verb: str
) -> Iterator[Finding]:
    hello = case.tr.client_hello_event
    end = gone(case, SERVER, kinds, "before_server_hello")
    if hello is None or end is None or (case.tr.server_bytes and not end.is_alert):
        return
    if end.index < case.tr.events.index(hello):
        return
    yield cause(
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
    kinds = ("fin", "close_notify", "alert", "hidden")
    yield from _mid(case, SERVER, kinds, "server-closed-mid-handshake", "closed")


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


def _heard(case: Case) -> bool:
    """Whether anything came from the server before the first ending."""
    end = case.ending
    until = case.tr.events[: end.index] if end is not None else case.tr.events
    return SERVER in case.tr.pending or any(
        event.direction is SERVER and not isinstance(event, ClosedSeen) for event in until
    )


def _begun(case: Case) -> bool:
    """The server had begun to answer in TLS, and not with an alert."""
    if case.tr.client_hello is None or case.tr.plaintext(SERVER) is not None:
        return False
    end = case.ending
    return _heard(case) and (end is None or not end.is_alert)


def _mid(
    case: Case, way: object, kinds: tuple[str, ...], identifier: str, verb: str
) -> Iterator[Finding]:
    end = gone(case, way, kinds, *_HANDSHAKE, "before_server_hello")
    if end is None or (case.phase == "before_server_hello" and not _begun(case)):
        return
    if end.direction is SERVER and case.client_refused is not None:
        return
    who = side(end.direction)
    place = {
        "before_server_hello": "before its ServerHello was complete",
        "server_flight": "after the ServerHello, before the client's answer",
        "client_certificate": "after the client's answer",
        "finished": "after the client's Finished",
    }[case.phase or "finished"]
    # An alert has a reason of its own, which a more special rule may know.
    yield cause(
        identifier,
        f"{who[:1].upper()}{who[1:]} {verb} the connection in the middle of the handshake",
        f"{who.capitalize()} {leaving(case.tr, end)} {place}, {when(case.waited)} after the last "
        "message.",
        at_ending(case, end),
        weight=28 if end.kind in ("alert", "hidden") else 48,
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
    if hello is None or _heard(case) or case.phase != "before_server_hello":
        return
    end = case.ending
    if end is not None and (end.direction is SERVER or case.waited < _PATIENCE):
        return
    if end is None and case.outcome.status != "failed":
        return
    yield cause(
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
    early = case.phase == "before_server_hello" and _begun(case)
    if (case.phase not in _HANDSHAKE and not early) or case.server_refused is not None:
        return
    if end is None:
        if case.outcome.status != "failed":
            return
    elif end.direction is SERVER or end.is_alert or case.waited < _PATIENCE:
        return
    half = case.tr.pending.get(SERVER)
    yield cause(
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
    end = gone(case, CLIENT, ("fin", "rst"), "before_server_hello")
    half = case.tr.pending.get(CLIENT)
    if end is None or half is None or case.tr.client_hello is not None:
        return
    yield cause(
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
    if case.tr.client_hello is None or case.tr.plaintext(SERVER) is not None:
        return
    phases = (*_HANDSHAKE, "before_server_hello")
    end = gone(case, CLIENT, ("fin", "close_notify"), *phases)
    canceled = case.ending
    if end is None and canceled is not None and canceled.direction is CLIENT:
        # An alert that is about neither certificate nor version still ends it.
        known = case.server_refused is not None
        if canceled.kind in ("alert", "hidden") and case.phase in phases and not known:
            end = canceled
    if end is None or (case.phase == "before_server_hello" and case.waited >= _PATIENCE):
        return
    refusal = case.server_refused
    possible = refusal is not None and refusal.sure != "possible"
    stalled = case.phase != "server_flight" or case.flights.server_finished is None
    late = case.waited >= _PATIENCE and refusal is None and stalled
    yield cause(
        "client-closed-mid-handshake",
        "The client left in the middle of the handshake",
        f"The client {leaving(case.tr, end)} {when(case.waited)} after the last message, "
        "before the handshake was over.",
        at_ending(case, end),
        # Leaving with the certificate in hand may be an opinion about it.
        certainty="possible" if possible or late else "certain" if refusal is None else "likely",
        weight=47,
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
    if case.tr.client_hello is None or case.tr.plaintext(SERVER) is not None:
        return
    end = gone(case, CLIENT, ("rst",), *_HANDSHAKE, "before_server_hello")
    if end is None:
        return
    refusal = case.server_refused
    possible = refusal is not None and refusal.sure != "possible"
    yield cause(
        "client-reset-mid-handshake",
        "The client reset the connection in the middle of the handshake",
        f"The client reset the TCP connection {when(case.waited)} after the last message.",
        at_ending(case, end),
        certainty="possible" if possible else "certain",
        weight=49,
    )
