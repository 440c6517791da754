from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.capture import flows, tcp
from analyzers.capture.tcp import reverse_key
from tests.framing import CLIENT, SERVER
from tests.segments import ACK, FIN, PSH, RST, SYN, Wire

CLIENT_HELLO = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"
SERVER_HELLO = b"\x16\x03\x03\x00\x05\x02\x00\x00\x01\x00"
CLOSE_BOTH = [("client", "fin"), ("server", "fin")]
OPEN_BOTH = [("client", "open"), ("server", "open")]


def test_a_whole_connection_comes_with_frame_numbers_and_is_handed_over_after_it() -> None:
    wire = Wire()
    wire.handshake()
    wire.c(1, 1, PSH | ACK, b"question")
    wire.s(1, 9, PSH | ACK, b"answer")
    wire.c(9, 7, FIN | ACK)
    wire.s(7, 10, FIN | ACK)
    wire.c(10, 8, ACK)
    wire.streams.expire()
    assert not wire.taken()
    wire.at += tcp.LINGER
    wire.client_port += 1
    wire.c(0, 0, SYN)
    wire.streams.expire()
    (told,) = wire.taken()
    assert told.events == [
        ("client", b"question", 4),
        ("server", b"answer", 5),
        ("client", "fin", 6),
        ("server", "fin", 7),
    ]
    assert told.client_start
    assert told.server_start
    assert (told.flow.stream, told.flow.first_frame, told.flow.first_at) == (0, 1, 100.001)
    assert told.flow.client is not None
    assert told.flow.client.key[:4] == CLIENT


@pytest.mark.parametrize("isn", [0, 1000, 2**32 - 2, 2**32 - 5, 2**31 - 3])
def test_sequence_numbers_wrap(isn: int) -> None:
    wire = Wire(client_isn=isn, server_isn=isn)
    wire.handshake()
    wire.c(1, 1, ACK, b"abc")
    wire.c(7, 1, ACK, b"ghi")
    wire.c(4, 1, ACK, b"def")
    wire.s(1, 10, ACK, b"ABCDEF")
    wire.c(10, 7, FIN | ACK)
    wire.s(7, 11, FIN | ACK)
    (told,) = wire.done()
    assert told.brief == [
        ("client", b"abc"),
        ("client", b"def"),
        ("client", b"ghi"),
        ("server", b"ABCDEF"),
        *CLOSE_BOTH,
    ]


@pytest.mark.parametrize(
    ("segments", "delivered"),
    [
        ([(1, b"abc"), (1, b"abc")], [b"abc"]),
        ([(1, b"abc"), (1, b"abcdef")], [b"abc", b"def"]),
        ([(1, b"abc"), (3, b"cdef")], [b"abc", b"def"]),
        ([(1, b"abcdef"), (2, b"bcd")], [b"abcdef"]),
        ([(4, b"def"), (1, b"abc")], [b"abc", b"def"]),
        ([(4, b"def"), (4, b"def"), (1, b"abc")], [b"abc", b"def"]),
        ([(7, b"g"), (4, b"defg"), (1, b"abc")], [b"abc", b"defg"]),
        ([(4, b"d"), (4, b"defg"), (1, b"abc")], [b"abc", b"d", b"efg"]),
        ([(4, b"def"), (1, b"abcdefg")], [b"abcdefg"]),
        ([(1, b"abc"), (3, b"c"), (4, b"def")], [b"abc", b"def"]),  # a keepalive
    ],
)
def test_order_repetition_and_overlap(
    segments: list[tuple[int, bytes]], delivered: list[bytes]
) -> None:
    wire = Wire()
    wire.handshake()
    for seq, data in segments:
        wire.c(seq, 1, ACK, data)
    (told,) = wire.done()
    assert [event[1] for event in told.events if event[0] == "client"][:-1] == delivered


