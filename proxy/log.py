"""The JSON Lines log: one report a line, flushed, rotated by size, never in the way."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from proxy.limits import Limits, UsageError


class ReportLog:
    """A log file that is appended to. What cannot be written is counted and dropped.

    `FILE` is the current file; at `max_size` bytes it becomes `FILE.1`, which becomes
    `FILE.2`, up to `keep`. Each line is one write to a file opened with O_APPEND, so
    that whole lines reach the file even if several processes write to it.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_size: int = Limits().log_size,
        keep: int = Limits().log_files,
        complain: Callable[[str], None] | None = None,
    ) -> None:
        """Open the file. `complain` gets a line of text when writing starts to fail.

        Raises:
            UsageError: the file cannot be opened.
        """
        self.path = path
        self.written = 0
        self.failed = 0
        self._max_size = max_size
        self._keep = keep
        self._complain = complain
        self._failing = False
        self._fd = -1
        self._size = 0
        try:
            self._open()
        except OSError as error:
            raise UsageError(
                f"cannot write the log {path}: {error.strerror or error}; "
                "give another file with --log"
            ) from error

    def write(self, line: str) -> bool:
        """Append one line (without its newline). False if it could not be written."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        try:
            if self._fd < 0:
                self._open()
            if self._size and self._size + len(data) > self._max_size:
                self._rotate()
            self._append(data)
        except OSError as error:
            self.failed += 1
            if not self._failing and self._complain is not None:
                self._complain(
                    f"cannot write the log {self.path}: {error.strerror or error}; "
                    "the traffic goes on, the lines are lost"
                )
            self._failing = True
            return False
        if self._failing and self._complain is not None:
            self._complain(f"the log {self.path} can be written again ({self.failed} lines lost)")
        self._failing = False
        self.written += 1
        return True

    def close(self) -> None:
        """Close the file. A later write opens it again."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with contextlib.suppress(OSError):
                os.close(fd)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        # On Windows a descriptor would turn every newline into two bytes.
        self._fd = os.open(self.path, flags | getattr(os, "O_BINARY", 0), 0o640)
        self._size = os.fstat(self._fd).st_size

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                count = os.write(self._fd, left)
                self._size += count
                left = left[count:]
        except OSError:
            if len(left) < len(data):
                # A disk that filled up in the middle of a line: take its beginning back.
                with contextlib.suppress(OSError):
                    self._size -= len(data) - len(left)
                    os.ftruncate(self._fd, self._size)
            raise

    def _rotate(self) -> None:
        self.close()
        if self._keep:
            for number in range(self._keep - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(self._numbered(number), self._numbered(number + 1))
            os.replace(self.path, self._numbered(1))
        else:
            os.unlink(self.path)
        self._open()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
