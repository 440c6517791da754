"""What works: for contrast, and to hold the rules back."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from proxy.lab._scenario import Expected, Lab, scenario
from proxy.lab.authority import DAY


@scenario(near_miss="mqtt-connect-refused")
def healthy_tls12(lab: Lab) -> Expected:
    """A sound MQTT session over TLS 1.2.

    Hello, certificate, keys and both Finished; then CONNECT, CONNACK and DISCONNECT. Up
    to the ChangeCipherSpec everything can be read.
    """
    root = lab.root()
    lab.broker(lab.server(root), max_version="1.2")
    lab.client(trust=[root])
    return lab.established()


@scenario(near_miss=("mqtt-connect-refused", "certificate-refused"))
def healthy_tls13(lab: Lab) -> Expected:
    """A sound MQTT session over TLS 1.3.

    Everything after the ServerHello is encrypted; the lengths of the records tell the
    same story nevertheless.
    """
    root = lab.root()
    lab.broker(lab.server(root))
    lab.client(trust=[root])
    return lab.established()


@scenario(near_miss=("client-certificate-missing", "client-certificate-wrong-eku"))
def healthy_mutual_tls12(lab: Lab) -> Expected:
    """Both sides show certificates, in TLS 1.2.

    CertificateRequest, the client's Certificate and its CertificateVerify are in clear,
    between the broker's flight and the client's ChangeCipherSpec.
    """
    root = lab.root()
    lab.broker(lab.server(root), client_ca=root, max_version="1.2")
    device = lab.device(lab.intermediate(root), purposes=("server", "client"))
    lab.client(trust=[root], identity=device)
    return lab.established()


@scenario(near_miss=("client-certificate-missing", "client-certificate-refused"))
def healthy_mutual_tls13(lab: Lab) -> Expected:
    """Both sides show certificates, in TLS 1.3.

    The client's certificate is a record of about two kilobytes before its Finished.
    """
    root = lab.root()
    lab.broker(lab.server(root), client_ca=root)
    lab.client(trust=[root], identity=lab.device(lab.intermediate(root)))
    return lab.established()


@scenario(near_miss=("client-certificate-missing", "client-certificate-refused"))
def healthy_optional_certificate(lab: Lab) -> Expected:
    """The broker asks for a client certificate and goes on without one.

    The empty Certificate message looks as it does where a certificate is required; what
    follows makes the difference.
    """
    root = lab.root()
    lab.broker(lab.server(root), client_ca=root, requires_certificate=False)
    lab.client(trust=[root])
    return lab.established()


@scenario(near_miss="certificate-refused")
def healthy_resumption_tls12(lab: Lab) -> Expected:
    """The second connection resumes the first one's session, in TLS 1.2.

    The client shows a ticket, the broker goes straight to its ChangeCipherSpec: no
    Certificate on the wire, and none is missing.
    """
    root = lab.root()
    lab.broker(lab.server(root), max_version="1.2")
    lab.again(lab.client(trust=[root]))
    return lab.established()


@scenario(near_miss=("certificate-refused", "psk-unknown-identity"))
def healthy_resumption_tls13(lab: Lab) -> Expected:
    """The second connection resumes the first one's session, in TLS 1.3.

    The ServerHello carries the pre_shared_key extension in clear, and that alone proves
    it; no Certificate follows.
    """
    root = lab.root()
    lab.broker(lab.server(root))
    lab.again(lab.client(trust=[root]))
    return lab.established()


@scenario(near_miss=("hello-retry-refused", "no-shared-group"))
def healthy_hello_retry(lab: Lab) -> Expected:
    """The broker asks for another key share and gets it.

    A HelloRetryRequest costs one round trip and is no error: the client had guessed a
    group that the broker does not do.
    """
    root = lab.root()
    lab.broker(lab.server(root), group=ec.SECP384R1)
    lab.client(trust=[root])
    return lab.established()


@scenario(
    near_miss=(
        "certificate-expired",
        "certificate-name-mismatch",
        "certificate-wrong-eku",
        "certificate-unknown-ca",
        "certificate-weak-key",
        "certificate-weak-signature",
    )
)
def healthy_without_verification(lab: Lab) -> Expected:
    """Almost everything is wrong with the certificate, and nobody looks.

    The client verifies nothing, so the session works. A fault that stopped nothing is
    worth a note and is not a cause.
    """
    bad = lab.server(
        lab.root(),
        starts=-366 * DAY,
        ends=-DAY,
        names=("mqtt.other.example",),
        purposes=("client",),
        key="rsa-1024",
        signature="sha1",
    )
    lab.broker(bad, max_version="1.2")
    lab.client(trust=None)
    return lab.established()


@scenario(near_miss=("certificate-not-yet-valid", "certificate-bad-signature"))
def healthy_impostor_unnoticed(lab: Lab) -> Expected:
    """A certificate from tomorrow with a wrong signature, and nobody looks.

    The same chain as in the headline failure; the client verifies nothing.
    """
    root = lab.root("Plant CA")
    other = lab.root("Plant CA", slot="impostor")
    leaf = lab.server(root, signed_by=other, starts=DAY)
    lab.broker(leaf, sends=(leaf, root), max_version="1.2")
    lab.client(trust=None)
    return lab.established()


@scenario(near_miss=("certificate-self-signed", "certificate-unknown-ca"))
def healthy_self_signed(lab: Lab) -> Expected:
    """A self-signed certificate that the client was given as its CA.

    Self-signed is not the same as untrusted: a CA file may hold any certificate, also
    this one.
    """
    own = lab.server(None)
    lab.broker(own, max_version="1.2")
    lab.client(trust=[own])
    return lab.established()


@scenario(near_miss="certificate-name-mismatch")
def healthy_wildcard(lab: Lab) -> Expected:
    """The certificate is for *.broker.example, the client wants eu.broker.example.

    A wildcard stands for exactly one label on the left: neither broker.example nor
    a.eu.broker.example would fit.
    """
    root = lab.root()
    lab.broker(lab.server(root, names=("*.broker.example",)), max_version="1.2")
    lab.client(trust=[root], server_name="eu.broker.example")
    lab.broker_name = "eu.broker.example"
    return lab.established()


@scenario(near_miss=("client-points-at-proxy-name", "certificate-name-mismatch"))
def healthy_localhost(lab: Lab) -> Expected:
    """A broker on this machine whose certificate is for localhost.

    Pointing at localhost is right where the certificate says so and the broker really
    is this machine.
    """
    root = lab.root()
    lab.broker(lab.server(root, names=("localhost", "127.0.0.1")), max_version="1.2")
    lab.client(trust=[root], server_name="localhost")
    lab.broker_name = "localhost"
    return lab.established()


@scenario(near_miss=("no-shared-signature-scheme", "no-shared-cipher"))
def healthy_ecdsa(lab: Lab) -> Expected:
    """A broker with a P-256 key, issued by an RSA root.

    Suites with ECDSA in their name speak of the key in the certificate, not of the key
    that signed it.
    """
    root = lab.root()
    lab.broker(lab.server(root, key="p-256"), max_version="1.2")
    lab.client(trust=[root])
    return lab.established()


@scenario(near_miss="client-hello-large")
def healthy_large_hello(lab: Lab) -> Expected:
    """A ClientHello larger than one packet, answered as it should be.

    Forty protocol names by ALPN make it long. Size alone is no fault: it only matters
    where nothing comes back.
    """
    root = lab.root()
    lab.broker(lab.server(root))
    lab.client(
        trust=[root], alpn=[f"application-protocol-number-{n:02}-of-many" for n in range(40)]
    )
    return lab.established()


@scenario(near_miss="client-certificate-revoked")
def healthy_with_revocation_list(lab: Lab) -> Expected:
    """The broker holds a revocation list, and another device is on it.

    Both devices were issued by the same CA; the serial number makes the difference.
    """
    root = lab.root()
    stolen, device = lab.device(root), lab.device(root)
    lab.broker(lab.server(root), client_ca=root, revoked=[stolen], max_version="1.2")
    lab.client(trust=[root], identity=device)
    return lab.established()
