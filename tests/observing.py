"""Connections watched step by step, and what of a transcript must not depend on chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from analyzers.connection import Connection
from analyzers.events import Direction, Event, How
from analyzers.transcript import CLIENT, SERVER, Transcript

__all__ = ["AT", "CLIENT", "SERVER", "Skip", "Step", "lasting", "shape", "tell", "watch"]

AT = 1_779_019_200.0
_BY_CHANCE = ("at", "frame", "segments", "first_at")


@dataclasses.dataclass(frozen=True, slots=True)
class Skip:
    """Bytes that a relay passes on unseen."""

    count: int


What = bytes | int | How | Skip
"""Bytes that are sent; a number of bytes that are missing; an ending; bytes passed over."""
Step = tuple[Direction, What]


def tell(connection: Connection, steps: Iterable[Step]) -> Connection:
    """Tell a connection what happens, a millisecond and a frame each."""
    for number, (direction, what) in enumerate(steps, 1):
        at = AT + number / 1000
        match what:
            case Skip(count):
                connection.skipped(direction, count, at)
            case How():
                connection.close(direction, what, at, number)
            case int():
                connection.missing(direction, what, at, number)
            case _:
                connection.receive(direction, what, at, number)
    return connection


def watch(*steps: Step, client_start: bool = True, server_start: bool = True) -> Transcript:
    """What an observer sees of these steps."""
    connection = Connection(client_start=client_start, server_start=server_start)
    return tell(connection, steps).transcript


def lasting(event: Event) -> tuple[object, ...]:
    """An event without when, in which frame and in how many pieces it came."""
    return (
        type(event).__name__,
        *(
            # Errors and what holds them are equal only to themselves, but print alike.
            repr(getattr(event, field.name))
            for field in dataclasses.fields(event)
            if field.name not in _BY_CHANCE
        ),
    )


def shape(transcript: Transcript) -> tuple[object, ...]:
    """All of a transcript that must not depend on how bytes were cut."""
    others = (
        repr(getattr(transcript, field.name))
        for field in dataclasses.fields(transcript)
        if field.name != "events"
    )
    return (*others, *map(lasting, transcript.events))


def names(transcript: Transcript) -> Iterator[str]:
    """The classes of the events, in order."""
    return (type(event).__name__ for event in transcript.events)
