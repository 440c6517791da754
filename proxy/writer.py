"""What may block is written in a thread of its own: a terminal, a pipe, a log on a slow disk.

A terminal that was paused (Ctrl-S), a pipe whose reader sleeps and a disk that hangs all
stop the thread that writes to them. The traffic must not be in that thread.
"""

from __future__ import annotations

import io
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO


class Writer:
    """Does pieces of work one after the other, in the order in which they were put."""

    def __init__(self, most: int) -> None:
        """`most`: the weight of what may wait. What comes on top of it is dropped."""
        self.dropped = 0
        """Pieces of work that found no room."""
        self.failed = 0
        """Pieces of work that raised, which they should not."""
        self._most = most
        self._weight = 0
        self._done = 0
        self._waiting: deque[tuple[Callable[[], object], int]] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._thread: threading.Thread | None = None

    def put(self, work: Callable[[], object], weight: int) -> None:
        """Have a piece of work done; returns at once. It deals with errors itself."""
        with self._changed:
            if self._waiting and self._weight + weight > self._most:
                self.dropped += 1
                return
            self._waiting.append((work, weight))
            self._weight += weight
            if self._thread is None:
                # A daemon: a thread that hangs in a write must not keep the program alive.
                self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def drain(self, patience: float) -> bool:
        """Wait until all is done; False if for `patience` seconds not one piece got done."""
        with self._changed:
            while self._waiting or self._busy:
                done = self._done
                # Woken after each piece; more than one may be done by then.
                if not self._changed.wait(patience) and self._done == done:
                    return False
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                work, weight = self._waiting.popleft()
                self._weight -= weight
                self._busy = True
            try:
                work()
            except Exception:
                self.failed += 1
            with self._changed:
                self._busy = False
                self._done += 1
                self._changed.notify_all()


def write_text(stream: TextIO, text: str) -> None:
    """Write and flush, without holding the stream's lock where that can be helped.

    Whoever hangs in a write to the stream object holds its lock, and the interpreter
    cannot end then. A descriptor that does not block is waited for.

    Raises:
        OSError: it cannot be written; BrokenPipeError: the reader has gone.
    """
    descriptor = _descriptor(stream)
    if descriptor is None:
        stream.write(text)
        stream.flush()
        return
    stream.flush()
    left = memoryview(text.encode(stream.encoding, "backslashreplace"))
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


def _descriptor(stream: TextIO) -> int | None:
    if sys.platform == "win32":  # a console there takes text, not bytes
        return None
    try:
        return stream.fileno()
    except (OSError, AttributeError, io.UnsupportedOperation):
        return None
