"""TCP, and whoever does not speak TLS."""

from __future__ import annotations

from proxy.lab import messages
from proxy.lab._scenario import Expected, Lab, scenario
from proxy.lab.authority import BROKER_NAME
from proxy.lab.scripted import Wire

_IMPATIENCE = 1.2
"""Seconds that a client waits for a silent broker."""
_STALL = 3.2
"""Seconds after which a broker gives a silent client up."""


@scenario(near_miss=("server-closed-after-client-hello", "name-not-resolved", "tcp-timeout"))
def tcp_refused(lab: Lab) -> Expected:
    """Nothing listens on the broker's port.

    The broker is not running, listens on another port or only on another address, or a
    container does not publish the port. TLS was never tried.
    """
    lab.client(trust=[lab.root()])
    return lab.fails("tcp-refused", by="server", phase="tcp")


@scenario(near_miss=("tls-to-plaintext-port", "non-tls-to-tls-port"))
def plaintext_to_tls_port(lab: Lab) -> Expected:
    """The client speaks MQTT in clear to the port for TLS.

    The first byte is 0x10, an MQTT CONNECT, where a TLS record would begin with 0x16.
    OpenSSL logs "wrong version number" and closes.
    """
    lab.broker(lab.server(lab.root()))

    async def plain(wire: Wire) -> str:
        await wire.send(messages.connect("lab", user="plant", password="not-a-secret"))
        await wire.until_end()
        return "Error: The connection was lost."

    lab.scripted_client(plain)
    return lab.fails(
        "plaintext-to-tls-port", by="server", phase="before_server_hello", status="not_tls"
    )


@scenario(near_miss=("plaintext-to-tls-port", "tls-to-other-protocol"))
def tls_to_plaintext_port(lab: Lab) -> Expected:
    """The client speaks TLS to a port where the broker speaks plain MQTT.

    The broker reads the ClientHello as an MQTT packet and refuses it with a CONNACK in
    clear: no TLS record, so this is no TLS port.
    """

    async def plain_broker(wire: Wire) -> str:
        await wire.receive()
        await wire.send(messages.connack(1))
        return "Client <unknown> disconnected due to protocol error."

    lab.scripted_broker(plain_broker)
    lab.client(trust=[lab.root()])
    return lab.fails("tls-to-plaintext-port", by="server", phase="before_server_hello")


@scenario(near_miss=("server-reset-after-client-hello", "middlebox-suspected"))
def server_closed_after_client_hello(lab: Lab) -> Expected:
    """The broker reads the ClientHello and closes without an answer.

    A listener without a certificate, a balancer without a backend, a policy, or a port
    that does not speak TLS at all: the wire cannot tell which.
    """

    async def closes(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        return "{error,closed}"

    lab.scripted_broker(closes)
    lab.client(trust=[lab.root()])
    return lab.fails("server-closed-after-client-hello", by="server", phase="before_server_hello")


@scenario(near_miss=("server-closed-after-client-hello", "server-silent"))
def server_reset_after_client_hello(lab: Lab) -> Expected:
    """The ClientHello is answered with a TCP reset.

    A firewall that dislikes the name or the size of the hello, or a crashing listener.
    """

    async def resets(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        await wire.reset()
        return "connection reset"

    lab.scripted_broker(resets)
    lab.client(trust=[lab.root()])
    return lab.fails("server-reset-after-client-hello", by="server", phase="before_server_hello")


@scenario(near_miss=("server-closed-after-client-hello", "client-closed-mid-handshake"))
def server_silent(lab: Lab) -> Expected:
    """The broker accepts the connection and never says anything.

    An overloaded broker, a port forwarded into nothing, or a balancer that waits for a
    PROXY header. The client's own timeout ends it: the client leaves, and is not to blame.
    """

    async def silent(wire: Wire) -> str:
        await wire.until_end()
        return "nothing in the log"

    lab.scripted_broker(silent)
    lab.client(trust=[lab.root()], patience=_IMPATIENCE)
    return lab.fails("server-silent", by="client", phase="before_server_hello")


@scenario(near_miss=("tcp-refused", "tcp-timeout"))
def name_not_resolved(lab: Lab) -> Expected:
    """The broker's name cannot be resolved.

    Here it is a name that cannot exist, with two dots in a row, so that the answer is
    the same on every network. No connection is tried.
    """
    lab.broker_address = "broker..example"
    lab.client(trust=[lab.root()])
    return lab.fails("name-not-resolved", by=None, phase="tcp")


@scenario(near_miss=("plaintext-to-tls-port", "proxy-header-unexpected"))
def non_tls_to_tls_port(lab: Lab) -> Expected:
    """A health check asks the TLS port for a web page.

    The first byte is the G of GET. OpenSSL logs "http request" and closes.
    """
    lab.broker(lab.server(lab.root()))

    async def probe(wire: Wire) -> str:
        await wire.send(b"GET /health HTTP/1.1\r\nHost: broker.example\r\n\r\n")
        await wire.until_end()
        return "connection closed without an answer"

    lab.scripted_client(probe)
    return lab.fails(
        "non-tls-to-tls-port", by="server", phase="before_server_hello", status="not_tls"
    )


@scenario(near_miss=("non-tls-to-tls-port", "plaintext-to-tls-port"))
def proxy_header_unexpected(lab: Lab) -> Expected:
    """A balancer puts a PROXY header before TLS; the broker does not expect it.

    The header gives the client's own address. A broker that was not told about it reads
    "PROXY " as a broken TLS record. Erlang logs {unsupported_record_type,80}: the P.
    """
    lab.broker(lab.server(lab.root()))

    async def balancer(wire: Wire) -> str:
        header = b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 8883\r\n"
        await wire.send(header + messages.Hello(server_name=BROKER_NAME).record)
        await wire.until_end()
        return "unexpected eof while reading"

    lab.scripted_client(balancer)
    return lab.fails("proxy-header-unexpected", by="server", phase="before_server_hello")


@scenario(near_miss=("tls-to-plaintext-port", "server-closed-after-client-hello"))
def tls_to_other_protocol(lab: Lab) -> Expected:
    """The port belongs to a web server without TLS.

    The ClientHello is answered in clear, with HTTP. Check the port: 8883 is MQTT over
    TLS, 80 and 8080 are the web.
    """

    async def web_server(wire: Wire) -> str:
        await wire.receive()
        await wire.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        return '"\\x16\\x03\\x01" 400'

    lab.scripted_broker(web_server)
    lab.client(trust=[lab.root()])
    return lab.fails("tls-to-other-protocol", by="server", phase="before_server_hello")


@scenario(near_miss="certificate-unknown-ca")
def client_points_at_proxy_name(lab: Lab) -> Expected:
    """The client was pointed at localhost, and looks for that in the certificate.

    Whoever puts a proxy between and writes `localhost` into the client changes the name
    that the client checks. The broker's certificate is fine for its own name. A line in
    the hosts file, or the client's option for the server name, keeps the check right.
    """
    root = lab.root()
    lab.broker(lab.server(root), max_version="1.2")
    lab.client(trust=[root], server_name="localhost")
    return lab.fails(
        "certificate-name-mismatch",
        by="client",
        phase="server_flight",
        also=["client-points-at-proxy-name"],
    )
