"""TCP and the time before the first byte: nobody there, nobody speaks."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case
from analyzers.endings import Ending
from analyzers.finding import Finding
from analyzers.rules._rule import rule
from analyzers.rules._words import at_ending, at_event, cause, leaving, side, when
from analyzers.transcript import CLIENT, SERVER

_SERVER_PATIENCE = 3.0
"""Seconds after which a server's departure is a timer that ran out."""


@rule("reach")
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
        yield cause(
            "tcp-refused",
            "Nothing listens on the broker's port",
            f"The TCP connection was refused: {event.detail}. TLS was never tried.",
            at_event(event, event.detail),
        )


@rule("reach")
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
        yield cause(
            "tcp-timeout",
            "The broker's host does not answer",
            f"No TCP connection came about: {event.detail}. TLS was never tried.",
            at_event(event, event.detail),
        )


@rule("reach")
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
        yield cause(
            "name-not-resolved",
            "The broker's name has no address",
            f"{event.detail[:1].upper()}{event.detail[1:].rstrip('.')}. "
            "No connection to the broker was tried.",
            at_event(event, event.detail),
        )


@rule("reach")
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


@rule("reach")
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
    if end is None or end.direction is not SERVER or (end.kind == "rst") != (kind == "rst"):
        return
    if any(event.direction is CLIENT for event in case.tr.events[: end.index]):
        return
    if not case.tr.client_start or (case.tr.server_bytes and case.tr.client_bytes):
        return
    if CLIENT in case.tr.pending or case.waited >= _SERVER_PATIENCE:
        return
    yield cause(
        identifier,
        f"The broker {verb} the connection before the client said anything",
        f"The TCP connection came about, and the broker {verb} it before it had received "
        "a single byte.",
        at_ending(case, end),
        weight=62,
    )


@rule("reach")
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
        yield cause(
            "client-reset-before-hello",
            "The client reset the connection without sending anything",
            "The TCP connection came about and the client reset it at once.",
            at_ending(case, end),
        )


@rule("reach")
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
    yield cause(
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
