"""Chains that look odd and are accepted."""

from __future__ import annotations

from proxy.lab._scenario import Expected, Lab, scenario


@scenario(near_miss=("certificate-missing-intermediate", "certificate-issuer-not-ca"))
def chain_with_intermediate(lab: Lab) -> Expected:
    """The broker sends its certificate and the intermediate above it.

    The root is left out, because the client must have it anyway.
    """
    root = lab.root()
    lab.broker(lab.server(lab.intermediate(root)), max_version="1.2")
    lab.client(trust=[root])
    return lab.established()


@scenario(near_miss="certificate-chain-order")
def chain_out_of_order(lab: Lab) -> Expected:
    """The broker sends its chain in the wrong order, and OpenSSL sorts it out.

    TLS 1.3 asks clients to be lenient about the order. Embedded ones often are not, so
    it is worth a note and is no cause.
    """
    root = lab.root()
    upper = lab.intermediate(root, "Lab Upper CA", slot="upper", path_length=1)
    lower = lab.intermediate(upper)
    leaf = lab.server(lower)
    lab.broker(leaf, sends=(leaf, upper, lower), max_version="1.2")
    lab.client(trust=[root])
    return lab.established()


@scenario(near_miss=("certificate-name-constraints", "certificate-unknown-critical-extension"))
def chain_with_fitting_constraints(lab: Lab) -> Expected:
    """The intermediate may only issue for broker.example, and did just that.

    nameConstraints is a critical extension, and one that clients know: what they
    understand they need not refuse.
    """
    root = lab.root()
    bound = lab.intermediate(root, permitted=["broker.example"])
    lab.broker(lab.server(bound), max_version="1.2")
    lab.client(trust=[root])
    return lab.established()


@scenario(near_miss=("certificate-x509-version-1", "certificate-name-mismatch"))
def chain_of_version_1(lab: Lab) -> Expected:
    """The certificate is of X.509 version 1, and the client does not look at it.

    A lax client connects where a strict one refuses: the same broker "works here" and
    fails there.
    """
    lab.broker(lab.server(lab.root(), version_1=True), max_version="1.2")
    lab.client(trust=None)
    return lab.established()
