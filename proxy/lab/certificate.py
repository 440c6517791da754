"""The client refuses the broker's own certificate, in TLS 1.2 where all can be read."""

from __future__ import annotations

from proxy.lab import hellos, messages
from proxy.lab._scenario import Expected, Lab, scenario
from proxy.lab.authority import BROKER_NAME, DAY, damaged
from proxy.lab.chain import impostor_chain
from proxy.lab.scripted import refusing_client

_BAD_CERTIFICATE, _UNSUPPORTED_CERTIFICATE, _PROTOCOL_VERSION, _INTERNAL_ERROR = 42, 43, 70, 80
_STATUS_REQUEST = messages.extension(5, b"\x01\x00\x00\x00\x00")


@scenario(near_miss=("version-client-too-old", "version-server-too-old", "certificate-self-signed"))
def alert_misleads(lab: Lab) -> Expected:
    """Windows says "protocol version" and means the certificate.

    An MQTTnet client on Windows 11 cannot connect to RabbitMQ. Its user reads "The
    Local Security Authority cannot be contacted", the broker logs `In state certify
    received CLIENT ALERT: Fatal - Protocol Version`, and everybody looks at versions.
    But TLS 1.2 had been offered by the client and chosen by the broker: the alert comes
    after the Certificate. That certificate names an issuer whose key did not sign it:
    somebody made the CA anew under the old name, and the chain mixes RSA-PSS with
    SHA-512 and RSA with SHA-256, with the self-signed CA inside. SChannel can't be run
    outside Windows, so the client follows a script of what was recorded there.
    """
    leaf, root = impostor_chain(lab)
    lab.broker(leaf, sends=(leaf, root), max_version="1.2")
    hello = hellos.schannel(BROKER_NAME)
    says = "The Local Security Authority cannot be contacted"
    lab.scripted_client(refusing_client(hello, alert=_PROTOCOL_VERSION, says=says))
    return lab.fails(
        "certificate-bad-signature", by="client", phase="server_flight", also=["alert-misleads"]
    )


@scenario(near_miss="certificate-unknown-ca")
def alert_misleads_about_the_name(lab: Lab) -> Expected:
    """mosquitto_pub says "internal error" and means the broker's name.

    libmosquitto checks the name inside OpenSSL's callback, and a failure there becomes
    alert 80, internal_error. The broker logs an internal error of the client; the
    truth is that the certificate is for another name than the one in the SNI.
    """
    lab.broker(lab.server(lab.root(), names=("mqtt.other.example",)), max_version="1.2")

    hello = messages.Hello(server_name=BROKER_NAME).record
    says = "Error: A TLS error occurred."
    lab.scripted_client(refusing_client(hello, alert=_INTERNAL_ERROR, says=says))
    return lab.fails(
        "certificate-name-mismatch", by="client", phase="server_flight", also=["alert-misleads"]
    )


