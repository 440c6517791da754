"""Hello against hello: the two ends have nothing in common."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from proxy.lab import messages
from proxy.lab._scenario import Expected, Lab, scenario
from proxy.lab.authority import BROKER_NAME
from proxy.lab.messages import Hello
from proxy.lab.scripted import Wire

_OLD_SUITES = (0xC014, 0xC013, 0x0035, 0x002F, 0x000A)
_HANDSHAKE_FAILURE, _ILLEGAL_PARAMETER, _INSUFFICIENT_SECURITY = 40, 47, 71
_UNRECOGNIZED_NAME = 112
_FALLBACK_SCSV = 0x5600
_SECP384R1, _SECP521R1, _X448 = 0x0018, 0x0019, 0x001E


@scenario(near_miss=("version-server-too-old", "inappropriate-fallback", "alert-misleads"))
def version_client_too_old(lab: Lab) -> Expected:
    """The client knows TLS 1.1 at most; the broker wants TLS 1.2.

    The ClientHello says how far the client can go: legacy_version 0x0302 and no
    supported_versions extension. The broker answers with the alert protocol_version
    before it says anything else. This alert means what its name says, because no
    version had been agreed yet.
    """
    lab.broker(lab.server(lab.root()))

    async def old_device(wire: Wire) -> str:
        hello = Hello(
            version=messages.TLS_1_1, suites=_OLD_SUITES, schemes=(), server_name=BROKER_NAME
        )
        await wire.send(hello.record)
        await wire.until_end()
        return "tlsv1 alert protocol version"

    lab.scripted_client(old_device)
    return lab.fails("version-client-too-old", by="server", phase="before_server_hello")


@scenario(near_miss=("version-client-too-old", "no-shared-cipher"))
def version_server_too_old(lab: Lab) -> Expected:
    """The client insists on TLS 1.3; the broker stops at TLS 1.2.

    supported_versions lists TLS 1.3 alone. The alert is the same protocol_version as in
    the opposite case: only the offer tells which side must change.
    """
    root = lab.root()
    lab.broker(lab.server(root), max_version="1.2")
    lab.client(trust=[root], min_version="1.3")
    return lab.fails("version-server-too-old", by="server", phase="before_server_hello")


@scenario(near_miss=("alert-misleads", "version-client-too-old"))
def version_server_answers_with_tls_1_0(lab: Lab) -> Expected:
    """An old broker answers TLS 1.0 to a client that wants 1.2 or more.

    A server that can do no better simply states its version in the ServerHello. Here
    the alert comes from the client, after the ServerHello, and is honest all the same:
    the chosen version is not among those that the client offered.
    """

    async def old_broker(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        old = messages.TLS_1_0
        await wire.send(messages.server_hello(version=old, suite=0x002F))
        await wire.until_end()
        return "tlsv1 alert protocol version"

    lab.scripted_broker(old_broker)
    lab.client(trust=[lab.root()])
    return lab.fails("version-server-too-old", by="client", phase="server_flight")


@scenario(near_miss=("version-client-too-old", "no-shared-group", "psk-instead-of-certificate"))
def no_shared_cipher(lab: Lab) -> Expected:
    """The client offers only suites that no current broker keeps switched on.

    An old firmware with nothing but RSA key exchange and 3DES. The broker picks
    nothing and says handshake_failure. Its own list never appears on the wire: what the
    client offers is the evidence.
    """
    lab.broker(lab.server(lab.root()), ciphers="ECDHE+AESGCM", max_version="1.2")

    async def old_device(wire: Wire) -> str:
        hello = Hello(suites=(0x000A, 0x0005), server_name=BROKER_NAME)
        await wire.send(hello.record)
        await wire.until_end()
        return "sslv3 alert handshake failure"

    lab.scripted_client(old_device)
    return lab.fails("no-shared-cipher", by="server", phase="before_server_hello")


@scenario(near_miss="version-client-too-old")
def no_shared_cipher_erlang(lab: Lab) -> Expected:
    """RabbitMQ and EMQX say insufficient_security when no suite fits.

    Erlang's TLS uses alert 71 where OpenSSL uses 40, and logs `In state hello ...
    Insufficient Security - no_suitable_ciphers`. The client here offers CBC suites
    only, which a hardened broker has switched off.
    """

    async def erlang(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        await wire.send(messages.alert(_INSUFFICIENT_SECURITY))
        return "In state hello SERVER ALERT: Fatal - Insufficient Security - no_suitable_ciphers"

    lab.scripted_broker(erlang)
    root = lab.root()
    lab.client(trust=[root], max_version="1.2", ciphers="ECDHE-RSA-AES128-SHA:AES128-SHA")
    return lab.fails("no-shared-cipher", by="server", phase="before_server_hello")


@scenario(near_miss=("no-shared-cipher", "version-client-too-old", "no-shared-signature-scheme"))
def handshake_refused(lab: Lab) -> Expected:
    """The broker says handshake_failure to an offer with which nothing is wrong.

    The alert has one name and many reasons: the broker's suites, groups or signature
    schemes, its certificate's kind of key, a missing client certificate setting, or a
    broken key file. With a modern offer the bytes leave several of them; an honest
    explanation lists them and does not pick one.
    """

    async def broker(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        await wire.send(messages.alert(_HANDSHAKE_FAILURE))
        return "no shared cipher"

    lab.scripted_broker(broker)
    lab.client(trust=[lab.root()])
    return lab.fails("handshake-refused", by="server", phase="before_server_hello")


@scenario(near_miss=("no-shared-cipher", "version-client-too-old"))
def no_shared_signature_scheme(lab: Lab) -> Expected:
    """The client verifies ECDSA signatures only; the broker's key is RSA.

    In TLS 1.3 the suites say nothing about the certificate: what a client can verify
    stands in signature_algorithms alone. This one lists no RSA scheme, so a broker with
    an RSA certificate has nothing to sign with. OpenSSL logs "no suitable signature
    algorithm" and says handshake_failure.
    """
    lab.broker(lab.server(lab.root()))

    async def ecdsa_only(wire: Wire) -> str:
        hello = Hello(
            versions=(messages.TLS_1_3,),
            suites=(0x1301, 0x1302),
            schemes=(0x0403,),
            key_share=True,
            session_id=messages.random_bytes("session"),
            server_name=BROKER_NAME,
        )
        await wire.send(hello.record)
        await wire.until_end()
        return "sslv3 alert handshake failure"

    lab.scripted_client(ecdsa_only)
    return lab.fails("no-shared-signature-scheme", by="server", phase="before_server_hello")


@scenario(near_miss=("version-client-too-old", "no-shared-cipher"))
def inappropriate_fallback(lab: Lab) -> Expected:
    """The client retries with an older version, and the broker notices.

    Some clients answer any failure with a second try at a lower version, and mark it
    with TLS_FALLBACK_SCSV among the suites. A broker that can do TLS 1.3 refuses such a
    TLS 1.2 hello: the first failure had another reason.
    """
    lab.broker(lab.server(lab.root()))

    async def falls_back(wire: Wire) -> str:
        suites = (*messages.MODERN_SUITES, _FALLBACK_SCSV)
        await wire.send(Hello(suites=suites, server_name=BROKER_NAME).record)
        await wire.until_end()
        return "tlsv1 alert inappropriate fallback"

    lab.scripted_client(falls_back)
    return lab.fails("inappropriate-fallback", by="server", phase="before_server_hello")


@scenario(near_miss=("no-shared-cipher", "no-shared-signature-scheme"))
def no_shared_group(lab: Lab) -> Expected:
    """The client computes on one curve that the broker does not have.

    Suites and signatures would fit; supported_groups names secp521r1 alone. OpenSSL
    logs "no shared cipher" for this, which sends people to the wrong list.
    """
    lab.broker(lab.server(lab.root()), group=ec.SECP256R1, max_version="1.2", ciphers="ECDHE")

    async def one_curve(wire: Wire) -> str:
        await wire.send(Hello(groups=(_SECP521R1,), server_name=BROKER_NAME).record)
        await wire.until_end()
        return "sslv3 alert handshake failure"

    lab.scripted_client(one_curve)
    return lab.fails("no-shared-group", by="server", phase="before_server_hello")


@scenario(near_miss=("no-shared-cipher", "version-server-too-old"))
def no_shared_group_hello_retry(lab: Lab) -> Expected:
    """The broker asks for a key share in a group that the client never offered.

    A HelloRetryRequest may only name a group from the client's supported_groups. This
    broker wants x448 whatever the client says, and so the bytes alone prove that there
    is no common group. The client calls it illegal_parameter.
    """

    async def stubborn(wire: Wire) -> str:
        hello = await wire.until_message(messages.CLIENT_HELLO)
        retry = messages.hello_retry_request(_X448, suite=0x1301, session_id=_session_id(hello))
        await wire.send(retry)
        await wire.until_end()
        return "tlsv1 alert illegal parameter"

    lab.scripted_broker(stubborn)

    async def two_groups(wire: Wire) -> str:
        await wire.send(_tls13_hello(groups=(messages.X25519, _SECP384R1)))
        await wire.until_message(messages.SERVER_HELLO)
        await wire.send(messages.alert(_ILLEGAL_PARAMETER))
        return "bad key share"

    lab.scripted_client(two_groups)
    return lab.fails("no-shared-group", by="client", phase="before_server_hello")


@scenario(near_miss=("no-shared-group", "alert-misleads"))
def hello_retry_refused(lab: Lab) -> Expected:
    """The second ClientHello after a HelloRetryRequest is refused.

    The broker asks for secp384r1, which the client had offered, and the client tries
    again. Between the two hellos only the key share may change; a client that changes
    more (an old Mbed TLS made a new random) gets illegal_parameter.
    """

    async def strict(wire: Wire) -> str:
        hello = await wire.until_message(messages.CLIENT_HELLO)
        session_id = _session_id(hello)
        retry = messages.hello_retry_request(_SECP384R1, suite=0x1301, session_id=session_id)
        await wire.send(retry)
        await wire.until_message(messages.CLIENT_HELLO)
        await wire.send(messages.alert(_ILLEGAL_PARAMETER))
        return "the second ClientHello differs from the first"

    lab.scripted_broker(strict)

    async def tries_again(wire: Wire) -> str:
        await wire.send(_tls13_hello(groups=(messages.X25519, _SECP384R1)))
        await wire.until_message(messages.SERVER_HELLO)
        await wire.send(_tls13_hello(groups=(_SECP384R1,)))
        await wire.until_end()
        return "tlsv1 alert illegal parameter"

    lab.scripted_client(tries_again)
    return lab.fails("hello-retry-refused", by="server", phase="before_server_hello")


@scenario(near_miss=("handshake-refused", "sni-refused"))
def alpn_mismatch(lab: Lab) -> Expected:
    """The client offers http/1.1 by ALPN, and the broker insists on mqtt.

    A WebSocket client on the MQTT port, or a typing error in the protocol's name. The
    alert no_application_protocol says exactly what it means.
    """
    root = lab.root()
    lab.broker(lab.server(root), alpn=["mqtt"])
    lab.client(trust=[root], alpn=["http/1.1"])
    return lab.fails("alpn-mismatch", by="server", phase="before_server_hello")


@scenario(near_miss=("sni-missing", "alpn-mismatch"))
def sni_refused(lab: Lab) -> Expected:
    """The broker does not serve the name that the client asks for.

    A front end with many names looks the SNI up and finds nothing: a typing error, an
    alias, or a client that was pointed at an address of its own.
    """

    async def front_end(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        await wire.send(messages.alert(_UNRECOGNIZED_NAME))
        return "unrecognized name broker.exampel"

    lab.scripted_broker(front_end)
    lab.client(trust=[lab.root()], server_name="broker.exampel")
    return lab.fails("sni-refused", by="server", phase="before_server_hello")


@scenario(near_miss=("sni-refused", "handshake-refused"))
def sni_missing(lab: Lab) -> Expected:
    """The client names no host to a broker that serves many.

    AWS IoT Core, Azure Event Grid and HiveMQ Cloud pick the tenant by SNI. A client that
    connects by IP address sends none.
    """

    async def front_end(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        await wire.send(messages.alert(_UNRECOGNIZED_NAME))
        return "no server name"

    lab.scripted_broker(front_end)
    lab.client(trust=[lab.root()], server_name=None)
    return lab.fails("sni-missing", by="server", phase="before_server_hello")


def _tls13_hello(*, groups: tuple[int, ...]) -> bytes:
    return Hello(
        versions=(messages.TLS_1_3,),
        suites=(0x1301,),
        groups=groups,
        key_share=True,
        session_id=messages.random_bytes("session"),
        server_name=BROKER_NAME,
    ).record


def _session_id(client_hello: bytes) -> bytes:
    """The legacy_session_id, which a TLS 1.3 server echoes (RFC 8446 section 4.1.3)."""
    return client_hello[35 : 35 + client_hello[34]]
