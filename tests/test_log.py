"""The log keeps whole lines, rotates, and survives a disk that does not."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from proxy.limits import UsageError
from proxy.log import ReportLog


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_each_line_is_in_the_file_when_write_returns(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = ReportLog(path)
    assert log.write('{"a":1}')
    assert path.read_bytes() == b'{"a":1}\n'
    assert log.write('{"b":"\u00e4"}')
    log.close()
    assert lines(path) == ['{"a":1}', '{"b":"\u00e4"}']
    assert (log.written, log.failed) == (2, 0)


def test_an_existing_file_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("before\n")
    log = ReportLog(path)
    log.write("after")
    log.close()
    assert lines(path) == ["before", "after"]


def test_it_rotates_by_size_and_keeps_so_many(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = ReportLog(path, max_size=20, keep=2)
    for number in range(8):
        assert log.write(f"line {number:03}")  # 9 bytes each: two a file
    log.close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "log.jsonl",
        "log.jsonl.1",
        "log.jsonl.2",
    ]
    assert lines(path) == ["line 006", "line 007"]
    assert lines(tmp_path / "log.jsonl.1") == ["line 004", "line 005"]
    assert lines(tmp_path / "log.jsonl.2") == ["line 002", "line 003"]


def test_with_none_kept_the_file_begins_anew(tmp_path: Path) -> None:
    log = ReportLog(tmp_path / "log", max_size=10, keep=0)
    for number in range(3):
        log.write(f"line {number}")
    log.close()
    assert lines(tmp_path / "log") == ["line 2"]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_line_longer_than_the_size_is_written_whole(tmp_path: Path) -> None:
    log = ReportLog(tmp_path / "log", max_size=10, keep=1)
    assert log.write("x" * 100)
    assert log.write("short")
    log.close()
    assert lines(tmp_path / "log") == ["short"]
    assert lines(tmp_path / "log.1") == ["x" * 100]


def test_a_file_that_cannot_be_opened_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write the log .*; give another file with --log"):
        ReportLog(tmp_path / "missing" / "log")


def test_text_that_is_not_unicode_is_written_all_the_same(tmp_path: Path) -> None:
    log = ReportLog(tmp_path / "log")
    assert log.write("\udcff")
    log.close()
    assert lines(tmp_path / "log") == ["\\udcff"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk always full")
def test_a_full_disk_is_counted_and_said_once() -> None:
    said: list[str] = []
    log = ReportLog(Path("/dev/full"), complain=said.append)
    assert not log.write("lost")
    assert not log.write("lost too")
    log.close()
    assert (log.written, log.failed) == (0, 2)
    assert len(said) == 1
    assert "No space left" in said[0]


def test_a_line_that_did_not_fit_leaves_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up within a line: the system writes a part, then says ENOSPC."""
    said: list[str] = []
    path = tmp_path / "log"
    log = ReportLog(path, complain=said.append)
    assert log.write("first")
    really_write = os.write
    room = 4

    def write(fd: int, data: memoryview) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = really_write(fd, data[:room])
        room -= count
        return count

    with monkeypatch.context() as full:
        full.setattr(os, "write", write)
        assert not log.write("does not fit")
    assert lines(path) == ["first"]
    assert log.write("second")
    log.close()
    assert lines(path) == ["first", "second"]
    assert [line.partition(";")[0] for line in said] == [
        f"cannot write the log {path}: No space left on device",
        f"the log {path} can be written again (1 lines lost)",
    ]


def test_a_failed_rotation_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    obstacle = tmp_path / "log.1"
    (obstacle / "full").mkdir(parents=True)  # a folder in the way that cannot be replaced
    log = ReportLog(path, max_size=10, keep=1)
    assert log.write("line 1")
    assert not log.write("line 2")
    (obstacle / "full").rmdir()
    obstacle.rmdir()
    assert log.write("line 3")
    log.close()
    assert lines(obstacle) == ["line 1"]
    assert lines(path) == ["line 3"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permission bits")
def test_others_may_not_read_it(tmp_path: Path) -> None:
    log = ReportLog(tmp_path / "log")
    log.close()
    assert (tmp_path / "log").stat().st_mode & 0o007 == 0
