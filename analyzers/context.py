"""What the observer knows of a connection besides its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Endpoints, source and the user's hints; all that `explain` gets besides bytes."""

    kind: Literal["proxy", "capture", "interface"]
    """Where the bytes came from."""
    name: str
    """The file, the listener ("127.0.0.1:8883") or the interface."""
    start: float
    """The first packet or the accept, in seconds since the Unix epoch (UTC)."""
    client_address: str | None = None
    client_port: int | None = None
    client_process: str | None = None
    """The local program that owns the client socket, where known."""
    server_address: str | None = None
    server_port: int | None = None
    server_name: str | None = None
    """The broker's name as the user gave it; None for a capture."""
    stream: int | None = None
    """Wireshark's tcp.stream number, from 0."""
    first_frame: int | None = None
    """Wireshark's frame number of the connection's first packet, from 1."""
    trust_anchors: tuple[bytes, ...] | None = None
    """DER certificates of the CAs that the client trusts; None where nobody said."""
    client_hint: str | None = None
    """The client program, where the user named it (a key of `data/fixes.toml`)."""
    broker_hint: str | None = None
    """The broker program, where the user named it (a key of `data/fixes.toml`)."""
