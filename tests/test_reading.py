from __future__ import annotations

import gzip
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.reading import sources
from proxy.reading.sources import CannotRead, find_files, read_chunks, read_file
from tests.framing import pcap

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CAPTURES = Path(__file__).parent / "data" / "captures"
CAPTURE = CAPTURES / "tls12-expired-certificate.pcap"
DATA = CAPTURE.read_bytes()
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "gzip in two members": lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
}


def chunks(path: str | Path, warnings: list[str] | None = None) -> bytes:
    return b"".join(bytes(chunk) for chunk in read_chunks(str(path), warnings=warnings or []))


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("name", ["a.pcap", "a.bin"])
def test_the_first_bytes_tell_how_to_unpack_not_the_name(
    tmp_path: Path, packer: str, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(PACKERS[packer](DATA))
    progress: list[tuple[int, int | None]] = []
    reading = read_file(str(path), progress=lambda done, size: progress.append((done, size)))
    ((transcript, context),) = reading
    assert context.name == str(path)
    assert transcript.client_hello is not None
    assert reading.summary.bytes == len(DATA)
    assert not reading.summary.warnings
    size = path.stat().st_size
    assert progress[-1] == (size, size)


def test_a_file_larger_than_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "WINDOW", 1000)
    data = pcap([(1.0, bytes(60))] * 100)
    path = tmp_path / "a.pcap"
    for packer in PACKERS.values():
        path.write_bytes(packer(data))
        assert chunks(path) == data
        assert max(len(chunk) for chunk in read_chunks(str(path), warnings=[])) <= 1000


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_a_cut_or_damaged_archive_is_read_as_far_as_it_goes(tmp_path: Path, packer: str) -> None:
    packed = PACKERS[packer](pcap([(float(i), os.urandom(1000)) for i in range(1000)]))
    path = tmp_path / "a.pcap.gz"
    path.write_bytes(packed[: len(packed) // 2])
    reading = read_file(str(path))
    assert list(reading) == []
    assert 100 < reading.summary.packets < 1000
    assert any("cut short or damaged" in warning for warning in reading.summary.warnings)


def test_an_archive_that_is_damaged_at_once_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00garbage" * 20)
    with pytest.raises(CannotRead, match=r"^cannot read .*a\.gz: "):
        read_file(str(path))


def test_zstd_without_its_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.version_info >= (3, 14):
        pytest.skip("part of Python from 3.14 on")
    path = tmp_path / "a.zst"
    path.write_bytes(zstd.compress(DATA))
    monkeypatch.setitem(sys.modules, "backports", None)
    with pytest.raises(CannotRead, match=r"pip install backports\.zstd"):
        read_file(str(path))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"-----BEGIN CERTIFICATE-----\n", "a PEM certificate"),
        (gzip.compress(b"GET / HTTP/1.1\r\n"), "an HTTP request"),
        (b"some text\n", 'text ("some text")'),
    ],
)
def test_what_is_no_capture_is_refused_at_once(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(content)
    with pytest.raises(CannotRead) as told:
        read_file(str(path))
    assert str(told.value).startswith(f"{path} is not a pcap or pcapng capture: ")
    assert words in str(told.value)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    missing = tmp_path / "none.pcap"
    with pytest.raises(CannotRead) as told:
        read_file(str(missing))
    assert str(told.value) == f"cannot read {missing}: no such file or directory"
    with pytest.raises(CannotRead, match="is a folder; name the files in it"):
        read_file(str(tmp_path))


class _Failing(io.RawIOBase):
    """A disk that fails after a while."""

    def __init__(self, data: bytes) -> None:
        self._data = [data]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # narrower
        if not self._data:
            raise OSError(5, "Input/output error")
        data = self._data.pop()
        buffer[: len(data)] = data
        return len(data)


@pytest.mark.parametrize("first", [b"\xd4\xc3\xb2", DATA])
def test_a_failing_disk_costs_only_what_was_not_read(
    monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    monkeypatch.setattr(sources, "_open", lambda path, stack: (_Failing(first), None))
    if first is DATA:
        reading = read_file("disk.pcap")
        assert len(list(reading)) == 1
        assert reading.summary.warnings == [
            "disk.pcap: cannot be read any further: input/output error"
        ]
    else:
        with pytest.raises(CannotRead, match=r"cannot read disk\.pcap: input/output error"):
            read_file("disk.pcap")


def test_standard_input_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    with open(ours, encoding="latin-1") as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        os.write(theirs, DATA[:100])
        warnings: list[str] = []
        stream = read_chunks("-", warnings=warnings)
        assert bytes(next(stream)) == DATA[:100]
        os.write(theirs, DATA[100:])
        os.close(theirs)
        assert b"".join(bytes(chunk) for chunk in stream) == DATA[100:]
        assert not warnings


def test_a_terminal_is_no_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        closed = False

        def isatty(self) -> bool:
            return True

    for stdin in (Terminal(), None):
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(CannotRead, match=r"tcpdump -U -w - port 8883 \| tlswhy read -"):
            read_file("-")


def test_patterns_are_expanded_and_files_read_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.pcap", "a.pcap", "sub/c.pcap", "x.txt", "odd[1].pcap"):
        (tmp_path / name).write_bytes(b"")
    folder = str(tmp_path)
    assert find_files([f"{folder}/[ab].pcap", f"{folder}/a.pcap"]) == [
        f"{folder}/a.pcap",
        f"{folder}/b.pcap",
    ]
    assert len(find_files([f"{folder}/**/*.pcap"])) == 4
    # A file whose name looks like a pattern, and files that are not there, stay as they are.
    assert find_files([f"{folder}/odd[1].pcap"]) == [f"{folder}/odd[1].pcap"]
    assert find_files(["-", "none.pcap"]) == ["-", "none.pcap"]
    with pytest.raises(CannotRead, match="no file matches"):
        find_files([f"{folder}/*.cap"])
