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


@scenario(near_miss=("client-certificate-missing", "client-certificate-refused"))
def mqtt_connect_hung_up(lab: Lab) -> Expected:
    """The broker takes the CONNECT and hangs up without a CONNACK.

    AWS IoT Core does this when no policy is attached to the certificate, and RabbitMQ
    3.10 when the client speaks MQTT 5.
    """
    root = lab.root()
    lab.broker(lab.server(root), connack=None, max_version="1.2")
    lab.client(trust=[root])
    return lab.fails(
        "mqtt-connect-refused", by="server", phase="after_handshake", status="established"
    )