@given(
    st.binary(min_size=1, max_size=300),
    st.lists(st.tuples(st.integers(0, 299), st.integers(1, 80)), max_size=30),
    st.sampled_from([0, 2**32 - 40, 2**31 - 40]),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_any_cutting_order_and_repetition_gives_the_same_bytes(
    data: bytes, extra: list[tuple[int, int]], isn: int, random: Random, mid_stream: bool
) -> None:
    """Each byte travels at least once, in segments of any size, order and overlap."""
    pieces, at = [], 0
    while at < len(data):
        size = random.randint(1, 60)
        pieces.append((at, data[at : at + size]))
        at += size
    pieces += [(start, data[start : start + size]) for start, size in extra if start < len(data)]
    first, rest = pieces[0], pieces[1:]
    random.shuffle(rest)
    wire = Wire(client_isn=isn)
    if mid_stream:
        # Only the first segment says where such a stream begins.
        rest = [first, *rest]
    else:
        wire.handshake()
        rest.insert(random.randint(0, len(rest)), first)
    fin_at = random.randint(1 if mid_stream else 0, len(rest))
    for i, (start, piece) in enumerate(rest):
        if i == fin_at:
            wire.c(1 + len(data), 1, FIN | ACK)
        wire.c(1 + start, 1, ACK, piece)
    if fin_at == len(rest):
        wire.c(1 + len(data), 1, FIN | ACK)
    (told,) = wire.done()
    got = told.client or told.server
    assert bytes(got) == data
    assert not [event for event in told.events if event[1] == "missing"]
    assert next(event[1] for event in told.events if event[1] in ("fin", "open")) == "fin"


def test_data_in_the_syn_and_with_the_handshake_ack() -> None:
    wire = Wire()
    wire.c(0, 0, SYN, b"early")
    wire.s(0, 6, SYN | ACK)
    wire.c(6, 1, ACK, b" bird")
    (told,) = wire.done()
    assert told.brief == [("client", b"early"), ("client", b" bird"), *OPEN_BOTH]


def test_data_in_the_syn_that_the_server_did_not_take_is_not_doubled() -> None:
    wire = Wire()
    wire.c(0, 0, SYN, b"early")
    wire.s(0, 1, SYN | ACK)
    wire.c(1, 1, ACK, b"early bird")
    (told,) = wire.done()
    assert told.brief == [("client", b"early"), ("client", b" bird"), *OPEN_BOTH]


def test_a_hole_that_stays_is_declared_before_what_follows() -> None:
    wire = Wire()
    wire.handshake()
    wire.c(1, 1, ACK, b"abc")
    wire.c(7, 1, ACK, b"ghi")
    wire.c(13, 1, FIN | ACK)
    (told,) = wire.done()
    assert told.brief == [
        ("client", b"abc"),
        ("client", "missing", 3),
        ("client", b"ghi"),
        ("client", "missing", 3),
        ("client", "fin"),
        ("server", "open"),
    ]


def test_an_acknowledged_hole_is_declared_while_the_connection_goes_on() -> None:
    wire = Wire()
    wire.handshake()
    wire.c(4, 1, ACK, b"def")
    wire.s(1, 7, ACK, b"answer")
    assert not wire.streams.finished
    for i in range(flows.PATIENCE_PACKETS + 1):
        wire.s(7 + i, 7, ACK, b"!")
    wire.c(7, 1, ACK, b"ghi")
    (told,) = wire.done()
    answers = [("server", b"!")] * (flows.PATIENCE_PACKETS + 1)
    holes = [("client", "missing", 3), ("client", b"def")]
    got = told.brief
    place = got.index(holes[0])
    assert got[place : place + 2] == holes
    assert got[:place] + got[place + 2 :] == [
        ("server", b"answer"),
        *answers,
        ("client", b"ghi"),
        *OPEN_BOTH,
    ]
    assert place < len(got) - 3


def test_a_capture_that_swapped_data_and_its_acknowledgement_lost_nothing() -> None:
    wire = Wire()
    wire.handshake()
    wire.s(1, 4, ACK, b"answer")
    wire.c(1, 1, ACK, b"abc")
    for _ in range(2 * flows.PATIENCE_PACKETS):
        wire.s(7, 4, ACK)
    (told,) = wire.done()
    assert told.brief == [("server", b"answer"), ("client", b"abc"), *OPEN_BOTH]


def test_waiting_for_a_hole_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "MAX_HELD", 1000)
    wire = Wire()
    wire.handshake()
    for i in range(11):
        wire.c(101 + 100 * i, 1, ACK, bytes(100))
    assert wire.streams._shared.held == 0
    (told,) = wire.done()
    assert told.brief[0] == ("client", "missing", 100)
    assert len(told.brief) == 1 + 11 + 2


