"""The capture reader and writer against Wireshark's: same streams, same bytes, no complaint."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzers.capture.files import CaptureFile
from analyzers.capture.flows import Flow
from analyzers.capture.packets import Dissector
from analyzers.capture.tcp import Streams
from analyzers.events import Direction, How
from analyzers.offline import first_sender
from proxy.record import CaptureWriter
from tests.framing import ACK, FIN, PSH, RST, SYN, ip4, pcap, tcp
from tests.segments import Told
from tests.test_packets import FRAMES

CAPTURES = sorted((Path(__file__).parent.parent / "data" / "captures").glob("*.pcap"))
WRITTEN = sorted((Path(__file__).parent.parent.parent / "captures").glob("**/*.pcap*"))


def tshark(path: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()


def ours(data: bytes) -> tuple[dict[int, int | None], list[Told]]:
    """The stream of each TCP frame, and the connections."""
    streams = Streams(
        lambda flow: Told(flow, flow.client_start, flow.server_start), judge=first_sender
    )
    numbers: dict[int, int | None] = {}

    def segment(
        key: bytes,
        seq: int,
        ack: int,
        flags: int,
        view: memoryview,
        start: int,
        end: int,
        cut: int,
        at: float,
        frame: int,
    ) -> None:
        streams.segment(key, seq, ack, flags, view, start, end, cut, at, frame)
        half = streams._halves.get(key)
        numbers[frame] = half.flow.stream if half else None

    warnings: list[str] = []
    file = CaptureFile("a.pcap", Dissector(segment, streams.unreachable).frame, warnings)
    file.feed(data)
    file.finish()
    while streams.finish():  # one connection a call
        pass
    assert not warnings
    return numbers, [told for told in (flow.sink for flow in streams.finished) if told]  # type: ignore[misc]  # all are Told


def streams_of(path: Path) -> dict[int, int]:
    rows = (row.split("\t") for row in tshark(path, "-T", "fields", "-e", "frame.number", "-e",
                                              "tcp.stream"))  # fmt: skip
    # In a tunnel the innermost stream is the last.
    return {int(frame): int(stream.split(",")[-1]) for frame, stream in rows if stream}


def followed(path: Path, flow: Flow) -> tuple[bytes, bytes]:
    """What tshark puts together of the client's and the server's bytes."""
    sides: tuple[list[str], list[str]] = ([], [])
    client_first = True
    for row in tshark(path, "-q", "-z", f"follow,tcp,raw,{flow.stream}"):
        if row.startswith("Node 0: "):
            assert flow.client is not None
            port = int.from_bytes(flow.client.key[-4:-2], "big")
            client_first = row.endswith(f":{port}")
        elif not row.startswith(("=", "Follow", "Filter", "Node")):
            sides[row.startswith("\t")].append(row.strip())
    first, second = (bytes.fromhex("".join(side)) for side in sides)
    return (first, second) if client_first else (second, first)


def same_as_tshark(path: Path) -> int:
    """Compare a capture; returns how many connections it has."""
    numbers, connections = ours(path.read_bytes())
    assert numbers == streams_of(path)
    for told in connections:
        assert (bytes(told.client), bytes(told.server)) == followed(path, told.flow)
    return len(connections)


@pytest.mark.parametrize("path", [*CAPTURES, *WRITTEN], ids=lambda path: path.stem)
def test_real_captures(path: Path) -> None:
    assert same_as_tshark(path) >= 1


BEYOND_TSHARK = {
    "v6 length 0": "left by network cards that cut large segments; tshark shows no payload",
    "mpls pseudowire": "tshark asks its user what is in a pseudowire",
}


@pytest.mark.parametrize("name", [name for name in FRAMES if name not in BEYOND_TSHARK])
def test_every_layer(name: str, tmp_path: Path) -> None:
    link, frame, _ = FRAMES[name]
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([(1.0, frame)], link=link))
    assert same_as_tshark(path) == 1


def a_connection(chance: random.Random, port: int, at: float) -> Iterator[tuple[float, bytes]]:
    """A connection as networks and captures spoil it: repeated, swapped, reset, cut off."""
    following = [chance.randrange(2**32), chance.choice([chance.randrange(2**32), 2**32 - 9])]
    packets: list[bytes] = []

    def send(sender: int, flags: int, payload: bytes = b"") -> None:
        ports = (port, 8883) if sender == 0 else (8883, port)
        ends = (b"\x0a\0\0\1", b"\x0a\0\0\2")
        packets.append(
            ip4(
                tcp(
                    payload,
                    seq=following[sender] % 2**32,
                    ack=following[1 - sender] % 2**32 if flags & ACK else 0,
                    flags=flags,
                    ports=ports,
                ),
                source=ends[sender],
                target=ends[1 - sender],
            )
        )
        following[sender] += len(payload) + bool(flags & (SYN | FIN))

    send(0, SYN)
    send(1, SYN | ACK)
    send(0, ACK)
    for _ in range(chance.randrange(1, 12)):
        sender = chance.randrange(2)
        send(sender, PSH | ACK, chance.randbytes(chance.randrange(1, 30)))
        if chance.random() < 0.4:
            send(1 - sender, ACK)
    end = chance.randrange(4)
    if end == 0:
        send(1, RST | ACK)
    elif end < 3:
        send(0, FIN | ACK)
        send(1, FIN | ACK)
        send(0, ACK if end == 1 else RST | ACK)
    if chance.random() < 0.4:
        first = chance.randrange(len(packets))
        packets.insert(chance.randrange(first, len(packets)) + 1, packets[first])
    elif chance.random() < 0.6 and len(packets) > 5:
        first = chance.randrange(3, len(packets) - 1)
        packets[first], packets[first + 1] = packets[first + 1], packets[first]
    for i, packet in enumerate(packets):
        yield at + i / 1000, packet


@pytest.mark.parametrize("seed", range(12))
def test_spoiled_connections_with_reused_ports(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    frames = [
        frame
        for i in range(8)
        for frame in a_connection(chance, chance.choice([1000, 1001, 1002, 2000 + i]), 1e9 + 30 * i)
    ]
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(sorted(frames), link=101))
    assert same_as_tshark(path) == 8


@pytest.mark.parametrize(
    "ends",
    [("127.0.0.1", "192.0.2.7"), ("::1", "2001:db8::2"), ("127.0.0.1", "2001:db8::2")],
)
def test_nothing_that_is_written_makes_wireshark_complain(
    ends: tuple[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "a.pcapng"
    speak_tls = 0
    with path.open("wb") as file:
        writer = CaptureWriter(file, comment="a section")
        for number, capture in enumerate(CAPTURES):
            _, (told,) = ours(capture.read_bytes())
            speak_tls += bytes(told.client[:1]) == b"\x16"
            client, server = (ends[0], 50_000 + number), (ends[1], 8883)
            flow = writer.flow(client, server, comment=capture.name)
            at = 1e9 + number
            for event in told.events:
                if event[0] == "not connected":
                    flow.not_connected("refused", at)
                elif isinstance(event[1], bytes):
                    flow.data(Direction(event[0]), event[1], at)
                else:
                    flow.close(Direction(event[0]), How(event[1]), at)
                at += 0.001
    assert same_as_tshark(path) == len(CAPTURES)
    checks = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    # Warnings and errors but for the resets that really happened.
    complaints = "_ws.expert.severity >= 6291456 and not tcp.flags.reset == 1"
    assert tshark(path, *checks, "-Y", complaints) == []
    assert tshark(path, "-Y", "tcp.analysis.flags or _ws.malformed") == []
    hellos = tshark(path, "-d", "tcp.port==8883,tls", "-Y", "tls.handshake.type == 1")
    assert len(hellos) == speak_tls > 0
    comments = tshark(path, "-T", "fields", "-e", "frame.comment", "-Y", "frame.comment")
    assert comments == [capture.name for capture in CAPTURES]
