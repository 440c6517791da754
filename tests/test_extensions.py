from __future__ import annotations

import dataclasses

import pytest

from analyzers import extensions as module
from analyzers.errors import ParseError, Truncated
from analyzers.extensions import Extension, Extensions, interpret, read_extensions
from analyzers.messages import read_client_hello, read_server_hello
from analyzers.wire import Reader
from proxy.lab.messages import extension, u16s, vector
from tests import hellos
from tests.feeding import check_reader
from tests.hellos import CLIENT_SAMPLES, SERVER_SAMPLES, Sample

BOTH = [(sample, False) for sample in CLIENT_SAMPLES] + [
    (sample, True) for sample in SERVER_SAMPLES
]
each_extension = pytest.mark.parametrize(
    ("sample", "server"),
    BOTH,
    ids=[f"{'server' if server else 'client'}-{sample.type}" for sample, server in BOTH],
)
UNREAD = extension(0x1234, b"unknown")
AFTER = extension(28, b"\x02\x00")
"""An extension that follows the one under test (RecordSizeLimit 512)."""


def understood(raw: bytes, *, server: bool) -> Extensions:
    """Read one whole block; a fault is raised."""
    found, faults = interpret(block(raw), server=server)
    if faults:
        raise faults[0]
    return found


def block(raw: bytes) -> tuple[Extension, ...]:
    reader = Reader(raw, "Block")
    found = read_extensions(reader)
    reader.finish()
    return found


def fields(found: Extensions) -> dict[str, object]:
    """What differs from an empty hello."""
    empty = Extensions()
    return {
        each.name: getattr(found, each.name)
        for each in dataclasses.fields(found)
        if getattr(found, each.name) != getattr(empty, each.name)
    }


def test_every_extension_that_is_read_has_a_sample() -> None:
    assert {sample.type for sample in CLIENT_SAMPLES} == set(module._CLIENT)
    assert {sample.type for sample in SERVER_SAMPLES} == set(module._SERVER)


@each_extension
def test_what_an_extension_says(sample: Sample, server: bool) -> None:
    assert fields(understood(vector(2, sample.raw), server=server)) == sample.says


@each_extension
def test_an_extension_is_read_whole_or_not_at_all(sample: Sample, server: bool) -> None:
    def read(data: bytes) -> Extensions:
        try:
            return understood(vector(2, extension(sample.type, data)), server=server)
        except ParseError as error:
            error.offset -= 6  # from the extension's data on
            raise

    if sample.open_ended:
        assert all(read(sample.data[:n]) for n in range(len(sample.data)))
        return
    # A vector of uint16 that ends early is odd before it is short.
    check_reader(read, sample.data, whole_at=sample.whole_at, cut=ParseError)


@each_extension
@pytest.mark.parametrize("lie", [-1, 1, 5])
def test_a_lying_length_is_reported_and_leaves_the_rest_standing(
    sample: Sample, server: bool, lie: int
) -> None:
    """The inner length disagrees with the extension's own: RFC 8446 section 4.2."""
    data = sample.data
    wrong = data[:lie] if lie < 0 else data + bytes(lie)
    if sample.open_ended or len(wrong) in sample.whole_at or wrong == data:
        return
    raw = vector(2, extension(sample.type, wrong) + UNREAD + (AFTER if sample.type != 28 else b""))
    found, faults = interpret(block(raw), server=server)
    assert len(faults) == 1
    assert faults[0].struct == f"extension {sample.type}"
    assert 6 <= faults[0].offset <= 6 + len(wrong)
    assert fields(found) == ({"record_size_limit": 512} if sample.type != 28 else {})


@each_extension
def test_an_extension_that_claims_more_than_the_block_has_spoils_the_block(
    sample: Sample, server: bool
) -> None:
    raw = bytearray(sample.raw + AFTER)
    raw[2:4] = u16s([len(raw) - 3])
    with pytest.raises(Truncated) as caught:
        block(vector(2, bytes(raw)))
    assert caught.value.field == "extension_data"
    assert caught.value.offset == 4


@each_extension
def test_an_extension_that_claims_less_than_it_has_is_never_taken_on_trust(
    sample: Sample, server: bool
) -> None:
    """What was cut off is read as the next extension, and does not fit."""
    if len(sample.data) < 2:
        return
    raw = bytearray(sample.raw)
    raw[2:4] = u16s([len(sample.data) - 1])
    with pytest.raises(Truncated):
        block(vector(2, bytes(raw)))


