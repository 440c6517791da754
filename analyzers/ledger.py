"""A connection's events, kept under caps so that a long one does not grow without end."""

from __future__ import annotations

from analyzers.events import Direction, Event, ProtectedSeen

MAX_EVENTS = 256
"""Events kept from the start of a connection."""
MAX_TAIL = 64
"""Events kept from its end; between both, protected records are only counted."""
MAX_OTHERS = 4 * MAX_EVENTS
"""Events kept in all, where those in between are no protected records."""


class Ledger:
    """Events in order: all of the first ones, all of the last ones, and what stands out."""

    __slots__ = ("_first", "_last", "dropped")

    def __init__(self) -> None:
        self._first: list[Event] = []
        self._last: list[Event] = []  # short, and smaller than a deque
        self.dropped = dict.fromkeys(Direction, 0)
        """Protected records that are no longer kept, by sender."""

    @property
    def events(self) -> tuple[Event, ...]:
        """All that is kept, in order."""
        return (*self._first, *self._last)

    def add(self, event: Event, *, late: bool = False) -> bool:
        """Keep an event; an older protected record may make room for it.

        A `late` one is put where its time belongs: others were told before it.
        Returns False once more than protected records has come than is to be kept.
        """
        if late:
            self._insert(event)
        elif len(self._first) < MAX_EVENTS and not self._last:
            self._first.append(event)
            return True
        else:
            self._last.append(event)
        if len(self._last) > MAX_TAIL:
            oldest = self._last.pop(0)
            if isinstance(oldest, ProtectedSeen):
                self.dropped[oldest.direction] += 1
            else:
                self._first.append(oldest)
        return len(self._first) < MAX_OTHERS

    def _insert(self, event: Event) -> None:
        for kept in (self._last, self._first):
            place = len(kept)
            while place and kept[place - 1].at > event.at:
                place -= 1
            if place or kept is self._first:
                kept.insert(place, event)
                return