@scenario(near_miss=("certificate-unknown-ca", "certificate-wrong-key"))
def certificate_damaged(lab: Lab) -> Expected:
    """One bit of the broker's certificate is wrong.

    A file copied badly, or edited by hand. Everything in it can be read; only the
    signature no longer fits.
    """
    root = lab.root()
    leaf = damaged(lab.server(root))
    lab.broker(leaf, sends=(leaf, root), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-bad-signature", by="client", phase="server_flight")


@scenario(near_miss=("certificate-not-yet-valid", "certificate-revoked"))
def certificate_expired(lab: Lab) -> Expected:
    """The broker's certificate ran out yesterday.

    Python's client says certificate_expired, and the dates in the Certificate message
    agree with it.
    """
    root = lab.root()
    lab.broker(lab.server(root, starts=-366 * DAY, ends=-DAY), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-expired", by="client", phase="server_flight")


@scenario(near_miss="certificate-expired")
def certificate_not_yet_valid(lab: Lab) -> Expected:
    """The broker's certificate begins tomorrow.

    Mostly it is the other way round: the certificate is fine and the clock that made
    it, or the device's own clock, is wrong. OpenSSL says bad_certificate; other stacks
    say certificate_expired, so the alert alone does not tell.
    """
    root = lab.root()
    lab.broker(lab.server(root, starts=DAY), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-not-yet-valid", by="client", phase="server_flight")


@scenario(near_miss=("certificate-unknown-ca", "client-points-at-proxy-name"))
def certificate_name_mismatch(lab: Lab) -> Expected:
    """The broker's certificate is for another name.

    SNI carries the name the client wants, the certificate lists the names it is good
    for. The comparison is exact, but the name that a client checks may differ from the
    one in SNI: so this is likely, never certain.
    """
    root = lab.root()
    lab.broker(lab.server(root, names=("mqtt.other.example", "192.0.2.7")), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-name-mismatch", by="client", phase="server_flight")


@scenario(near_miss=("certificate-unknown-ca", "certificate-wrong-key-usage"))
def certificate_wrong_eku(lab: Lab) -> Expected:
    """The broker runs with a certificate that was issued for clients.

    Extended key usage lists clientAuth alone, and a client must see serverAuth there.
    OpenSSL says unsupported_certificate.
    """
    root = lab.root()
    lab.broker(lab.server(root, purposes=("client",)), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-wrong-eku", by="client", phase="server_flight")


@scenario(near_miss=("certificate-weak-signature", "certificate-unknown-ca"))
def certificate_weak_key(lab: Lab) -> Expected:
    """The broker's RSA key has 1024 bits.

    OpenSSL's security level 2, the default on Debian and in Python, wants 2048. The
    alert is a plain bad_certificate.
    """
    root = lab.root()
    lab.broker(lab.server(root, key="rsa-1024"), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-weak-key", by="client", phase="server_flight")


@scenario(near_miss=("certificate-weak-key", "certificate-bad-signature"))
def certificate_weak_signature(lab: Lab) -> Expected:
    """The broker's certificate is signed with SHA-1.

    The signature verifies, but nobody accepts that hash any more. The alert is a plain
    bad_certificate.
    """
    root = lab.root()
    lab.broker(lab.server(root, signature="sha1"), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-weak-signature", by="client", phase="server_flight")


@scenario(near_miss=("certificate-wrong-eku", "certificate-weak-key"))
def certificate_wrong_key_usage(lab: Lab) -> Expected:
    """The broker's key may sign certificates and nothing else.

    The keyUsage of a CA in a broker's certificate: a TLS server needs digitalSignature
    (or keyEncipherment, for RSA key exchange).
    """
    root = lab.root()
    leaf = lab.server(root, signs=False, signs_certificates=True)
    lab.broker(leaf, max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-wrong-key-usage", by="client", phase="server_flight")


@scenario(near_miss=("certificate-bad-signature", "certificate-wrong-eku"))
def certificate_unknown_critical_extension(lab: Lab) -> Expected:
    """The certificate holds a critical extension that the client does not know.

    "Critical" means: whoever does not understand this must refuse. A plain extension
    would have been passed over.
    """
    root = lab.root()
    lab.broker(lab.server(root, critical_extension="1.3.6.1.4.1.55555.1"), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-unknown-critical-extension", by="client", phase="server_flight")


@scenario(near_miss=("certificate-bad-signature", "certificate-expired"))
def certificate_x509_version_1(lab: Lab) -> Expected:
    """The broker's certificate is of X.509 version 1, without any extension.

    `openssl x509 -req` makes one when no extension file is given. It cannot hold the
    broker's name as clients want it, and strict ones refuse the version itself.
    """
    lab.broker(lab.server(lab.root(), version_1=True), max_version="1.2")
    hello = messages.Hello(server_name=BROKER_NAME).record
    says = "unsupported certificate version"
    lab.scripted_client(refusing_client(hello, alert=_UNSUPPORTED_CERTIFICATE, says=says))
    return lab.fails("certificate-x509-version-1", by="client", phase="server_flight")


@scenario(near_miss=("certificate-unknown-ca", "certificate-revoked"))
def certificate_revocation_unchecked(lab: Lab) -> Expected:
    """The certificate demands a stapled OCSP answer, and the broker sends none.

    "Must staple" is the owner's promise that every handshake brings proof that the
    certificate is not revoked. GnuTLS holds the broker to it; OpenSSL does not look.
    """
    lab.broker(lab.server(lab.root(), must_staple=True), max_version="1.2")
    hello = messages.Hello(server_name=BROKER_NAME, extra=(_STATUS_REQUEST,)).record
    says = "The certificate requires the server to include an OCSP status in its response"
    lab.scripted_client(refusing_client(hello, alert=_BAD_CERTIFICATE, says=says))
    return lab.fails("certificate-revocation-unchecked", by="client", phase="server_flight")
