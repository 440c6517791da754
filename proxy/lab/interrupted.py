"""One side closes, resets or falls silent before the handshake is over."""

from __future__ import annotations

import trio

from proxy.lab import messages
from proxy.lab._scenario import Expected, Lab, scenario
from proxy.lab.authority import BROKER_NAME, Identity
from proxy.lab.messages import Hello
from proxy.lab.peers import Script
from proxy.lab.scripted import Wire

_DECODE_ERROR = 50
_HELLO_REQUEST = 0
_FLOOD = 1400
_X25519MLKEM768 = 0x11EC
_IMPATIENCE = 1.2
"""Seconds that a client waits for a broker that has stopped."""
_GIVEN_UP = 3.2
"""Seconds after which a broker closes on a client that says nothing."""


async def _reads_until_the_end(wire: Wire) -> str:
    """A client that waits for the server to speak first."""
    await wire.until_end()
    return "connection closed"


def _half_a_flight(leaf: Identity, then: Script) -> Script:
    """A broker that sends ServerHello and Certificate, and then does something else."""

    async def script(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        renegotiation_info = messages.extension(0xFF01, b"\x00")
        await wire.send(
            messages.server_hello(extensions=(renegotiation_info,)),
            messages.certificate([leaf.certificate]),
        )
        return await then(wire)

    return script


async def _closes(_wire: Wire) -> str:
    return "closed"


async def _resets(wire: Wire) -> str:
    await wire.reset()
    return "reset"


async def _hangs(wire: Wire) -> str:
    await wire.until_end()
    return "nothing in the log"


@scenario(near_miss=("server-closed-after-client-hello", "tcp-refused"))
def server_closed_before_hello(lab: Lab) -> Expected:
    """The broker accepts the connection and closes it before a byte has come.

    A connection limit, an address filter, or a balancer without a backend.
    """
    lab.scripted_broker(_closes)
    lab.scripted_client(_reads_until_the_end)
    return lab.fails("server-closed-before-hello", by="server", phase="tcp", status="no_data")


@scenario(near_miss=("server-closed-before-hello", "tcp-refused"))
def server_reset_before_hello(lab: Lab) -> Expected:
    """The broker accepts the connection and resets it before a byte has come.

    The port answers, so this is not "connection refused": something behind it fails.
    """
    lab.scripted_broker(_resets)
    lab.scripted_client(_reads_until_the_end)
    return lab.fails("server-reset-before-hello", by="server", phase="tcp", status="no_data")


@scenario(near_miss=("certificate-refused", "server-reset-mid-handshake"))
def server_closed_mid_handshake(lab: Lab) -> Expected:
    """The broker closes after its Certificate.

    A crash, or a handshake timer that is too short. The client had no time to dislike
    anything.
    """
    root = lab.root()
    lab.scripted_broker(_half_a_flight(lab.server(root), _closes))
    lab.client(trust=[root])
    return lab.fails("server-closed-mid-handshake", by="server", phase="server_flight")


@scenario(near_miss=("certificate-refused", "server-closed-mid-handshake"))
def server_reset_mid_handshake(lab: Lab) -> Expected:
    """The connection is reset after the broker's Certificate.

    A crash, or a middlebox that has now read the certificate. A reset instead of a close
    says that somebody threw the connection away.
    """
    root = lab.root()
    lab.scripted_broker(_half_a_flight(lab.server(root), _resets))
    lab.client(trust=[root])
    return lab.fails("server-reset-mid-handshake", by="server", phase="server_flight")


@scenario(near_miss=("server-silent", "server-closed-mid-handshake"))
def server_stalled_mid_handshake(lab: Lab) -> Expected:
    """The broker's flight stops in the middle.

    ServerHello has come, the rest has not: a blocked key store, or packets that are
    too large for the path. The client's timeout ends it.
    """

    async def hello_only(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        renegotiation_info = messages.extension(0xFF01, b"\x00")
        await wire.send(messages.server_hello(extensions=(renegotiation_info,)))
        return await _hangs(wire)

    lab.scripted_broker(hello_only)
    lab.client(trust=[lab.root()], patience=_IMPATIENCE)
    return lab.fails("server-stalled-mid-handshake", by="client", phase="server_flight")


@scenario(near_miss=("client-silent", "client-closed-mid-handshake"))
def client_closed_before_hello_complete(lab: Lab) -> Expected:
    """The client leaves with half of its ClientHello sent.

    Its program ended, or the second packet of a large hello was lost.
    """
    lab.scripted_broker(_hangs)

    async def half(wire: Wire) -> str:
        hello = Hello(server_name=BROKER_NAME).record
        await wire.send(hello[: len(hello) // 2])
        return "killed"

    lab.scripted_client(half)
    return lab.fails(
        "client-closed-before-hello-complete", by="client", phase="before_server_hello"
    )


@scenario(near_miss=("server-stalled-mid-handshake", "client-reset-mid-handshake"))
def client_closed_mid_handshake(lab: Lab) -> Expected:
    """The client leaves after the ServerHello, before it has seen a certificate.

    Nothing had come that it could dislike, so the certificate is not the matter: its
    program ended.
    """

    async def slow(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        await wire.send(messages.server_hello())
        return await _hangs(wire)

    async def leaves(wire: Wire) -> str:
        await wire.send(Hello(server_name=BROKER_NAME).record)
        await wire.until_message(messages.SERVER_HELLO)
        return "killed"

    lab.scripted_broker(slow)
    lab.scripted_client(leaves)
    return lab.fails("client-closed-mid-handshake", by="client", phase="server_flight")


@scenario(near_miss=("client-silent", "server-reset-before-hello"))
def client_reset_before_hello(lab: Lab) -> Expected:
    """The client connects and resets at once.

    A port scanner does this. It is no failure of TLS, which never began, and repeats at
    regular intervals.
    """
    lab.scripted_broker(_hangs)
    lab.scripted_client(_resets)
    return lab.fails("client-reset-before-hello", by="client", phase="tcp", status="no_data")


@scenario(near_miss=("client-closed-mid-handshake", "server-reset-mid-handshake"))
def client_reset_mid_handshake(lab: Lab) -> Expected:
    """The client resets the connection after the ServerHello.

    Its process was killed, or its library threw the socket away. No alert came before.
    """

    async def slow(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        await wire.send(messages.server_hello())
        return await _hangs(wire)

    async def resets(wire: Wire) -> str:
        await wire.send(Hello(server_name=BROKER_NAME).record)
        await wire.until_message(messages.SERVER_HELLO)
        return await _resets(wire)

    lab.scripted_broker(slow)
    lab.scripted_client(resets)
    return lab.fails("client-reset-mid-handshake", by="client", phase="server_flight")


@scenario(near_miss=("client-closed-before-hello-complete", "client-reset-before-hello"))
def client_silent(lab: Lab) -> Expected:
    """The client connects and waits, and so does the broker.

    In TLS the client speaks first. This one was built without TLS and for a protocol in
    which the server does; after some seconds the broker gives it up.
    """

    async def patient(_wire: Wire) -> str:
        await trio.sleep(_GIVEN_UP)
        return "handshake timeout"

    lab.scripted_broker(patient)
    lab.scripted_client(_reads_until_the_end)
    return lab.fails("client-silent", by="server", phase="tcp", status="no_data")


@scenario(near_miss=("handshake-refused", "malformed-message"))
def client_hello_fragments_refused(lab: Lab) -> Expected:
    """The ClientHello comes in small records, and the broker cannot join them.

    TLS allows it and few do it. Mbed TLS before 3.6.1 and some middleboxes read only
    the first record and close.
    """

    async def simple(wire: Wire) -> str:
        await wire.record()
        await wire.send(messages.alert(_DECODE_ERROR))
        return "TLS handshake fragmentation not supported"

    async def in_pieces(wire: Wire) -> str:
        hello = Hello(server_name=BROKER_NAME).record[5:]
        for start in range(0, len(hello), 64):
            piece = hello[start : start + 64]
            await wire.send(messages.record(messages.HANDSHAKE, piece, version=messages.TLS_1_0))
        await wire.until_end()
        return "tlsv1 alert decode error"

    lab.scripted_broker(simple)
    lab.scripted_client(in_pieces)
    return lab.fails("client-hello-fragments-refused", by="server", phase="before_server_hello")


@scenario(near_miss=("client-hello-fragments-refused", "handshake-refused"))
def client_hello_large(lab: Lab) -> Expected:
    """A large ClientHello is never answered.

    Post-quantum key shares make it longer than one packet. A box on the way reads only
    the first packet and drops the connection; smaller hellos pass.
    """

    async def box(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        return await _resets(wire)

    async def post_quantum(wire: Wire) -> str:
        share = messages.extension(51, _post_quantum_shares())
        versions = messages.extension(43, messages.vector(1, messages.u16s((0x0304,))))
        groups = (_X25519MLKEM768, messages.X25519)
        hello = Hello(
            groups=groups,
            session_id=messages.random_bytes("session"),
            server_name=BROKER_NAME,
            extra=(versions, share),
        )
        await wire.send(hello.record)
        await wire.until_end()
        return "connection reset by peer"

    lab.scripted_broker(box)
    lab.scripted_client(post_quantum)
    return lab.fails(
        "server-reset-after-client-hello",
        by="server",
        phase="before_server_hello",
        also=["client-hello-large", "middlebox-suspected"],
    )


@scenario(near_miss=("analysis-stopped", "alert-misleads"))
def malformed_message(lab: Lab) -> Expected:
    """The broker's ServerHello is too short for its own fields.

    A bug in a TLS library, or a device that alters traffic. The client says
    decode_error, and this time the name is right.
    """

    async def broken(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        await wire.send(messages.handshake(messages.SERVER_HELLO, b"\x03\x03" + bytes(20)))
        await wire.until_end()
        return "tlsv1 alert decode error"

    lab.scripted_broker(broken)
    lab.client(trust=[lab.root()])
    return lab.fails(
        "client-closed-mid-handshake",
        by="client",
        phase="before_server_hello",
        also=["malformed-message"],
    )


@scenario(near_miss=("malformed-message", "server-reset-mid-handshake"))
def analysis_stopped(lab: Lab) -> Expected:
    """A broker sends more than a thousand messages, and the analysis stops reading.

    Every list in this program has a limit, so that nobody can fill its memory from
    outside. The traffic itself goes on untouched; the explanation says where it ended.
    """

    async def floods(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        hello_request = messages.handshake(_HELLO_REQUEST, b"")
        await wire.send(messages.server_hello(), hello_request * _FLOOD)
        return "closed"

    async def reads(wire: Wire) -> str:
        await wire.send(Hello(server_name=BROKER_NAME).record)
        await wire.until_end()
        return "too many messages"

    lab.scripted_broker(floods)
    lab.scripted_client(reads)
    return lab.fails(
        "server-closed-mid-handshake", by="server", phase="server_flight", also=["analysis-stopped"]
    )


def _post_quantum_shares() -> bytes:
    """Key shares for X25519MLKEM768 (1184 + 32 bytes) and x25519, as browsers send them."""
    share = _X25519MLKEM768.to_bytes(2, "big") + messages.vector(2, bytes(1184 + 32))
    return messages.vector(2, share + messages.x25519_share()[2:])