def test_one_direction_alone_tells_how_much_the_other_sent() -> None:
    wire = Wire()
    wire.c(0, 0, SYN)
    wire.c(1, 1, ACK)
    wire.c(1, 1, ACK, CLIENT_HELLO)
    wire.c(11, 3001, ACK)
    for _ in range(flows.PATIENCE_PACKETS + 1):
        wire.c(11, 3001, ACK)
    wire.c(11, 3001, ACK, b"rest")
    wire.c(15, 3001, FIN | ACK)
    wire.c(16, 3002, ACK)  # the server's FIN
    (told,) = wire.done()
    assert told.brief == [
        ("client", CLIENT_HELLO),
        ("server", "missing", 3000),
        ("client", b"rest"),
        ("client", "fin"),
        ("server", "open"),
    ]
    assert told.client_start
    assert told.server_start


def test_a_cut_segment_leaves_missing_bytes() -> None:
    wire = Wire()
    wire.handshake()
    wire.c(1, 1, ACK, b"abc", cut=5)
    wire.c(9, 1, ACK, b"", cut=2)
    wire.c(14, 1, ACK, b"z", cut=1)
    wire.c(11, 1, ACK, b"xxx")
    wire.c(5, 1, ACK, b"", cut=9)  # known
    (told,) = wire.done()
    assert told.brief == [
        ("client", b"abc"),
        ("client", "missing", 5),
        ("client", "missing", 2),
        ("client", b"xxx"),
        ("client", b"z"),
        ("client", "missing", 1),
        *OPEN_BOTH,
    ]


@pytest.mark.parametrize("hello", [CLIENT_HELLO, SERVER_HELLO])
@pytest.mark.parametrize("by_client", [True, False])
def test_in_a_capture_without_the_start_the_hello_says_who_is_who(
    hello: bytes, by_client: bool
) -> None:
    wire = Wire()
    (wire.c if by_client else wire.s)(5000, 7000, PSH | ACK, hello)
    (told,) = wire.done()
    sender = "client" if hello is CLIENT_HELLO else "server"
    assert told.brief[0] == (sender, hello)
    assert not told.client_start
    assert not told.server_start


def test_without_start_and_hello_the_lower_port_is_the_server() -> None:
    for first_by_client in (True, False):
        wire = Wire()
        if first_by_client:
            wire.c(50, 70, ACK)
        else:
            wire.s(70, 50, ACK)
        wire.c(50, 70, ACK, b"\x17\x03\x03")
        (told,) = wire.done()
        assert told.brief[0] == ("client", b"\x17\x03\x03")


def test_a_connection_whose_syn_was_not_captured_still_has_its_start() -> None:
    wire = Wire()
    wire.s(0, 1, SYN | ACK)
    wire.c(1, 1, ACK, b"abc")
    (told,) = wire.done()
    assert told.brief == [("client", b"abc"), *OPEN_BOTH]
    assert told.client_start
    assert told.server_start


def test_a_connection_whose_syn_ack_was_not_captured_too() -> None:
    wire = Wire()
    wire.c(0, 0, SYN)
    wire.c(1, 1, ACK)
    wire.s(4, 1, ACK, b"def")
    wire.s(1, 1, ACK, b"abc")
    (told,) = wire.done()
    assert told.brief == [("server", b"abc"), ("server", b"def"), *OPEN_BOTH]
    assert told.server_start


@pytest.mark.parametrize("isn", [5000, 9000])
@pytest.mark.parametrize("acknowledged", [True, False])
def test_of_two_syn_acks_the_one_counts_that_is_followed(isn: int, acknowledged: bool) -> None:
    wire = Wire()
    wire.c(0, 0, SYN)
    wire.s(0, 1, SYN | ACK)
    wire.isn[False] = 9000
    wire.s(0, 1, SYN | ACK)
    wire.isn[False] = isn
    if acknowledged:
        wire.c(1, 1, ACK)
    wire.s(1, 1, ACK, b"abc")
    (told,) = wire.done()
    assert told.brief == [("server", b"abc"), *OPEN_BOTH]


def test_a_fin_waits_for_all_data_before_it() -> None:
    wire = Wire()
    wire.handshake()
    wire.c(4, 1, FIN | ACK, b"def")
    wire.c(1, 1, ACK, b"abc")
    wire.c(7, 1, ACK, b"after the end")
    (told,) = wire.done()
    assert told.brief == [
        ("client", b"abc"),
        ("client", b"def"),
        ("client", "fin"),
        ("server", "open"),
    ]