def test_the_block_is_read_whole_or_not_at_all() -> None:
    raw = vector(2, UNREAD + extension(hellos.GREASE, b"") + AFTER)
    found = check_reader(block, raw, whole_at=[0])
    assert [(each.type, each.data, each.offset) for each in found] == [
        (0x1234, b"unknown", 2),
        (hellos.GREASE, b"", 13),
        (28, b"\x02\x00", 17),
    ]


def test_an_absent_block_and_an_empty_one_are_alike() -> None:
    assert block(b"") == block(b"\0\0") == ()


def test_unknown_and_grease_extensions_survive_in_wire_order() -> None:
    types = [0x1234, hellos.GREASE, 0, 0xFE0D, 0xFFFF]
    raw = [extension(kind, b"\x00" * (kind != 0)) for kind in types]
    hello = read_client_hello(hellos.client_hello(extensions=raw))
    assert list(hello.extension_types) == types
    assert hello.ech
    assert hello.faults == ()


def test_a_repeated_extension_is_reported_and_the_first_one_counts() -> None:
    raw = [extension(28, b"\x02\x00"), UNREAD, extension(28, b"\x04\x00"), UNREAD]
    hello = read_client_hello(hellos.client_hello(extensions=raw))
    assert hello.extensions.record_size_limit == 512
    assert [str(fault) for fault in hello.faults] == [
        f"Extension.extension_type 28 appears twice (offset {hello.raw_extensions[2].offset})",
        f"Extension.extension_type 4660 appears twice (offset {hello.raw_extensions[3].offset})",
    ]


def test_thousands_of_repetitions_do_not_become_thousands_of_faults() -> None:
    raw = [extension(kind, b"") for kind in (*range(5000, 5500), *range(5000, 5500)) for _ in "ab"]
    hello = read_client_hello(hellos.client_hello(extensions=raw))
    assert len(hello.extension_types) == 2000
    assert 0 < len(hello.faults) <= module.MAX_FAULTS


def test_a_server_says_other_things_with_the_same_types() -> None:
    client, server = (
        interpret((Extension(kind, data, 0),), server=server)
        for kind, data, server in ((43, b"\x02\x03\x04", False), (43, b"\x03\x04", True))
    )
    assert client == server
    for kind, data in ((43, b"\x02\x03\x04"), (51, hellos.CLIENT_SHARES), (41, hellos.PSK_OFFER)):
        assert interpret((Extension(kind, data, 0),), server=True)[1]


def test_a_hello_retry_request_names_a_group_alone() -> None:
    hello = read_server_hello(hellos.hello_retry_request(extension(44, vector(2, b"c"))))
    assert hello.retry
    assert hello.extensions.key_shares == (0x17,)
    assert hello.extensions.cookie


def test_only_the_first_host_name_counts() -> None:
    names = (
        b"\x01" + vector(2, b"other kind") + b"\0" + vector(2, b"first") + b"\0" + vector(2, b"2")
    )
    found, faults = interpret((Extension(0, vector(2, names), 0),), server=False)
    assert found.server_name == b"first"
    assert faults == ()


def test_a_name_list_without_a_host_name_has_none() -> None:
    names = b"\x01" + vector(2, b"other kind")
    found, _ = interpret((Extension(0, vector(2, names), 0),), server=False)
    assert found.server_name is None


def test_hostile_names_stay_bytes() -> None:
    name = b"\x1b[2J\x00\xff.example"
    found, _ = interpret((Extension(0, vector(2, b"\0" + vector(2, name)), 0),), server=False)
    assert found.server_name == name


@pytest.mark.parametrize("code", [0, 5, 255])
def test_a_fragment_length_that_rfc_6066_does_not_know_is_a_fault(code: int) -> None:
    found, faults = interpret((Extension(1, bytes([code]), 40),), server=False)
    assert found.max_fragment_length is None
    assert str(faults[0]) == f"extension 1.max_fragment_length is {code}, not 1 to 4 (offset 44)"


def test_offsets_of_faults_are_those_of_the_message() -> None:
    raw = hellos.client_hello(extensions=[UNREAD, extension(28, b"\x40")])
    (fault,) = read_client_hello(raw).faults
    assert raw[fault.offset :] == b"\x40"
