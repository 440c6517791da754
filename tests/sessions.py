"""Real TLS sessions between two ends of Python's `ssl`, in memory, as observer's input."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from analyzers.connection import Connection
from analyzers.context import Context
from analyzers.events import Direction, How
from analyzers.transcript import Transcript
from proxy.lab.authority import Authority, Identity
from proxy.replay import End, Hole, Payload

CLIENT, SERVER = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
AT = 1_779_019_200.0  # 2026-05-17T12:00:00Z
NAME = "mqtt.acme-widgets.com"
TOLD = Payload | Hole | End


def acme() -> Identity:
    """A broker's certificate under a root and an intermediate, full of telling names."""
    authority = Authority(AT)
    root = authority.root("Acme Widgets Root CA")
    middle = authority.intermediate(root, common_name="Acme Issuing CA 7")
    return authority.server(
        middle, common_name=NAME, names=[NAME, "*.acme-widgets.com", "10.1.2.3"]
    )


def tls_session(
    identity: Identity,
    *,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    trusted: bool = True,
    secret: bytes = b"",
) -> list[TOLD]:
    """A handshake (and `secret` as application data after it), one flight a payload."""
    client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_side.minimum_version = client_side.maximum_version = version
    client_side.check_hostname = False
    if trusted:
        client_side.verify_mode = ssl.CERT_NONE
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder, "chain.pem")
        chain.write_bytes(identity.key_pem + b"".join(each.pem for each in identity.chain))
        server_side.load_cert_chain(chain)
    bios = {direction: (ssl.MemoryBIO(), ssl.MemoryBIO()) for direction in Direction}
    ends = {
        CLIENT: client_side.wrap_bio(*bios[CLIENT], server_hostname=NAME),
        SERVER: server_side.wrap_bio(*bios[SERVER], server_side=True),
    }
    told: list[TOLD] = []
    clock = AT
    shaking = {CLIENT, SERVER}
    for _ in range(4):  # flights of each side; a TLS 1.2 handshake has two
        for direction, end in ends.items():
            if direction in shaking:
                try:
                    end.do_handshake()
                    shaking.discard(direction)
                    if direction is CLIENT and secret:
                        end.write(secret)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError:
                    shaking.discard(direction)
            data = bios[direction][1].read()
            if data:
                clock += 0.001
                told.append(Payload(direction, clock, data))
                bios[direction.other][0].write(data)
    told += [End(CLIENT, clock + 0.001, How.FIN), End(SERVER, clock + 0.002, How.FIN)]
    return told


def observe(told: Iterable[TOLD]) -> Transcript:
    """What an observer makes of it."""
    connection = Connection()
    for item in told:
        match item:
            case Payload(direction, at, data):
                connection.receive(direction, data, at)
            case Hole(direction, at, count):
                connection.missing(direction, count, at)
            case End(direction, at, how):
                connection.close(direction, how, at)
    return connection.transcript


def context(**change: object) -> Context:
    """Where such a session was seen."""
    fields: dict[str, object] = {
        "kind": "proxy",
        "name": "127.0.0.1:8883",
        "start": AT,
        "client_address": "192.168.7.20",
        "client_port": 50123,
        "server_address": "203.0.113.77",
        "server_port": 8883,
        "server_name": NAME,
    }
    return Context(**{**fields, **change})  # type: ignore[arg-type]  # by name, as the tests give them


def bytes_of(told: Sequence[TOLD], direction: Direction) -> bytes:
    """All payload of one side."""
    return b"".join(
        item.data for item in told if isinstance(item, Payload) and item.direction is direction
    )