@pytest.mark.parametrize("by_client", [True, False])
def test_a_reset_is_told_for_its_sender_alone(by_client: bool) -> None:
    wire = Wire()
    wire.handshake()
    wire.c(1, 1, ACK, b"abc")
    wire.s(4, 4, ACK, b"early")
    # RFC 9293 allows text in a RST; it is no stream data.
    (wire.c if by_client else wire.s)(4 if by_client else 1, 4, RST | ACK, b"go away")
    (wire.c if by_client else wire.s)(4 if by_client else 1, 4, RST)
    (told,) = wire.done()
    assert told.brief == [
        ("client", b"abc"),
        ("server", "missing", 3),
        ("server", b"early"),
        ("client" if by_client else "server", "rst"),
    ]


def test_a_reset_after_a_fin_of_the_same_sender_is_told_too() -> None:
    wire = Wire()
    wire.handshake()
    wire.c(1, 1, FIN | ACK)
    wire.s(1, 2, FIN | ACK, b"late")
    wire.c(2, 0, RST)
    (told,) = wire.done()
    assert told.brief == [
        ("client", "fin"),
        ("server", b"late"),
        ("server", "fin"),
        ("client", "rst"),
    ]


@pytest.mark.parametrize("tries", [1, 3])
def test_a_syn_answered_with_a_reset_is_refused(tries: int) -> None:
    wire = Wire()
    for _ in range(tries):
        wire.c(0, 0, SYN)
        wire.s(-5000, 1, RST | ACK)
        wire.at += 0.5
    (told,) = wire.done()
    assert told.brief == [("not connected", "refused")]


def test_a_server_that_answers_the_second_try_was_reached() -> None:
    wire = Wire()
    wire.c(0, 0, SYN)
    wire.s(-5000, 1, RST | ACK)
    wire.at += 1.5
    wire.handshake()
    wire.at += 10
    wire.c(1, 1, ACK, b"abc")
    wire.streams.expire()
    (told,) = wire.done()
    assert told.brief == [("client", b"abc"), *OPEN_BOTH]


def test_syns_without_any_answer_time_out() -> None:
    wire = Wire()
    wire.c(0, 0, SYN)
    wire.at += 1
    wire.c(0, 0, SYN)
    (told,) = wire.done()
    assert told.events == [
        ("not connected", "timeout", "2 SYN segments within 1.0 s were not answered")
    ]


def test_one_syn_at_the_end_of_a_capture_says_nothing() -> None:
    wire = Wire()
    wire.c(0, 0, SYN)
    (told,) = wire.done()
    assert told.brief == OPEN_BOTH


def test_one_syn_long_before_the_end_was_not_answered() -> None:
    wire = Wire()
    wire.c(0, 0, SYN)
    wire.at += 20
    wire.client_port += 1
    wire.handshake()
    told = wire.done()
    assert told[0].events == [("not connected", "timeout", "the SYN was not answered in 20.0 s")]


def test_an_icmp_error_explains_a_syn_but_opens_no_connection() -> None:
    wire = Wire()
    key = CLIENT + SERVER + wire.client_port.to_bytes(2, "big") + (8883).to_bytes(2, "big")
    wire.streams.unreachable(key, "unreachable", "host unreachable", 100.0, 1)
    wire.c(0, 0, SYN)
    wire.streams.unreachable(reverse_key(key), "refused", "of no interest", 100.0, 2)
    wire.streams.unreachable(key, "unreachable", "host unreachable", 100.0, 3)
    (told,) = wire.done()
    assert told.events == [("not connected", "unreachable", "host unreachable")]


def test_an_icmp_error_on_a_live_connection_changes_nothing() -> None:
    wire = Wire()
    key = CLIENT + SERVER + wire.client_port.to_bytes(2, "big") + (8883).to_bytes(2, "big")
    wire.handshake()
    wire.streams.unreachable(key, "unreachable", "host unreachable", 100.0, 3)
    (told,) = wire.done()
    assert told.brief == OPEN_BOTH


