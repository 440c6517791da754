"""The client refuses the path from the broker's certificate to a CA, in TLS 1.2."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from proxy.lab import messages
from proxy.lab._scenario import Expected, Lab, scenario
from proxy.lab.authority import BROKER_NAME, DAY, Identity, private_key
from proxy.lab.scripted import Wire, refusing_client

_BAD_CERTIFICATE, _REVOKED, _UNKNOWN_CA = 42, 44, 48
_RSA_PKCS1_SHA256 = 0x0401


@scenario(near_miss=("certificate-self-signed", "certificate-bad-signature"))
def certificate_unknown_ca(lab: Lab) -> Expected:
    """The client does not know the CA that issued the broker's certificate.

    The chain is sound and complete; the client's CA file is another one. Nothing on the
    wire shows what the client trusts: its alert unknown_ca does.
    """
    root = lab.root("Plant CA")
    leaf = lab.server(root)
    lab.broker(leaf, sends=(leaf, root), max_version="1.2")
    lab.client(trust=[lab.root("Public CA", slot="other")])
    return lab.fails("certificate-unknown-ca", by="client", phase="server_flight")


@scenario(near_miss=("certificate-missing-intermediate", "certificate-bad-signature"))
def certificate_self_signed(lab: Lab) -> Expected:
    """The broker shows a certificate that vouches for itself.

    Issuer and subject are the same and the signature verifies under its own key: good
    for a test, unless the client was given this very certificate as its CA.
    """
    lab.broker(lab.server(None), max_version="1.2")
    lab.client(trust=[lab.root()])
    return lab.fails("certificate-self-signed", by="client", phase="server_flight")


@scenario(near_miss=("certificate-self-signed", "certificate-bad-signature"))
def certificate_missing_intermediate(lab: Lab) -> Expected:
    """The broker sends its own certificate and not the intermediate that issued it.

    cert.pem instead of fullchain.pem. The client knows the root and cannot get there. A
    browser often hides this fault, because it remembers intermediates from elsewhere.
    """
    root = lab.root()
    leaf = lab.server(lab.intermediate(root))
    lab.broker(leaf, sends=(leaf,), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-missing-intermediate", by="client", phase="server_flight")


@scenario(near_miss=("certificate-missing-intermediate", "certificate-bad-signature"))
def certificate_chain_order(lab: Lab) -> Expected:
    """The broker sends all that is needed, in the wrong order.

    The leaf must come first and each certificate vouch for the one before it. OpenSSL
    and browsers sort it out; small embedded stacks do not, and say bad_certificate.
    """
    root = lab.root()
    upper = lab.intermediate(root, "Lab Upper CA", slot="upper", path_length=1)
    lower = lab.intermediate(upper)
    leaf = lab.server(lower)
    lab.broker(leaf, sends=(leaf, upper, lower, root), max_version="1.2")
    hello = messages.Hello(server_name=BROKER_NAME).record
    says = "X509 - Certificate verification failed"
    lab.scripted_client(refusing_client(hello, alert=_BAD_CERTIFICATE, says=says))
    return lab.fails("certificate-chain-order", by="client", phase="server_flight")


@scenario(near_miss=("certificate-expired", "certificate-root-expired"))
def certificate_intermediate_expired(lab: Lab) -> Expected:
    """The broker's own certificate is fresh, and its intermediate ran out.

    The client says certificate_expired, people look at the broker's certificate and find
    it valid. Every certificate of the path must be.
    """
    root = lab.root()
    middle = lab.intermediate(root, starts=-366 * DAY, ends=-DAY)
    lab.broker(lab.server(middle), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-intermediate-expired", by="client", phase="server_flight")


@scenario(near_miss=("certificate-expired", "certificate-intermediate-expired"))
def certificate_root_expired(lab: Lab) -> Expected:
    """The root CA itself ran out.

    Ten years pass, and one day every client refuses every certificate of the plant. The
    broker sends the root along, so its dates can be read.
    """
    root = lab.root(starts=-3650 * DAY, ends=-DAY)
    leaf = lab.server(root)
    lab.broker(leaf, sends=(leaf, root), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-root-expired", by="client", phase="server_flight")


@scenario(near_miss=("certificate-bad-signature", "certificate-self-signed"))
def certificate_issuer_not_ca(lab: Lab) -> Expected:
    """The broker's certificate was issued with a certificate that is no CA.

    Somebody signed with an ordinary certificate's key. The signature verifies; the
    issuer's basicConstraints say that it may not do this.
    """
    root = lab.root()
    false_ca = lab.intermediate(root, ca=False, signs_certificates=False, path_length=None)
    lab.broker(lab.server(false_ca), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-issuer-not-ca", by="client", phase="server_flight")


@scenario(near_miss=("certificate-name-mismatch", "certificate-bad-signature"))
def certificate_name_constraints(lab: Lab) -> Expected:
    """The intermediate may only issue for another tree of names.

    Its nameConstraints permit other.example; the broker is called broker.example. The
    certificate's own name fits, and is not allowed.
    """
    root = lab.root()
    bound = lab.intermediate(root, permitted=["other.example"])
    lab.broker(lab.server(bound), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-name-constraints", by="client", phase="server_flight")


@scenario(near_miss=("certificate-unknown-ca", "certificate-weak-signature"))
def certificate_bad_signature(lab: Lab) -> Expected:
    """The broker's certificate was not signed by the key of the CA it names.

    It happens when a CA is made anew under the same name and the broker keeps its old
    certificate. Names match, the signature does not verify. OpenSSL's clients say
    decrypt_error, because an RSA signature check is a decryption to them.
    """
    leaf, root = impostor_chain(lab)
    lab.broker(leaf, sends=(leaf, root), max_version="1.2")
    lab.client(trust=[root])
    return lab.fails("certificate-bad-signature", by="client", phase="server_flight")


def impostor_chain(lab: Lab) -> tuple[Identity, Identity]:
    """A leaf that its own chain's CA did not sign, with PSS where the CA has PKCS #1."""
    root = lab.root("Plant CA")
    other = lab.root("Plant CA", slot="impostor")
    return lab.server(root, signed_by=other, signature="pss-sha512"), root


