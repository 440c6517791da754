from __future__ import annotations

import pytest

from analyzers.capture.files import ENOUGH, CaptureFile, NotACapture, looks_like, recognise
from analyzers.capture.pcap import PcapReader
from analyzers.capture.pcapng import PcapngReader
from tests.framing import enhanced, interface, pcap, section


def frames(data: bytes, step: int) -> int:
    warnings: list[str] = []
    file = CaptureFile("x", lambda *_: None, warnings)
    for i in range(0, len(data), step):
        file.feed(data[i : i + step])
    file.finish()
    assert not warnings
    return file.frames


def test_the_format_is_known_by_the_first_four_bytes() -> None:
    assert recognise(pcap([])[:4]) is PcapReader
    assert recognise(pcap([], order=">", nano=True)[:4]) is PcapReader
    assert recognise(section(">")[:4]) is PcapngReader
    assert recognise(b"\xd4\xc3\xb2") is None


@pytest.mark.parametrize("step", [1, 3, 64, 10_000])
def test_both_formats_are_read_from_chunks_of_any_size(step: int) -> None:
    assert frames(pcap([(1.0, bytes(60))] * 3), step) == 3
    assert frames(section() + interface() + enhanced(bytes(60), 0), step) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b"\x1f\x8b\x08\x00", "gzip data"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB", "a PEM certificate"),
        (b"-----BEGIN RSA PRIVATE KEY-----\nMIIB", "a private key"),
        (b"HTTP/1.1 404 Not Found\r\n", "an HTTP response"),
        (b"  <!DOCTYPE html><html>", "an HTML page"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", "an XML document"),
        (b"1: New connection from 10.0.0.1\n" * 3, 'text ("1: New connection from 10.0.0.1")'),
        (b"\n\n\n\n", "it looks like text"),
        (b"\x16\x03\x01\x02\x00\x01", "raw TLS records"),
        (b"\x30\x82\x03\x01\x30", "DER data"),
        (bytes(64), "zero bytes"),
        (b"\x07\x08\xff\xfe\x01\x02\x03\x04\x05", "the bytes 07 08 ff fe 01 02 03 04"),
        (b"CLIENT_RANDOM 0123", "a TLS key log"),
        (b"snoop\x00\x00\x00\x00\x00\x00\x02", "a snoop capture"),
    ],
)
def test_what_is_no_capture_is_named_by_its_first_bytes(data: bytes, words: str) -> None:
    assert words in looks_like(data)
    for step in (1, 1000):
        with pytest.raises(NotACapture, match=r"^x is not a pcap or pcapng capture: it ") as told:
            frames(data, step)
        assert words in str(told.value)


def test_a_wrong_file_is_refused_before_its_end() -> None:
    file = CaptureFile("a.bin", lambda *_: None, [])
    with pytest.raises(NotACapture):
        file.feed(b"x" * ENOUGH)


def test_control_characters_of_a_wrong_file_are_not_repeated() -> None:
    assert "\x1b" not in looks_like(b"\x1b[31mred text")