def test_reused_ports_are_a_new_connection() -> None:
    wire = Wire()
    wire.handshake()
    wire.c(1, 1, ACK, b"first")
    wire.c(6, 1, FIN | ACK)
    wire.isn = {True: 70_000, False: 80_000}
    wire.handshake()
    wire.c(1, 1, ACK, b"second")
    first, second = wire.done()
    assert first.brief == [("client", b"first"), ("client", "fin"), ("server", "open")]
    assert second.brief == [("client", b"second"), *OPEN_BOTH]
    assert (first.flow.stream, second.flow.stream) == (0, 1)


@pytest.mark.parametrize("pause", [0.0, 60.0])
def test_a_repeated_syn_is_the_same_connection(pause: float) -> None:
    wire = Wire()
    wire.c(0, 0, SYN)
    wire.at += pause
    wire.handshake()
    wire.c(1, 1, ACK, b"abc")
    (told,) = wire.done()
    assert told.brief == [("client", b"abc"), *OPEN_BOTH]


def ended() -> Wire:
    """A connection that ended long ago, and was handed over."""
    wire = Wire()
    wire.handshake()
    wire.c(1, 1, FIN | ACK)
    wire.s(1, 2, FIN | ACK)
    wire.at += 60
    return wire


def test_late_packets_of_an_ended_connection_open_nothing() -> None:
    wire = ended()
    wire.c(2, 2, ACK)
    wire.s(1, 2, FIN | ACK)
    wire.s(2, 2, RST)
    wire.c(1, 2, ACK, b"old data")
    assert len(wire.done()) == 1
    assert wire.streams.opened == 1


@pytest.mark.parametrize(("isn", "stream"), [(777, 1), (1000, 0)])
def test_ports_are_reused_long_after_the_end(isn: int, stream: int) -> None:
    wire = ended()
    wire.isn[True] = isn
    wire.handshake()
    wire.c(1, 1, ACK, b"again")
    _, again = wire.done()
    assert again.brief == [("client", b"again"), *OPEN_BOTH]
    # Wireshark goes on with the old number where the initial sequence number is the same.
    assert again.flow.stream == stream


def test_a_successor_without_a_captured_syn_is_not_dropped() -> None:
    wire = ended()
    wire.isn = {True: 10**9, False: 2 * 10**9}
    wire.c(77, 88, ACK, b"middle")
    _, again = wire.done()
    assert again.brief == [("client", b"middle"), *OPEN_BOTH]
    assert not again.client_start


def test_an_old_server_answer_to_a_new_syn_is_no_hole() -> None:
    wire = Wire()
    wire.c(0, 0, SYN)
    wire.isn[True] += 10**9  # a challenge acknowledgement of a connection long gone
    wire.s(0, 0, ACK)
    wire.isn[True] -= 10**9
    wire.handshake()
    wire.c(1, 1, ACK, b"abc")
    for i in range(40):
        wire.s(1 + i, 4, ACK, b"!")
    (told,) = wire.done()
    assert not [event for event in told.events if event[1] == "missing"]


def test_unwanted_connections_count_but_are_not_followed() -> None:
    for wire in (Wire(ports={8884}), Wire(hosts=[bytes((10, 9, 9, 9))])):
        wire.handshake()
        wire.c(1, 1, ACK, b"abc")
        assert wire.done() == []
        assert wire.streams.opened == 1
    for wire in (Wire(ports={8883}), Wire(hosts=[SERVER])):
        wire.handshake()
        assert len(wire.done()) == 1


def test_an_unwanted_connection_with_reused_ports_counts_twice() -> None:
    wire = Wire(ports={1})
    wire.handshake()
    wire.isn[True] += 5
    wire.handshake()
    assert wire.streams.opened == 2


def test_open_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "MAX_OPEN", 3)
    monkeypatch.setattr(tcp, "MAX_GONE", 4)
    wire = Wire()
    for _ in range(10):
        wire.client_port += 1
        wire.handshake()
    given_up = wire.taken()
    assert len(given_up) == 7
    assert {event[1] for told in given_up for event in told.events} == {"timeout"}
    assert wire.streams.given_up == 7
    assert len(wire.streams._gone) == 4
    assert len(wire.done()) == 3


def test_the_keys_of_both_directions() -> None:
    assert reverse_key(b"AAAABBBBccdd") == b"BBBBAAAAddcc"
    assert reverse_key(b"A" * 16 + b"B" * 16 + b"ccdd") == b"B" * 16 + b"A" * 16 + b"ddcc"
