"""The client refuses the broker's certificate and the bytes hide or spare the reason."""

from __future__ import annotations

from proxy.lab import hellos
from proxy.lab._scenario import Expected, Lab, scenario
from proxy.lab.authority import BROKER_NAME, DAY
from proxy.lab.scripted import Wire

_FLIGHT = 6
"""Records of OpenSSL's flight: ServerHello, ChangeCipherSpec and four encrypted ones."""


@scenario(near_miss="certificate-expired")
def certificate_refused_clear_alert(lab: Lab) -> Expected:
    """TLS 1.3 hides the certificate, but OpenSSL says its refusal in clear.

    The broker's flight is encrypted, so nobody outside can read the certificate. Yet
    OpenSSL's client (Python, mosquitto_pub) sends its alert in clear, as its keys are
    not switched yet: bad_certificate, which here means another name.
    """
    root = lab.root()
    lab.broker(lab.server(root, names=("mqtt.other.example",)))
    lab.client(trust=[root])
    return lab.fails("certificate-refused", by="client", phase="server_flight")


@scenario(near_miss=("certificate-unknown-ca", "client-certificate-missing", "no-shared-group"))
def certificate_refused_encrypted_alert(lab: Lab) -> Expected:
    """In TLS 1.3 Go, Java and rustls encrypt even the refusal.

    After the broker's flight one record of 19 bytes comes from the client instead of
    its Finished: 2 bytes of alert, 1 of content type, 16 of authentication tag. That it
    is an alert follows from its length and from the close behind it; which one, nobody
    outside can know.
    """
    lab.broker(lab.server(lab.root(), starts=-366 * DAY, ends=-DAY))
    lab.encrypted_alert(42, says="tls: failed to verify certificate: x509: certificate has expired")
    return lab.fails("certificate-refused", by="client", phase="server_flight")


@scenario(near_miss=("server-closed-mid-handshake", "alert-misleads"))
def certificate_refused_silently(lab: Lab) -> Expected:
    """Node.js refuses a certificate without a word.

    MQTT.js looks at the certificate after OpenSSL is done with it and then just closes.
    In TLS 1.3 the client's FIN follows the broker's flight and no Finished is sent; the
    broker logs "unexpected eof while reading".
    """
    lab.broker(lab.server(lab.root()))

    async def node(wire: Wire) -> str:
        await wire.send(hellos.node(BROKER_NAME))
        for _ in range(_FLIGHT):
            await wire.record()
        return "Error: unable to verify the first certificate"

    lab.scripted_client(node)
    return lab.fails("certificate-refused", by="client", phase="server_flight")


@scenario(near_miss="mqtt-connect-refused")
def certificate_refused_after_finished(lab: Lab) -> Expected:
    """In TLS 1.2 Node.js and .NET finish the handshake, then leave before CONNECT.

    Both ends have said Finished, so the broker believes in a sound session. The client
    closes without a single MQTT byte, because only now it looks at the certificate:
    self-signed, and in TLS 1.2 there for all to read.
    """
    lab.broker(lab.server(None), max_version="1.2")
    lab.client(trust=None, manner="leave", ciphers=hellos.NODE_CIPHERS)
    return lab.fails(
        "certificate-self-signed", by="client", phase="after_handshake", status="established"
    )
