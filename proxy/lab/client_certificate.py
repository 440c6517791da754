"""The broker refuses the client's certificate, or misses one."""

from __future__ import annotations

from proxy.lab._scenario import Expected, Lab, scenario


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
