"""The writing thread: order, bounds, outputs that take nothing, and streams of all kinds."""

from __future__ import annotations

import io
import os
import sys
import threading

import pytest

from proxy.writer import Writer, write_text
from tests.relaying import PATIENCE

AT_ONCE = 0.01
"""Seconds, where the answer does not depend on waiting for longer."""


def test_work_is_done_in_order() -> None:
    writer, done = Writer(1000), list[int]()
    for number in range(100):
        writer.put(lambda number=number: done.append(number), 1)  # type: ignore[misc]  # bound early
    assert writer.drain(PATIENCE)
    assert done == list(range(100))
    assert (writer.dropped, writer.failed) == (0, 0)


def test_nothing_to_do_is_done() -> None:
    assert Writer(0).drain(0)


def test_work_that_hangs_is_not_waited_for_and_what_does_not_fit_is_dropped() -> None:
    writer, done = Writer(10), list[str]()
    begun, released = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        released.wait(PATIENCE)

    writer.put(hang, 1)
    assert begun.wait(PATIENCE)
    for name in "abc":
        writer.put(lambda name=name: done.append(name), 5)  # type: ignore[misc]  # bound early
    assert writer.dropped == 1
    assert not writer.drain(AT_ONCE)
    assert done == []
    released.set()
    assert writer.drain(PATIENCE)
    assert done == ["a", "b"]
    writer.put(lambda: done.append("large"), 1000)  # alone it may be as large as it likes
    assert writer.drain(PATIENCE)
    assert done[-1] == "large"


def test_work_that_raises_does_not_end_the_thread() -> None:
    writer, done = Writer(10), list[str]()
    writer.put(lambda: 1 // 0, 1)
    writer.put(lambda: done.append("after"), 1)
    assert writer.drain(PATIENCE)
    assert (done, writer.failed) == (["after"], 1)


def test_a_stream_without_a_descriptor_is_written_to() -> None:
    stream = io.StringIO()
    write_text(stream, "text\n")
    assert stream.getvalue() == "text\n"


posix = pytest.mark.skipif(sys.platform == "win32", reason="there text goes to the stream object")


@posix
def test_text_follows_what_the_stream_holds_and_fits_its_encoding() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as source, open(writer, "w", encoding="ascii") as stream:
        stream.write("before ")
        write_text(stream, "caf\u00e9\n")
        assert source.read1() == b"before " + b"caf\\xe9\n"


if sys.platform != "win32":

    def test_a_descriptor_that_does_not_block_is_waited_for() -> None:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        text = "x" * 1_000_000  # more than a pipe holds
        got = bytearray()

        def read() -> None:
            with open(reader, "rb") as source:
                got.extend(source.read())

        thread = threading.Thread(target=read)
        thread.start()
        with open(writer, "w") as stream:
            write_text(stream, text)
        thread.join(PATIENCE)
        assert bytes(got) == text.encode()


@posix
def test_a_reader_that_has_gone_is_told_by_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream, pytest.raises(BrokenPipeError):
        write_text(stream, "text")
