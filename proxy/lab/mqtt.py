"""TLS is fine, and MQTT above it is not."""

from __future__ import annotations

from proxy.lab._scenario import Expected, Lab, scenario


@scenario(near_miss=("certificate-refused", "client-certificate-refused"))
def mqtt_connect_refused(lab: Lab) -> Expected:
    """The broker refuses the MQTT CONNECT: wrong user name or password.

    The handshake is complete on both sides, so certificates are not the matter. The
    CONNACK has the same size whether it accepts or refuses; a refusal is the one after
    which the broker closes at once.
    """
    root = lab.root()
    lab.broker(lab.server(root), connack=5)
    lab.client(trust=[root])
    return lab.fails(
        "mqtt-connect-refused", by="server", phase="after_handshake", status="established"
    )


@scenario(near_miss=("client-certificate-missing", "mqtt-no-answer"))
def mqtt_connect_hung_up(lab: Lab) -> Expected:
    """The broker takes the CONNECT and hangs up without a CONNACK.

    AWS IoT Core does this when no policy is attached to the certificate, and RabbitMQ
    3.10 when the client speaks MQTT 5.
    """
    root = lab.root()
    lab.broker(lab.server(root), connack="hang up", max_version="1.2")
    lab.client(trust=[root])
    return lab.fails(
        "mqtt-connect-refused", by="server", phase="after_handshake", status="established"
    )


@scenario(near_miss=("mqtt-connect-refused", "server-stalled-mid-handshake"))
def mqtt_no_answer(lab: Lab) -> Expected:
    """The broker takes the CONNECT and never answers.

    The port is another service behind the same certificate, or the broker hangs. TLS is
    complete, one record goes out, nothing comes back; the client's patience ends it.
    """
    root = lab.root()
    lab.broker(lab.server(root), connack="never", max_version="1.2")
    lab.client(trust=[root], patience=1.2)
    return lab.fails("mqtt-no-answer", by="client", phase="after_handshake", status="established")


@scenario(near_miss=("mqtt-connect-refused", "mqtt-session-aborted"))
def mqtt_keepalive_timeout(lab: Lab) -> Expected:
    """The client falls silent, and the broker hangs up.

    A client promises in its CONNECT to be heard from within the keep-alive time. When its
    loop does not run, no PINGREQ comes, and after one and a half times that the broker
    closes.
    """
    root = lab.root()
    lab.broker(lab.server(root), idle_limit=1.7, max_version="1.2")
    lab.client(trust=[root], manner="stay")
    return lab.fails(
        "mqtt-keepalive-timeout", by="server", phase="after_handshake", status="established"
    )


@scenario(near_miss=("mqtt-keepalive-timeout", "renegotiation-refused"))
def mqtt_session_aborted(lab: Lab) -> Expected:
    """The client's program is killed in the middle of a session.

    The session was up; then a reset, and no DISCONNECT before it.
    """
    root = lab.root()
    lab.broker(lab.server(root), max_version="1.2")
    lab.client(trust=[root], manner="crash")
    return lab.fails(
        "mqtt-session-aborted", by="client", phase="after_handshake", status="established"
    )


@scenario(near_miss=("mqtt-connect-refused", "client-closed-unused"))
def idle_closed(lab: Lab) -> Expected:
    """The client shakes hands and then says nothing.

    A health check that stops after TLS, or a client that waits for the broker to speak
    first. The broker's timer ends it.
    """
    root = lab.root()
    lab.broker(lab.server(root), idle_limit=0.3, max_version="1.2")
    lab.client(trust=[root], manner="mute")
    return lab.fails("idle-closed", by="server", phase="after_handshake", status="established")


@scenario(near_miss=("mqtt-connect-refused", "idle-closed"))
def client_closed_unused(lab: Lab) -> Expected:
    """The client shakes hands and leaves at once.

    A probe does this, and so does a client that dislikes the certificate after the
    handshake. This one's stack would have said so with an alert, and the certificate is
    hidden in TLS 1.3: an unused connection is all that can be stated.
    """
    root = lab.root()
    lab.broker(lab.server(root))
    lab.client(trust=[root], manner="leave")
    return lab.fails(
        "client-closed-unused", by="client", phase="after_handshake", status="established"
    )
