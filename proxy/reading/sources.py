"""Opens captures: files, globs, standard input; plain, gzip or zstd; in large windows."""

from __future__ import annotations

import glob
import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, cast

from analyzers.capture.files import ENOUGH, looks_like, recognise
from analyzers.offline import Reading, read_connections

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

WINDOW = 4 << 20
"""Bytes read at a time."""
BUFFER = 1 << 17
"""Bytes of the first read, by which a file is judged."""
STDIN = "-"

Progress = Callable[[int, int | None], None]
"""Takes (bytes read so far, bytes in all), both as they lie on disk; None: not known."""

_Errors = tuple[type[Exception], ...]

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


class CannotRead(Exception):
    """A file cannot be read, or is no capture; `str()` is the sentence for the user."""


def find_files(patterns: Iterable[str]) -> list[str]:
    """The files that arguments of the command line stand for.

    A pattern is expanded here too, because not every shell does it (on Windows none
    does), in name order; "**" reaches into folders. "-" is standard input. Files that
    are named twice are read once.

    Raises:
        CannotRead: a pattern matches nothing.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        if pattern == STDIN or os.path.lexists(pattern) or not glob.has_magic(pattern):
            found[pattern] = None
            continue
        matches = sorted(
            path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)
        )
        if not matches:
            raise CannotRead(f"no file matches {pattern}")
        found.update(dict.fromkeys(matches))
    return list(found)


def read_file(
    path: str,
    *,
    ports: Collection[int] | None = None,
    hosts: Collection[str] | None = None,
    trust_anchors: tuple[bytes, ...] | None = None,
    client_hint: str | None = None,
    broker_hint: str | None = None,
    progress: Progress | None = None,
) -> Reading:
    """Open a capture and read its connections; see `analyzers.offline.read_connections`.

    The first bytes are read at once, so that a wrong file is known here.

    Raises:
        CannotRead: the file cannot be opened or is no capture; later, from the
            iterator: the disk or the pipe fails.
        ValueError: one of `hosts` is no IP address.
    """
    warnings: list[str] = []
    name = "standard input" if path == STDIN else path
    chunks = read_chunks(path, warnings=warnings, progress=progress)
    # The generator has not run yet: its first step opens the file and judges it.
    first = next(chunks)
    return read_connections(
        _with_first(first, chunks),
        name=name,
        ports=ports,
        hosts=hosts,
        trust_anchors=trust_anchors,
        client_hint=client_hint,
        broker_hint=broker_hint,
        warnings=warnings,
    )


def read_chunks(
    path: str, *, warnings: list[str], progress: Progress | None = None
) -> Iterator[memoryview]:
    """The bytes of a capture, unpacked, in windows that are valid until the next.

    A compressed file that ends too early is given as far as it goes, with a warning.

    Raises:
        CannotRead: the file cannot be opened or read, or is no capture.
    """
    name = "standard input" if path == STDIN else path
    with ExitStack() as stack:
        try:
            raw, size = _open(path, stack)
            # Bytes of the file, not those that unpacking makes of them, are the progress.
            counted = _Counted(raw, size, progress)
            stream, damage = _unpacked(io.BufferedReader(counted, BUFFER), name, stack)
            yield from _windows(stream, damage, name, warnings)
        except OSError as error:
            raise CannotRead(f"cannot read {name}: {_reason(error)}") from error


def _with_first(first: memoryview, rest: Iterator[memoryview]) -> Iterator[memoryview]:
    yield first
    yield from rest


def _open(path: str, stack: ExitStack) -> tuple[io.RawIOBase, int | None]:
    """The file and its size, if it has one."""
    if path == STDIN:
        if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
            what = "closed" if sys.stdin is None or sys.stdin.closed else "a terminal"
            raise CannotRead(
                f"standard input is {what}; pipe a capture into it, for instance: "
                "tcpdump -U -w - port 8883 | tlswhy read -"
            )
        file = stack.enter_context(io.FileIO(sys.stdin.fileno(), "rb", closefd=False))
    elif os.path.isdir(path):
        raise CannotRead(
            f"{path} is a folder; name the files in it: {os.path.join(path, '*.pcap')}"
        )
    else:
        file = stack.enter_context(io.FileIO(path, "rb"))
    status = os.fstat(file.fileno())
    return file, status.st_size if stat.S_ISREG(status.st_mode) else None


class _Counted(io.RawIOBase):
    """Counts what is read from a file."""

    def __init__(self, raw: io.RawIOBase, size: int | None, progress: Progress | None) -> None:
        self._raw = raw
        self._size = size
        self._progress = progress
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        count = self._raw.readinto(buffer)
        if count and self._progress is not None:
            self._count += count
            self._progress(self._count, self._size)
        return count


def _unpacked(
    stream: io.BufferedReader, name: str, stack: ExitStack
) -> tuple[io.BufferedIOBase, _Errors]:
    """The stream, unpacked according to its first bytes, whatever the file is called.

    With it come the errors that reading raises where the packed data is damaged.
    """
    magic = stream.peek(4)[:4]
    if magic.startswith(_GZIP):
        packed = stack.enter_context(gzip.GzipFile(fileobj=stream))
        return packed, (EOFError, zlib.error, gzip.BadGzipFile)
    if magic == _ZSTD:
        unpacked, error = _open_zstd(stream, name)
        return stack.enter_context(unpacked), (EOFError, error)
    return stream, ()


def _open_zstd(stream: BinaryIO, name: str) -> tuple[io.BufferedIOBase, type[Exception]]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        try:
            from backports import zstd
        except ImportError as error:
            raise CannotRead(
                f"cannot read {name}: it is zstd data, and this Python needs a package for "
                "that: pip install backports.zstd"
            ) from error
    return cast(io.BufferedIOBase, zstd.ZstdFile(stream)), zstd.ZstdError


def _windows(
    stream: io.BufferedIOBase, damage: _Errors, name: str, warnings: list[str]
) -> Iterator[memoryview]:
    window = memoryview(bytearray(WINDOW))
    # Asked for more than its buffer holds, BufferedReader would first read once more: a
    # pipe would wait although the look at the magic number has left bytes in the buffer.
    first = BUFFER if isinstance(stream, io.BufferedReader) else WINDOW
    have = 0
    judged = False
    while True:
        try:
            # readinto1: what a pipe holds now, instead of waiting for a full window.
            count = stream.readinto1(window[have : have + first] if not judged else window[have:])
        except damage as error:
            if not judged and not have:
                raise CannotRead(f"cannot read {name}: {error}") from error
            warnings.append(f"{name}: the compressed data is cut short or damaged ({error})")
            count = 0
        except OSError as error:
            if not judged:
                raise
            # What was read until now is worth having.
            warnings.append(f"{name}: cannot be read any further: {_reason(error)}")
            count = 0
        have += count
        if not judged:
            if have < ENOUGH and count:
                continue
            if recognise(window[:have]) is None:
                raise CannotRead(
                    f"{name} is not a pcap or pcapng capture: {looks_like(window[:have])}"
                )
            judged = True
        if have:
            yield window[:have]
            have = 0
        if not count:
            return


def _reason(error: OSError) -> str:
    """The system's words, without number and path."""
    return (error.strerror or str(error)).lower()
