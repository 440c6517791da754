"""What holds for every input: no exception, no dependence on chunking, places that exist."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from analyzers.case import Case
from analyzers.connection import MAX_HANDSHAKE_BYTES, Connection
from analyzers.context import Context
from analyzers.diagnose import explain, find
from analyzers.events import Direction, FaultSeen, HandshakeSeen, How
from analyzers.ledger import MAX_OTHERS, MAX_TAIL
from analyzers.messages import CertificateMessage
from analyzers.offline import read_connections
from analyzers.outcome import classify
from analyzers.render.json import render_json
from analyzers.render.text import render_text
from analyzers.transcript import Transcript
from proxy.lab.messages import APPLICATION_DATA, HANDSHAKE, connect, record
from proxy.replay import Hole, Payload, replay
from tests import hellos
from tests.flights import DATA, FLIGHT, FULL, HELLO_13, RETRY, SWITCH
from tests.observing import AT, CLIENT, SERVER, Skip, Step, shape, tell, watch

CAPTURES = Path(__file__).parent / "data" / "captures"
Steps = tuple[Step, ...]


def sessions() -> list[Steps]:
    """The real sessions of tests/data and a few made ones, step by step."""
    found: list[Steps] = [
        FULL,
        ((CLIENT, HELLO_13), (SERVER, RETRY), (CLIENT, SWITCH + HELLO_13), (SERVER, FLIGHT)),
        ((CLIENT, b"PROXY UNKNOWN\r\n" + hellos.sslv2_client_hello()), (SERVER, FLIGHT)),
        ((CLIENT, connect("me", user="joe", password="secret")), (SERVER, b"\x20\x02\x00\x05")),
    ]
    for path in sorted(CAPTURES.glob("*.pcap")):
        for transcript, _ in read_connections([path.read_bytes()], name=path.name):
            steps: list[Step] = []
            for item in replay(transcript):
                if isinstance(item, Payload):
                    steps.append((item.direction, item.data))
                elif isinstance(item, Hole):
                    steps.append((item.direction, item.count))
                else:
                    steps.append((item.direction, item.how))
            found.append(tuple(steps))
    return found


SESSIONS = sessions()
sides = st.sampled_from([CLIENT, SERVER])
counts = st.sampled_from([1, 2, 5, 40, 300, 1400, 70000])
others = st.tuples(sides, st.one_of(counts, st.sampled_from(How), st.builds(Skip, counts)))
telling = st.sampled_from(
    [
        b"\x16\x03\x03",
        b"\x17\x03\x03\x00\x20",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\xff\xff",
        b"\x00",
    ]
)
noise = st.tuples(sides, st.one_of(telling, st.binary(max_size=400)))
framed = st.builds(
    lambda side, kind, body: (side, record(kind, body)),
    sides,
    st.integers(20, 24),
    st.binary(max_size=60),
)
messages = st.builds(
    lambda side, kind, body: (side, record(HANDSHAKE, hellos.message(kind, body))),
    sides,
    st.sampled_from([0, 1, 2, 4, 6, 11, 12, 13, 14, 15, 16, 20, 22, 77]),
    st.binary(max_size=120),
)


@st.composite
def mutated(draw: st.DrawFn) -> Steps:
    """A session with bytes changed, put in and cut out, steps lost, doubled and swapped."""
    steps = list(draw(st.sampled_from(SESSIONS)))
    for _ in range(draw(st.integers(0, 4))):
        if not steps:
            break
        at = draw(st.integers(0, len(steps) - 1))
        side, what = steps[at]
        match draw(st.sampled_from(["change", "change", "cut", "put", "lose", "swap", "other"])):
            case "change" if isinstance(what, bytes) and what:
                place = draw(st.integers(0, len(what) - 1))
                value = draw(st.one_of(st.sampled_from([0, 1, 3, 127, 255]), st.integers(0, 255)))
                steps[at] = (side, what[:place] + bytes([value]) + what[place + 1 :])
            case "cut" if isinstance(what, bytes):
                start = draw(st.integers(0, len(what)))
                end = draw(st.integers(start, len(what)))
                gap: list[Step] = [(side, end - start)] if draw(st.booleans()) else []
                steps[at : at + 1] = [(side, what[:start]), *gap, (side, what[end:])]
            case "put" if isinstance(what, bytes):
                place = draw(st.integers(0, len(what)))
                steps[at] = (side, what[:place] + draw(telling) + what[place:])
            case "lose":
                del steps[at]
            case "swap":
                steps.insert(draw(st.integers(0, len(steps) - 1)), steps.pop(at))
            case _:
                steps.insert(at, draw(st.one_of(others, noise, framed, messages)))
    if draw(st.integers(0, 9)) == 0:
        steps = [(side.other, what) for side, what in steps]
    return tuple(steps)


anything = st.one_of(
    mutated(),
    mutated(),
    st.lists(st.one_of(noise, framed, messages, others), max_size=12).map(tuple),
)
starts = st.sampled_from([(True, True), (True, True), (False, True), (True, False), (False, False)])
contexts = st.builds(
    Context,
    kind=st.sampled_from(["proxy", "capture", "interface"]),
    name=st.just("somewhere"),
    start=st.sampled_from([AT, 0.0]),
    client_address=st.sampled_from([None, "127.0.0.1"]),
    server_address=st.sampled_from([None, "::1"]),
    server_port=st.sampled_from([None, 8883, 1883, 443]),
    server_name=st.sampled_from([None, "broker.example.com", "localhost"]),
    stream=st.sampled_from([None, 3]),
    client_hint=st.sampled_from([None, "mqttnet", "no such client"]),
    broker_hint=st.sampled_from([None, "rabbitmq"]),
)
CONTEXT = Context(kind="capture", name="somewhere", start=AT)


def seen_of(steps: Steps, start: tuple[bool, bool] = (True, True)) -> Transcript:
    return watch(*steps, client_start=start[0], server_start=start[1])


@settings(max_examples=400)
@given(steps=anything, start=starts, context=contexts)
def test_nothing_that_is_sent_raises(
    steps: Steps, start: tuple[bool, bool], context: Context
) -> None:
    report = explain(seen_of(steps, start), context)
    line = render_json(report)
    assert "\n" not in line
    assert msgspec.json.decode(line)["schema"] == "tlswhy/1"
    assert render_text(report)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(steps=anything, start=starts, data=st.data())
def test_the_transcript_does_not_depend_on_the_cutting(
    steps: Steps, start: tuple[bool, bool], data: st.DataObject
) -> None:
    cut: list[Step] = []
    for side, what in steps:
        if isinstance(what, bytes):
            places = data.draw(
                st.one_of(
                    st.just(list(range(1, len(what)))) if len(what) < 2000 else st.nothing(),
                    st.lists(st.integers(0, len(what)), max_size=6).map(sorted),
                )
            )
            ends = [*places, len(what)]
            cut += [(side, what[a:b]) for a, b in zip([0, *places], ends, strict=True)]
        else:
            cut.append((side, what))
    assert shape(seen_of(tuple(cut), start)) == shape(seen_of(steps, start))


def stream(steps: Steps, side: Direction) -> bytearray:
    """What one side sent, with zeros for what nobody saw."""
    sent = bytearray()
    for way, what in steps:
        if way is side and not isinstance(what, How):
            sent += what if isinstance(what, bytes) else bytes(_count(what))
    return sent


def _count(what: int | Skip) -> int:
    return what.count if isinstance(what, Skip) else what


@settings(max_examples=300)
@given(steps=anything, start=starts)
def test_every_place_lies_within_the_input(steps: Steps, start: tuple[bool, bool]) -> None:
    sent = {side: stream(steps, side) for side in (CLIENT, SERVER)}
    seen = seen_of(steps, start)
    for event in seen.events:
        assert 0 <= event.stream_offset <= len(sent[event.direction])
        if isinstance(event, HandshakeSeen):
            if event.records == 1:
                place = sent[event.direction][event.stream_offset :]
                assert place.startswith(event.raw)
            faults = [event.fault, *getattr(event.body, "faults", ())]
            assert all(0 <= fault.offset <= len(event.raw) for fault in faults if fault)
            if isinstance(event.body, CertificateMessage):
                for der, at in zip(event.body.certificates, event.body.offsets, strict=True):
                    assert event.raw[at : at + len(der)] == der
        elif isinstance(event, FaultSeen):
            assert len(event.raw) <= 64
    for side, pending in seen.pending.items():
        assert 0 <= pending.stream_offset <= len(sent[side])
    case = Case(seen, classify(seen), CONTEXT)
    for finding in find(case):
        for proof in finding.evidence:
            if isinstance(proof.event, HandshakeSeen) and proof.offset is not None:
                assert proof.offset >= 0
                assert proof.offset + (proof.length or 0) <= len(proof.event.raw)


@settings(max_examples=100)
@given(steps=anything)
def test_a_verdict_at_any_moment(steps: Steps) -> None:
    connection = Connection()
    for number, step in enumerate(steps):
        tell(connection, [step])
        report = explain(connection.transcript, CONTEXT)
        assert isinstance(connection.settled, bool)
        assert report.closes == [] or any(isinstance(what, How) for _, what in steps[: number + 1])


@settings(max_examples=30)
@given(
    unit=st.one_of(
        framed.map(lambda step: step[1]), messages.map(lambda step: step[1]), st.just(DATA)
    ),
    side=sides,
    first=st.sampled_from(SESSIONS),
)
@example(unit=record(APPLICATION_DATA, b""), side=CLIENT, first=FULL)
def test_however_long_it_goes_on_little_is_kept(unit: bytes, side: Direction, first: Steps) -> None:
    connection = tell(Connection(), first)
    for _ in range(3000):
        connection.receive(side, unit, AT)
    seen = connection.transcript
    assert len(seen.events) <= MAX_OTHERS + 2 * MAX_TAIL
    assert sum(len(event.raw) for event in seen.of(HandshakeSeen)) <= MAX_HANDSHAKE_BYTES


def names_of(sequence: Sequence[Steps]) -> list[str]:
    return [f"session-{number}" for number in range(len(sequence))]


@pytest.mark.parametrize("steps", SESSIONS, ids=names_of(SESSIONS))
def test_every_session_byte_by_byte(steps: Steps) -> None:
    single: list[Step] = []
    for side, what in steps:
        if isinstance(what, bytes):
            single += [(side, what[at : at + 1]) for at in range(len(what))]
        else:
            single.append((side, what))
    assert shape(seen_of(tuple(single))) == shape(seen_of(steps))
