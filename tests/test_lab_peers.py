"""The lab's peers against each other, without a proxy between them."""

from __future__ import annotations

import time
from typing import Literal

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.lab import messages
from proxy.lab.authority import BROKER_NAME, DAY, Authority, Identity
from proxy.lab.encrypted import EncryptedAlertClient
from proxy.lab.peers import Peer, Scripted, TlsBroker, TlsClient, Version
from proxy.lab.scripted import UnexpectedEnd, Wire

VERSIONS: tuple[Version, ...] = ("1.2", "1.3")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(time.time())  # real peers look at the real clock


@pytest.fixture(scope="module")
def root(authority: Authority) -> Identity:
    return authority.root()


async def meet(broker: Peer, *clients: Peer) -> list[tuple[str, str]]:
    """What client and broker saw, for each client in turn."""
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    saw: list[tuple[str, str]] = []
    async with listener:
        for client in clients:
            here = await trio.open_tcp_stream("127.0.0.1", port)
            there = await listener.accept()
            with trio.fail_after(20):
                saw.append(await play(client, here, broker, there))
    return saw


async def play(
    client: Peer, here: trio.SocketStream, broker: Peer, there: trio.SocketStream
) -> tuple[str, str]:
    log = ""

    async def serve() -> None:
        nonlocal log
        async with there:
            log = await broker(there)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with here:
            said = await client(here)
    return said, log


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session(authority: Authority, root: Identity, version: Version) -> None:
    broker = TlsBroker(authority.server(root), max_version=version)
    [(client, log)] = await meet(broker, TlsClient([root]))
    assert client == f"connected (TLSv{version}), CONNACK 0"
    assert log == f"handshake finished (TLSv{version}), CONNACK 0, client disconnected"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_client_resumes(authority: Authority, root: Identity, version: Version) -> None:
    broker = TlsBroker(authority.server(root), max_version=version)
    reused: list[bool] = []

    class Watched(TlsClient):
        async def _use(self, tls, engine):  # type: ignore[no-untyped-def] # as in TlsClient
            said = await super()._use(tls, engine)
            reused.append(bool(engine.object.session_reused))
            return said

    client = Watched([root])
    await meet(broker, client, client)
    assert reused == [False, True]


@pytest.mark.parametrize("version", VERSIONS)
async def test_mutual_tls(authority: Authority, root: Identity, version: Version) -> None:
    broker = TlsBroker(authority.server(root), client_ca=root, max_version=version)
    device = authority.device(authority.intermediate(root))
    good = TlsClient([root], identity=device)
    bare = TlsClient([root])
    cut = TlsClient([root], identity=device, sends=[device])
    saw = await meet(broker, good, bare, cut)
    assert saw[0][0].startswith("connected")
    assert saw[1][1] == "peer did not return a certificate"
    assert "alert" in saw[1][0]
    assert saw[2][1] == "certificate verify failed"


async def test_an_optional_certificate(authority: Authority, root: Identity) -> None:
    broker = TlsBroker(authority.server(root), client_ca=root, requires_certificate=False)
    [(client, _)] = await meet(broker, TlsClient([root]))
    assert client.startswith("connected")


async def test_the_client_checks_the_certificate(authority: Authority, root: Identity) -> None:
    expired = TlsBroker(authority.server(root, ends=-DAY))
    [(client, log)] = await meet(expired, TlsClient([root]))
    assert client == "certificate verify failed: certificate has expired"
    assert log.endswith("alert certificate expired")
    [(client, _)] = await meet(expired, TlsClient(None))
    assert client.startswith("connected")


async def test_the_client_checks_the_name(authority: Authority, root: Identity) -> None:
    broker = TlsBroker(authority.server(root))
    [(client, _)] = await meet(broker, TlsClient([root], server_name="localhost"))
    assert "ostname mismatch" in client
    [(client, _)] = await meet(broker, TlsClient([root], server_name=None))
    assert client.startswith("connected")


@pytest.mark.parametrize(
    ("connack", "client_says"), [(5, "CONNACK 5: refused"), ("hang up", "closed without CONNACK")]
)
async def test_mqtt_refusals(
    authority: Authority, root: Identity, connack: int | Literal["hang up"], client_says: str
) -> None:
    broker = TlsBroker(authority.server(root), connack=connack)
    [(client, _)] = await meet(broker, TlsClient([root]))
    assert client_says in client


