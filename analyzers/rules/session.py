"""TLS stands; MQTT above it does not."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case
from analyzers.finding import Certainty, Finding
from analyzers.rules._rule import rule
from analyzers.rules._words import at_ending, at_event, leaving, when
from analyzers.transcript import CLIENT, SERVER


@rule("session")
def mqtt_connect_refused(case: Case) -> Iterator[Finding]:
    """The broker refused the MQTT CONNECT.

    What it means:
        TLS is fine. The broker did not accept the client: user name or password, client
        id, protocol version, or a policy that does not allow it to connect.
    On the wire:
        One client record (CONNECT), one small answer (CONNACK) or none, and a close at
        once.
    What to do:
        Check user name, password and client id in the client; read the broker's log.
        AWS IoT: attach a policy to the certificate. If the client sends no SNI, check
        that first.

    References:
        MQTT 3.1.1 section 3.2.2.3 (https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html)
    """
    application = case.outcome.application
    if application.course not in ("refused", "hung_up") or case.ending is None:
        return
    if case.flights.renegotiation is not None:
        return  # what ended it is that second handshake
    asked = case.flights.requested and application.course == "hung_up"
    certainty: Certainty = "possible" if asked else "likely"
    answered = (
        "answered the client's first message (CONNECT) with one record of the size of a CONNACK "
        "and nothing followed but the close"
        if application.course == "refused"
        else "closed the connection after the client's first message (CONNECT) without an answer"
    )
    data = [d.event for _, d in case.flights.data[:2]]
    yield Finding(
        rule="mqtt-connect-refused",
        role="cause",
        certainty=certainty,
        title="The broker refused the MQTT connection; TLS is in order",
        explanation=f"The TLS handshake was completed. The broker {answered}. "
        "The content is encrypted; lengths and order show it.",
        evidence=(
            *(at_event(e, f"A record of {e.record_length} bytes.") for e in data),
            at_ending(case, case.ending),
        ),
        weight=60,
    )


@rule("session")
def mqtt_no_answer(case: Case) -> Iterator[Finding]:
    """The broker never answered the MQTT CONNECT.

    What it means:
        TLS is fine, the client sent its CONNECT, and nothing came back until the client
        gave up: the port is not MQTT, or the broker (or what stands behind a load
        balancer) hangs.
    On the wire:
        A client record after the handshake, no record from the server, and the client
        leaves seconds later.
    What to do:
        Check that the port is the broker's MQTT listener (not WebSocket or HTTPS), and
        the broker's health.

    References:
        MQTT 3.1.1 section 3.1.4 (https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html)
    """
    application = case.outcome.application
    if application.course != "no_answer":
        return
    end = case.ending
    yield Finding(
        rule="mqtt-no-answer",
        role="cause",
        certainty="likely",
        title="The broker did not answer the MQTT CONNECT; TLS is in order",
        explanation=f"The TLS handshake was completed and the client sent its first message. "
        f"Nothing came back within {when(application.idle)}.",
        evidence=(at_ending(case, end),) if end is not None else (),
        weight=60,
    )


@rule("session")
def mqtt_keepalive_timeout(case: Case) -> Iterator[Finding]:
    """The broker closed a session that had gone quiet.

    What it means:
        The client promised to be heard from within its keep-alive time and was not, so
        the broker hung up after one and a half times of it; or a timer of a load
        balancer ran out.
    On the wire:
        No client record for a while, then the server's close.
    What to do:
        Make sure that the client's loop runs (PINGREQ is sent in time), and keep the
        keep-alive below every idle timer on the way.

    References:
        MQTT 3.1.1 section 3.1.2.10 (https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html)
    """
    application = case.outcome.application
    if application.course != "keepalive" or case.ending is None:
        return
    yield Finding(
        rule="mqtt-keepalive-timeout",
        role="cause",
        certainty="likely",
        title="The broker closed a session that had gone quiet",
        explanation=f"The session was up. The client had been silent for "
        f"{when(application.idle)} when the broker closed it.",
        evidence=(at_ending(case, case.ending),),
        weight=58,
    )


@rule("session")
def mqtt_session_aborted(case: Case) -> Iterator[Finding]:
    """An established MQTT session was cut off.

    What it means:
        TLS and CONNECT were accepted; later one side ended the connection without the
        usual farewell: a crash, a killed process, a network change, a protocol error, or
        another client with the same id.
    On the wire:
        Data both ways, then a reset or the server's close without a DISCONNECT.
    What to do:
        Look at the log of the side that ended it at this moment.

    References:
        MQTT 3.1.1 section 3.14 (https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html)
    """
    application, end = case.outcome.application, case.ending
    if application.course != "aborted" or end is None:
        return
    who = "client" if application.ended_by is CLIENT else "broker"
    yield Finding(
        rule="mqtt-session-aborted",
        role="cause",
        certainty="likely",
        title=f"The {who} cut off an established session",
        explanation=f"TLS and MQTT were up. The {who} {leaving(case.tr, end)}, without the "
        "DISCONNECT that ends a session in good order.",
        evidence=(at_ending(case, end),),
        weight=55,
    )


@rule("session")
def idle_closed(case: Case) -> Iterator[Finding]:
    """The broker closed a connection on which the client sent nothing after the handshake.

    What it means:
        The handshake was completed and the client never sent its CONNECT.
    On the wire:
        Both Finished, no client data, then the server's close.
    What to do:
        Look at why the client does not speak: it may be a health check, or a client that
        waits for the broker to speak first.

    References:
        MQTT 3.1.1 section 3.1 (https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html)
    """
    application, end = case.outcome.application, case.left_after_handshake
    if application.course != "closed_unused" or application.ended_by is not SERVER or end is None:
        return
    if case.client_refused is not None:
        return
    yield Finding(
        rule="idle-closed",
        role="cause",
        certainty="likely",
        title="The broker closed a connection that the client did not use",
        explanation=f"The handshake was completed, the client sent nothing, and the broker "
        f"{leaving(case.tr, end)} {when(case.waited)} later.",
        evidence=(at_ending(case, end),),
        weight=50,
    )


@rule("session")
def client_closed_unused(case: Case) -> Iterator[Finding]:
    """The client completed the handshake and left without using the connection.

    What it means:
        A health check does this; so does a client that looks at the broker's certificate
        after the handshake and does not like it, or one whose program ended.
    On the wire:
        Both Finished, no client data, then the client's close.
    What to do:
        Read the client's own error. If there is none, it was a probe.

    References:
        RFC 8446 section 6.1 (https://www.rfc-editor.org/rfc/rfc8446#section-6.1)
    """
    application, end = case.outcome.application, case.left_after_handshake
    if application.course != "closed_unused" or application.ended_by is not CLIENT or end is None:
        return
    refusal = case.server_refused
    likely_refused = refusal is not None and refusal.sure != "possible"
    yield Finding(
        rule="client-closed-unused",
        role="cause",
        certainty="possible" if likely_refused else "likely",
        title="The client completed the handshake and left without using it",
        explanation=f"The handshake was completed; the client sent no data and then "
        f"{leaving(case.tr, end)}.",
        evidence=(at_ending(case, end),),
        weight=45,
    )