@scenario(near_miss=("certificate-bad-signature", "certificate-unknown-ca"))
def certificate_wrong_key(lab: Lab) -> Expected:
    """The broker's private key belongs to another certificate.

    The broker proves with the signature in its ServerKeyExchange that it holds the
    certificate's key. Here it signs with another one. OpenSSL would refuse to start so,
    other servers do not: this one is scripted, its signature is real.
    """
    root = lab.root()
    leaf = lab.server(root)
    other = private_key("rsa-2048", "mixed up")

    async def broker(wire: Wire) -> str:
        hello = await wire.until_message(messages.CLIENT_HELLO)
        signed = hello[2:34] + messages.random_bytes("server") + messages.server_parameters()
        assert isinstance(other, rsa.RSAPrivateKey)
        signature = other.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        await wire.send(
            messages.server_hello(extensions=(messages.extension(0xFF01, b"\x00"),)),
            messages.certificate([leaf.certificate]),
            messages.server_key_exchange(_RSA_PKCS1_SHA256, signature),
            messages.server_hello_done(),
        )
        await wire.until_end()
        return "tlsv1 alert decrypt error"

    lab.scripted_broker(broker)
    lab.client(trust=[root])
    return lab.fails("certificate-wrong-key", by="client", phase="server_flight")


@scenario(near_miss=("certificate-expired", "certificate-revocation-unchecked"))
def certificate_revoked(lab: Lab) -> Expected:
    """The client looked the certificate up and found it revoked.

    Nothing in the certificate shows it; the alert certificate_revoked does, and it has
    no other use.
    """
    lab.broker(lab.server(lab.root()), max_version="1.2")
    hello = messages.Hello(server_name=BROKER_NAME).record
    says = "The certificate has been revoked."
    lab.scripted_client(refusing_client(hello, alert=_REVOKED, says=says))
    return lab.fails("certificate-revoked", by="client", phase="server_flight")
