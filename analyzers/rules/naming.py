"""Names in the hello: application protocol and server name."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case
from analyzers.extensions import ALPN, SERVER_NAME
from analyzers.finding import Finding
from analyzers.rules._rule import rule
from analyzers.rules._words import (
    alert,
    at_ending,
    at_event,
    at_extension,
    leaving,
    listed,
)
from analyzers.transcript import SERVER


@rule("naming")
def alpn_mismatch(case: Case) -> Iterator[Finding]:
    """The broker supports none of the application protocols that the client offers.

    What it means:
        The client offers protocols by ALPN, and the broker insists on others: a typing
        error ("mqtts"), http/1.1 on an MQTT port, or AWS IoT's x-amzn-mqtt-ca on port 443.
    On the wire:
        The alert no_application_protocol (120); from Go and rustls encrypted, straight
        after ServerHello.
    What to do:
        Set the client's ALPN list to what the broker expects ("mqtt"), or leave it out.

    References:
        RFC 7301 section 3.2 (https://www.rfc-editor.org/rfc/rfc7301#section-3.2)
    """
    hello, event, end = case.tr.client_hello, case.tr.client_hello_event, case.ending
    if hello is None or event is None or end is None or end.direction is not SERVER:
        return
    names = listed([name.decode("ascii", "backslashreplace") for name in hello.extensions.alpn])
    early = case.phase in ("before_server_hello", "server_flight")
    hidden = end.kind == "hidden" and case.tr.tls13 and case.phase == "server_flight"
    hidden = hidden and case.flights.server_finished is None
    if not ((case.server_alert == 120 and early) or (hidden and hello.extensions.alpn)):
        return
    yield Finding(
        rule="alpn-mismatch",
        role="cause",
        certainty="certain" if case.server_alert == 120 else "likely",
        title="The broker supports none of the client's application protocols",
        explanation=f"The client offers {names} by ALPN. The broker {leaving(case.tr, end)}"
        + (
            "."
            if case.server_alert == 120
            else " straight after ServerHello, where a broker compares application protocols."
        ),
        evidence=(at_extension(event, hello, ALPN, f"ALPN: {names}"), at_ending(case, end)),
        weight=94 if case.server_alert == 120 else 72,
    )


@rule("naming")
def sni_refused(case: Case) -> Iterator[Finding]:
    """The broker does not know the name that the client asked for.

    What it means:
        The client named a host (SNI) that the broker or its front end does not serve: a
        typing error, an alias, or localhost through a proxy.
    On the wire:
        server_name in the ClientHello and the fatal alert unrecognized_name (112).
    What to do:
        Connect by the name that the broker is configured for.

    References:
        RFC 6066 section 3 (https://www.rfc-editor.org/rfc/rfc6066#section-3)
    """
    hello, event = case.tr.client_hello, case.tr.client_hello_event
    if hello is None or event is None or case.server_alert != 112 or not case.sni:
        return
    yield Finding(
        rule="sni-refused",
        role="cause",
        certainty="certain",
        title=f"The broker does not serve the name {case.sni}",
        explanation=f"The client asked for {case.sni}; the broker answered with {alert(112)}.",
        evidence=(
            at_extension(event, hello, SERVER_NAME, f"server_name: {case.sni}"),
            at_ending(case, case.outcome.endings[0]),
        ),
        weight=94,
    )


@rule("naming")
def sni_missing(case: Case) -> Iterator[Finding]:
    """The client names no host, and the broker needs one.

    What it means:
        Cloud brokers serve many names on one address and pick the tenant by SNI. A
        client that connects by IP address, or is not told to send SNI, sends none.
    On the wire:
        No server_name in the ClientHello, and the server's alert unrecognized_name (112)
        or missing_extension (109).
    What to do:
        Connect by name, and switch SNI on in the client.

    References:
        RFC 8446 section 9.2 (https://www.rfc-editor.org/rfc/rfc8446#section-9.2)
    """
    event = case.tr.client_hello_event
    if event is None or case.sni or case.server_alert not in (109, 112):
        return
    yield Finding(
        rule="sni-missing",
        role="cause",
        certainty="certain" if case.server_alert == 112 else "likely",
        title="The client names no host, and the broker needs the name",
        explanation=f"The ClientHello has no server_name, and the broker refused it with "
        f"{alert(case.server_alert or 0)}.",
        evidence=(
            at_event(event, "No server_name extension."),
            at_ending(case, case.outcome.endings[0]),
        ),
        weight=90,
    )
