"""The broker refuses the client's certificate, or misses one."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from proxy.lab import messages
from proxy.lab._scenario import Expected, Lab, scenario
from proxy.lab.authority import BROKER_NAME, DAY, Identity, private_key
from proxy.lab.scripted import Wire

_RSA_PKCS1_SHA256 = 0x0401
_STRICT = "DEFAULT:@SECLEVEL=2"
_LAX = "DEFAULT:@SECLEVEL=0"


@scenario(near_miss=("handshake-refused", "no-shared-cipher", "alert-misleads"))
def client_certificate_missing(lab: Lab) -> Expected:
    """The broker requires a client certificate; in TLS 1.2 the client shows none.

    The broker's CertificateRequest is in clear, and so is the client's answer: a
    Certificate message with an empty list. OpenSSL calls that handshake_failure, the
    same alert as for a missing cipher suite.
    """
    root = lab.root()
    lab.broker(lab.server(root), client_ca=root, max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("client-certificate-missing", by="server", phase="client_certificate")


@scenario(near_miss=("certificate-refused", "mqtt-connect-refused"))
def client_certificate_missing_tls13(lab: Lab) -> Expected:
    """In TLS 1.3 the client believes that it is connected, and then is refused.

    The client's handshake is over when it has sent its Finished; whether the broker
    accepts the certificate it hears later, encrypted. So the program fails at its first
    read, as MQTTnet does against Azure Event Grid. An empty Certificate is a record of
    25 bytes: that much can be seen.
    """
    root = lab.root()
    lab.broker(lab.server(root), client_ca=root)
    lab.client(trust=[root])
    return lab.fails("client-certificate-missing", by="server", phase="client_certificate")


@scenario(near_miss=("client-certificate-missing", "client-certificate-self-signed"))
def client_certificate_missing_intermediate(lab: Lab) -> Expected:
    """The client sends its certificate without the intermediate that issued it.

    The broker knows the root only and cannot build the path. In TLS 1.2 one sees that
    the list has one entry and that its issuer is not among the authorities which the
    broker named.
    """
    root = lab.root()
    device = lab.device(lab.intermediate(root))
    lab.broker(lab.server(root), client_ca=root, max_version="1.2")
    lab.client(trust=[root], identity=device, sends=[device])
    return lab.fails(
        "client-certificate-missing-intermediate", by="server", phase="client_certificate"
    )


@scenario(near_miss=("client-certificate-missing", "mqtt-connect-refused"))
def client_certificate_refused(lab: Lab) -> Expected:
    """Under TLS 1.3 one sees that a client certificate was refused, and not why.

    The same missing intermediate as in TLS 1.2, as Azure Event Grid users meet it: the
    client sends about a kilobyte, so a certificate was there; the broker answers with
    one record of the size of an alert and closes.
    """
    root = lab.root()
    device = lab.device(lab.intermediate(root))
    lab.broker(lab.server(root), client_ca=root)
    lab.client(trust=[root], identity=device, sends=[device])
    return lab.fails("client-certificate-refused", by="server", phase="client_certificate")


def _show(lab: Lab, root: Identity, device: Identity) -> None:
    """A broker that asks for certificates below `root`, and a client that shows `device`."""
    lab.broker(lab.server(root), client_ca=root, max_version="1.2", ciphers=_STRICT)
    lab.client(trust=[root], identity=device, ciphers=_LAX)


@scenario(near_miss=("client-certificate-missing", "client-certificate-not-yet-valid"))
def client_certificate_expired(lab: Lab) -> Expected:
    """The device's certificate ran out.

    The broker says certificate_expired; in TLS 1.2 the dates are there to read.
    """
    root = lab.root()
    device = lab.device(root, starts=-366 * DAY, ends=-DAY)
    _show(lab, root, device)
    return lab.fails("client-certificate-expired", by="server", phase="client_certificate")


@scenario(near_miss="client-certificate-expired")
def client_certificate_not_yet_valid(lab: Lab) -> Expected:
    """The device's certificate begins tomorrow, by the broker's clock.

    The machine that issued it runs ahead, or the broker's clock is behind.
    """
    root = lab.root()
    _show(lab, root, lab.device(root, starts=DAY))
    return lab.fails("client-certificate-not-yet-valid", by="server", phase="client_certificate")


@scenario(near_miss=("client-certificate-unknown-ca", "client-certificate-wrong-key"))
def client_certificate_bad_signature(lab: Lab) -> Expected:
    """The device's certificate was not signed by the CA it names.

    The CA was made anew under the same name, and this device was forgotten. The broker
    looks the CA up by its name, and the signature does not verify. The client sends the
    CA along, so that this can be seen.
    """
    root = lab.root()
    device = lab.device(root, signed_by=lab.root(slot="impostor"))
    lab.broker(lab.server(root), client_ca=root, max_version="1.2")
    lab.client(trust=[root], identity=device, sends=[device, root])
    return lab.fails("client-certificate-bad-signature", by="server", phase="client_certificate")


@scenario(near_miss=("client-certificate-unknown-ca", "client-certificate-weak-key"))
def client_certificate_wrong_eku(lab: Lab) -> Expected:
    """The device shows a certificate that was issued for servers.

    Extended key usage lists serverAuth alone; public CAs have stopped issuing clientAuth.
    """
    root = lab.root()
    _show(lab, root, lab.device(root, purposes=("server",)))
    return lab.fails("client-certificate-wrong-eku", by="server", phase="client_certificate")


@scenario(near_miss=("client-certificate-missing-intermediate", "client-certificate-missing"))
def client_certificate_self_signed(lab: Lab) -> Expected:
    """The device made its certificate itself.

    No CA stands behind it, and the broker was not given this one.
    """
    _show(lab, lab.root(), lab.device(None))
    return lab.fails("client-certificate-self-signed", by="server", phase="client_certificate")


@scenario(near_miss=("client-certificate-self-signed", "client-certificate-missing"))
def client_certificate_unknown_ca(lab: Lab) -> Expected:
    """The device's certificate comes from a CA that the broker does not know.

    The broker names its CAs in the CertificateRequest, and the issuer is not among them.
    The client sends its whole chain, so no intermediate is missing.
    """
    root, other = lab.root("Plant CA"), lab.root("Old Plant CA", slot="other")
    device = lab.device(other)
    lab.broker(lab.server(root), client_ca=root, max_version="1.2")
    lab.client(trust=[root], identity=device, sends=[device, other])
    return lab.fails("client-certificate-unknown-ca", by="server", phase="client_certificate")


@scenario(near_miss=("client-certificate-weak-signature", "client-certificate-bad-signature"))
def client_certificate_weak_key(lab: Lab) -> Expected:
    """The device's RSA key has 1024 bits.

    OpenSSL's security level 2 refuses it on the broker, with a plain bad_certificate.
    """
    root = lab.root()
    _show(lab, root, lab.device(root, key="rsa-1024"))
    return lab.fails("client-certificate-weak-key", by="server", phase="client_certificate")


@scenario(near_miss=("client-certificate-weak-key", "client-certificate-bad-signature"))
def client_certificate_weak_signature(lab: Lab) -> Expected:
    """The device's certificate is signed with SHA-1.

    It was issued long ago and still has years to go; the broker's new OpenSSL does not
    accept the hash.
    """
    root = lab.root()
    device = lab.device(root, signature="sha1")
    _show(lab, root, device)
    return lab.fails("client-certificate-weak-signature", by="server", phase="client_certificate")


@scenario(near_miss=("client-certificate-expired", "client-certificate-unknown-ca"))
def client_certificate_revoked(lab: Lab) -> Expected:
    """The CA has withdrawn the device's certificate.

    The broker has a revocation list (Mosquitto: crlfile) and finds the serial number in
    it. Only the alert certificate_revoked tells.
    """
    root = lab.root()
    device = lab.device(root)
    lab.broker(lab.server(root), client_ca=root, revoked=[device], max_version="1.2")
    lab.client(trust=[root], identity=device)
    return lab.fails("client-certificate-revoked", by="server", phase="client_certificate")


@scenario(near_miss=("client-certificate-bad-signature", "psk-wrong-key"))
def client_certificate_wrong_key(lab: Lab) -> Expected:
    """The device's private key belongs to another certificate.

    The certificate is sound. The CertificateVerify, with which the client proves that it
    holds the key, is signed with another one. Libraries refuse to load such a pair; small
    devices send it.
    """
    root = lab.root()
    device = lab.device(root)
    other = private_key("rsa-2048", "mixed up")
    assert isinstance(other, rsa.RSAPrivateKey)
    signature = other.sign(b"whatever was said", padding.PKCS1v15(), hashes.SHA256())
    lab.broker(lab.server(root), client_ca=root, max_version="1.2")

    async def mixed_up(wire: Wire) -> str:
        await wire.send(messages.Hello(server_name=BROKER_NAME).record)
        await wire.until_message(messages.SERVER_HELLO_DONE)
        await wire.send(
            messages.certificate([device.certificate]),
            messages.client_key_exchange(messages.vector(1, messages.X25519_SHARE)),
            messages.certificate_verify(_RSA_PKCS1_SHA256, signature),
        )
        await wire.until_end()
        return "tlsv1 alert decrypt error"

    lab.scripted_client(mixed_up)
    return lab.fails("client-certificate-wrong-key", by="server", phase="client_certificate")
