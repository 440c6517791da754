"""Who gave up, in the order in which it showed on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analyzers.course import Flights
from analyzers.events import AlertSeen, ClosedSeen, Direction, How

CLOSE_NOTIFY, USER_CANCELED, NO_RENEGOTIATION = 0, 90, 100
_POLITE = (CLOSE_NOTIFY, USER_CANCELED)

Kind = Literal["alert", "close_notify", "hidden", "fin", "rst"]


@dataclass(frozen=True, slots=True)
class Ending:
    """One sign that a side is leaving."""

    index: int
    """Its place in the transcript's events."""
    direction: Direction
    kind: Kind
    """"alert" is an error alert; "hidden" an encrypted alert of unknown content."""
    at: float

    @property
    def is_alert(self) -> bool:
        """Whether it is an alert record of whatever content."""
        return self.kind in ("alert", "close_notify", "hidden")


def is_error(level: int, description: int) -> bool:
    """Whether a clear alert ends the connection for a fault (RFC 8446 section 6).

    A warning other than close_notify is an answer, not an end: servers send
    unrecognized_name and no_renegotiation that way and go on.
    """
    return level == 2 and description not in _POLITE


def endings(flights: Flights) -> tuple[Ending, ...]:
    """Every alert and close of a connection that means leaving, in order."""
    tr = flights.transcript
    found: list[Ending] = []
    for index, event in enumerate(tr.events):
        if isinstance(event, AlertSeen):
            if event.description is None:
                found.append(Ending(index, event.direction, "hidden", event.at))
            elif event.level is not None and is_error(event.level, event.description):
                found.append(Ending(index, event.direction, "alert", event.at))
            elif event.description in _POLITE:
                found.append(Ending(index, event.direction, "close_notify", event.at))
        elif isinstance(event, ClosedSeen):
            if event.how is How.FIN:
                found.append(Ending(index, event.direction, "fin", event.at))
            elif event.how is How.RST:
                found.append(Ending(index, event.direction, "rst", event.at))
    for index, hidden, _ in flights.hidden_alerts:
        found.append(Ending(index, hidden.direction, "hidden", hidden.at))
    found.sort(key=lambda ending: ending.index)
    return tuple(found)
