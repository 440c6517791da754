"""What the first bytes of a direction are when they are not TLS.

Pure functions over the bytes seen so far. The answer does not depend on how the bytes
were cut: until enough has arrived to decide, the answer is "not yet". Nothing here
repeats a user name, a password, a client id or the query of a URL.
"""

from __future__ import annotations

from analyzers.events import Direction
from analyzers.plaintext import mqtt, others, web
from analyzers.plaintext._answer import (
    RECORD_TYPES,
    WAIT,
    Fact,
    Matcher,
    Recognised,
)

__all__ = ["UNKNOWN_WINDOW", "Fact", "Recognised", "looks_like_tls", "recognise"]

UNKNOWN_WINDOW = 16
"""How many bytes are waited for, and shown, before they are called unknown."""

_MAX_RECORD = (1 << 14) + 2048


def looks_like_tls(data: bytes) -> bool | None:
    """Whether a direction begins with a TLS record; None while its header is incomplete.

    Framing alone decides: a record type, a version 3.x and a possible length (RFC 8446
    section 5.1). A hello in SSL 2.0 framing is not a TLS record: see `recognise`.
    """
    if not data:
        return None
    if data[0] not in RECORD_TYPES or (len(data) > 1 and data[1] != 3):
        return False
    if len(data) < 5:
        return None
    return int.from_bytes(data[3:5], "big") <= _MAX_RECORD


def recognise(direction: Direction, data: bytes, *, final: bool = False) -> Recognised | None:
    """Say what the first bytes of a direction are; None while more of them are needed.

    `final` says that no more will come (or be looked at): then there is always an
    answer, "unknown" at worst. Bytes after the recognised part change nothing.
    """
    waiting = False
    for matcher in _MATCHERS[direction]:
        answer = matcher(data, final)
        if isinstance(answer, Recognised):
            return answer
        waiting = waiting or answer is WAIT
    if not final and (waiting or len(data) < UNKNOWN_WINDOW):
        return None
    first = data[:UNKNOWN_WINDOW]
    return Recognised(
        kind="unknown",
        says=f"bytes of no protocol that is known here ({first.hex(' ')})" if data else "nothing",
        detail={"first_bytes": first.hex()},
    )


_MATCHERS: dict[Direction, tuple[Matcher, ...]] = {
    Direction.CLIENT_TO_SERVER: (
        mqtt.connect,
        web.http_request,
        web.proxy_v1,
        web.proxy_v2,
        others.sslv2,
        others.dtls,
        others.socks,
        others.amqp,
        others.postgresql,
        others.rdp,
        others.stun,
        others.client_line,
    ),
    Direction.SERVER_TO_CLIENT: (
        mqtt.connack,
        mqtt.disconnect,
        web.http_response,
        others.dtls,
        others.amqp,
        others.mysql,
        others.rdp,
        others.stun,
        others.server_line,
    ),
}