async def test_alpn(authority: Authority, root: Identity) -> None:
    broker = TlsBroker(authority.server(root), alpn=["mqtt"])
    right, wrong = TlsClient([root], alpn=["mqtt"]), TlsClient([root], alpn=["http/1.1"])
    saw = await meet(broker, right, wrong)
    assert saw[0][0].startswith("connected")
    assert "no application protocol" in saw[1][0]


async def test_a_single_group(authority: Authority, root: Identity) -> None:
    broker = TlsBroker(authority.server(root), group=ec.SECP384R1)
    [(client, _)] = await meet(broker, TlsClient([root]))
    assert client.startswith("connected")


async def test_a_client_that_leaves(authority: Authority, root: Identity) -> None:
    broker = TlsBroker(authority.server(root))
    [(client, log)] = await meet(broker, TlsClient([root], manner="leave"))
    assert client == "closed: does not accept the certificate (TLSv1.3)"
    assert "EOF" in log or "eof" in log


async def test_an_encrypted_alert_is_understood(authority: Authority, root: Identity) -> None:
    broker = TlsBroker(authority.server(root))
    refusing = EncryptedAlertClient(alert=48, says="x509: unknown authority")
    [(client, log)] = await meet(broker, refusing)
    assert client == "x509: unknown authority"
    assert log.endswith("alert unknown ca")
    old = TlsBroker(authority.server(root), max_version="1.2")
    [(client, _)] = await meet(old, refusing)
    assert "protocol version" in client


async def test_scripts_speak_and_listen(authority: Authority, root: Identity) -> None:
    async def asks(wire: Wire) -> str:
        await wire.send(messages.Hello(server_name=BROKER_NAME).record)
        await wire.until_message(messages.SERVER_HELLO_DONE)
        await wire.send(messages.alert(70))
        return f"{len(await wire.until_end())} bytes more"

    broker = TlsBroker(authority.server(root), max_version="1.2")
    [(client, log)] = await meet(broker, Scripted(asks))
    assert client == "0 bytes more"
    assert log.endswith("alert protocol version")


async def test_a_script_is_bounded_and_polite() -> None:
    async def waits(wire: Wire) -> str:
        await wire.record()
        return "never"

    async def closes(wire: Wire) -> str:
        await wire.send(b"\x16")
        return "closed"

    async def babbles(wire: Wire) -> str:
        await wire.send(messages.alert(40), b"rest")
        return "said all"

    async def wants_a_hello(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        return "never"

    async def resets(wire: Wire) -> str:
        await wire.reset()
        return "gone"

    assert (await meet(Scripted(closes), Scripted(waits)))[0][0] == "the peer closed the connection"
    [(client, _)] = await meet(Scripted(babbles), Scripted(wants_a_hello))
    assert client == "a record of type 21 instead of a handshake"
    [(client, _)] = await meet(Scripted(resets), Scripted(waits))
    assert client == "connection reset by peer"
    [(client, _)] = await meet(Scripted(waits, patience=0.01), Scripted(waits, patience=0.01))
    assert client == "timed out"


async def test_a_silent_broker_tries_the_clients_patience(root: Identity) -> None:
    async def silent(wire: Wire) -> str:
        await wire.until_end()
        return "nothing"

    [(client, log)] = await meet(Scripted(silent), TlsClient([root], patience=0.05))
    assert (client, log) == ("timed out", "nothing")


async def test_what_a_wire_reads_ahead_is_not_lost() -> None:
    async def first_a_record_then_the_rest(wire: Wire) -> str:
        content_type, fragment = await wire.record()
        return f"{content_type} {fragment!r} {await wire.receive()!r}"

    async def sends(wire: Wire) -> str:
        await wire.send(messages.record(messages.HANDSHAKE, b"abc") + b"rest")
        return "sent"

    [(client, _)] = await meet(Scripted(sends), Scripted(first_a_record_then_the_rest))
    assert client == "22 b'abc' b'rest'"


def test_unexpected_end_is_an_error_of_its_own() -> None:
    assert not issubclass(UnexpectedEnd, OSError)
