from __future__ import annotations

import pytest

from analyzers.events import AlertSeen, Event, ProtectedSeen
from analyzers.ledger import MAX_EVENTS, MAX_OTHERS, MAX_TAIL, Ledger
from tests.observing import CLIENT, SERVER


def data(number: int) -> ProtectedSeen:
    return ProtectedSeen(
        direction=SERVER if number % 3 else CLIENT,
        at=float(number),
        stream_offset=number,
        content_type=23,
        record_length=number,
    )


def alert(number: int) -> AlertSeen:
    return AlertSeen(
        direction=CLIENT,
        at=float(number),
        stream_offset=number,
        level=1,
        description=0,
        encrypted=False,
        record_length=2,
    )


def filled(*events: Event) -> Ledger:
    ledger = Ledger()
    for event in events:
        ledger.add(event)
    return ledger


def test_all_is_kept_until_it_is_too_much() -> None:
    room = MAX_EVENTS + MAX_TAIL
    events = tuple(data(number) for number in range(room))
    ledger = filled(*events)
    assert ledger.events == events
    assert sum(ledger.dropped.values()) == 0
    ledger.add(data(room))
    assert ledger.events == (*events[:MAX_EVENTS], *events[MAX_EVENTS + 1 :], data(room))
    assert ledger.dropped == {CLIENT: 0, SERVER: 1}


def test_only_protected_records_make_room() -> None:
    before = [data(number) for number in range(MAX_EVENTS + MAX_TAIL)]
    between = [alert(number) for number in range(1000, 1010)]
    after = [data(number) for number in range(2000, 2200)]
    ledger = filled(*before, *between, *after)
    assert [event for event in ledger.events if isinstance(event, AlertSeen)] == between
    times = [event.at for event in ledger.events]
    assert times == sorted(times)
    assert len(ledger.events) == MAX_EVENTS + len(between) + MAX_TAIL
    assert sum(ledger.dropped.values()) == len(before) + len(after) - MAX_EVENTS - MAX_TAIL


@pytest.mark.parametrize("before", [10, MAX_EVENTS, MAX_EVENTS + 10, MAX_EVENTS + 3 * MAX_TAIL])
def test_what_is_told_late_stands_where_its_time_belongs(before: int) -> None:
    ledger = filled(*(data(number) for number in range(before)))
    ledger.add(alert(before - 4), late=True)
    assert [event.at for event in ledger.events[-6:]] == [
        before - 5,
        before - 4,
        before - 4,
        before - 3,
        before - 2,
        before - 1,
    ]
    assert isinstance(ledger.events[-4], AlertSeen)
    ledger.add(alert(before - 4))
    assert ledger.events[-1] == alert(before - 4)


def test_too_much_of_anything_else_fills_it() -> None:
    ledger = Ledger()
    room = [ledger.add(alert(number)) for number in range(MAX_OTHERS + MAX_TAIL)]
    assert room == [True] * (len(room) - 1) + [False]
    assert not ledger.add(data(9999))
