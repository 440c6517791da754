"""How the recognisers answer, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from analyzers.printable import printable_bytes

Fact = str | int | bool | None

LINE_LIMIT = 512
"""How many bytes of a text line are waited for."""

RECORD_TYPES = frozenset(range(20, 25))
"""TLS and DTLS record types, change_cipher_spec to heartbeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What a direction speaks instead of TLS."""

    kind: str
    """"mqtt", "http", "websocket", "proxy", "socks", "ssh", "smtp", "imap", "pop3", "ftp",
    "amqp", "redis", "postgresql", "mysql", "rdp", "stun", "dtls", "sslv2" or "unknown"."""
    says: str
    """Reads after "the client sent" or "the server sent"; printable ASCII."""
    detail: Mapping[str, Fact] = field(default_factory=dict)
    """Facts by name, for rules."""
    consumed: int = 0
    """How many bytes to pass over before TLS may follow; 0 where none can follow."""


class Wait:
    """More bytes are needed to decide."""


WAIT = Wait()
Answer = Recognised | Wait | None
"""Recognised, not yet, or something else."""
Matcher = Callable[[bytes, bool], Answer]
"""Takes the bytes so far and whether they are all; answers alike however they were cut."""


def shown(data: bytes) -> str:
    """Strangers' bytes as printable ASCII, the first 100 of them."""
    return printable_bytes(data, limit=100)


def prefix(data: bytes, signature: bytes) -> bool | None:
    """True or False; None while `data` is a shorter beginning of `signature`."""
    if len(data) >= len(signature):
        return data.startswith(signature)
    return None if signature.startswith(data) else False


def first_line(data: bytes, final: bool, limit: int = LINE_LIMIT) -> bytes | Wait:
    """The first line without its end; what there is of it at the end or at the limit."""
    end = data.find(b"\n", 0, limit)
    if end < 0:
        return data[:limit] if final or len(data) >= limit else WAIT
    return data[:end].rstrip(b"\r")
