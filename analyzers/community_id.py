"""Community ID, the flow identifier that Zeek, Suricata and Wireshark share.

github.com/corelight/community-id-spec, version 1, with the default seed 0.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress

_TCP = 6


def community_id(
    source: str, source_port: int, destination: str, destination_port: int, *, seed: int = 0
) -> str:
    """The id of a TCP connection, the same from either end: `1:LQU9qZlK+B5F3KDmev6m5PMibrg=`.

    Raises:
        ValueError: an address is no IPv4 or IPv6 address, the two are of different
            kinds, or a number does not fit its 16 bits.
    """
    ends = [_end(source, source_port), _end(destination, destination_port)]
    (low, low_port), (high, high_port) = sorted(ends)
    if len(low) != len(high):
        raise ValueError(f"{source} and {destination} are addresses of different kinds")
    if not 0 <= seed <= 0xFFFF:
        raise ValueError(f"seed {seed} does not fit 16 bits")
    flow = seed.to_bytes(2, "big") + low + high + bytes((_TCP, 0)) + low_port + high_port
    digest = hashlib.sha1(flow, usedforsecurity=False).digest()
    return "1:" + base64.b64encode(digest).decode()


def _end(address: str, port: int) -> tuple[bytes, bytes]:
    if not 0 <= port <= 0xFFFF:
        raise ValueError(f"port {port} does not fit 16 bits")
    # A zone ("fe80::1%eth0") is the observer's affair and not on the wire.
    return ipaddress.ip_address(address.split("%")[0]).packed, port.to_bytes(2, "big")
