"""HTTP, WebSocket upgrades, and the PROXY header that balancers put in front."""

from __future__ import annotations

import ipaddress
import re

from analyzers.plaintext._answer import (
    WAIT,
    Answer,
    Fact,
    Recognised,
    Wait,
    first_line,
    prefix,
    shown,
)

_PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_METHODS = (
    b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE", b"CONNECT", b"PRI"
)  # fmt: skip
_HEAD_LIMIT = 4096


def http_request(data: bytes, final: bool) -> Answer:
    """An HTTP request, or one that wants to become a WebSocket (RFC 6455 section 4.1)."""
    starts = [prefix(data, method + b" ") for method in _METHODS]
    if not any(starts):
        return WAIT if None in starts else None
    line = first_line(data, final, _HEAD_LIMIT)
    if isinstance(line, Wait):
        return line
    parts = re.fullmatch(rb"(\w+) (\S+) HTTP/\d(?:\.\d)?", line)
    if parts is None:
        if not final or b"\n" in data:
            return None
        method = line.split(b" ")[0].decode()
        return Recognised(
            kind="http",
            says=f"the beginning of an HTTP request in clear ({method})",
            detail={"method": method, "path": None, "websocket": False, "subprotocol": None},
        )
    end = data.find(b"\r\n\r\n")
    if end < 0 and not final and len(data) < _HEAD_LIMIT:
        return WAIT
    head = data[: end if end >= 0 else _HEAD_LIMIT]
    # Credentials may stand before the host, and after any of these marks.
    target = re.sub(rb"(^|//)[^/]*@", rb"\1", re.split(rb"[?;#&]", parts[2])[0])
    method, path = parts[1].decode(), shown(target)
    upgrade = re.search(rb"(?im)^upgrade:[ \t]*websocket", head) is not None
    subprotocol = re.search(rb"(?im)^sec-websocket-protocol:[ \t]*([^\r\n]*)", head)
    what = "a WebSocket upgrade" if upgrade else "an HTTP"
    return Recognised(
        kind="websocket" if upgrade else "http",
        says=f"{what} request in clear ({method} {path})",
        detail={
            "method": method,
            "path": path,
            "websocket": upgrade,
            "subprotocol": shown(subprotocol[1]) if subprotocol else None,
        },
    )


def http_response(data: bytes, final: bool) -> Answer:
    """An HTTP response (RFC 9112 section 4)."""
    begins = prefix(data, b"HTTP/")
    if not begins:
        return WAIT if begins is None else None
    line = first_line(data, final)
    if isinstance(line, Wait):
        return line
    parts = re.match(rb"HTTP/(\S+) (\d{3})", line)
    status = int(parts[2]) if parts else None
    upgraded = status == 101
    return Recognised(
        kind="websocket" if upgraded else "http",
        says=f"an HTTP response in clear ({shown(line)})",
        detail={"status": status, "status_line": shown(line), "websocket": upgraded},
    )


def proxy_v1(data: bytes, final: bool) -> Answer:
    """The text form of the PROXY protocol (its specification, section 2.1)."""
    begins = prefix(data, b"PROXY ")
    if not begins:
        return WAIT if begins is None else None
    end = data.find(b"\r\n", 0, 107)  # 107 bytes is the longest line (section 2.1)
    if end < 0 and not final and len(data) < 107:
        return WAIT
    words = data[: end if end >= 0 else 107].split(b" ")
    addresses: dict[str, Fact] = {}
    if len(words) == 6:
        addresses = {
            "source": shown(words[2]),
            "destination": shown(words[3]),
            "source_port": int(words[4]) if words[4].isdigit() else None,
            "destination_port": int(words[5]) if words[5].isdigit() else None,
        }
    protocol = shown(words[1]) if len(words) > 1 else None
    return _proxy(1, protocol, addresses, consumed=end + 2 if end >= 0 else 0)


def proxy_v2(data: bytes, final: bool) -> Answer:
    """The binary form of the PROXY protocol (its specification, section 2.2)."""
    begins = prefix(data, _PROXY_V2)
    if not begins:
        return WAIT if begins is None else None
    size = 16 + int.from_bytes(data[14:16], "big")
    if len(data) < 16 or len(data) < size:
        if not final:
            return WAIT
        return _proxy(2, None, {}, consumed=0)
    family = {0x11: "TCP4", 0x21: "TCP6", 0x12: "UDP4", 0x22: "UDP6"}.get(data[13])
    addresses: dict[str, Fact] = {}
    width = {"4": 4, "6": 16}.get(family[-1], 0) if family else 0
    if width and size >= 16 + 2 * width + 4:
        body = data[16:size]
        ports = body[2 * width : 2 * width + 4]
        addresses = {
            "source": str(ipaddress.ip_address(body[:width])),
            "destination": str(ipaddress.ip_address(body[width : 2 * width])),
            "source_port": int.from_bytes(ports[:2], "big"),
            "destination_port": int.from_bytes(ports[2:], "big"),
        }
    local = data[12] & 0x0F == 0
    return _proxy(2, "LOCAL" if local else family or "UNKNOWN", addresses, consumed=size)


def _proxy(
    version: int, protocol: str | None, addresses: dict[str, Fact], *, consumed: int
) -> Recognised:
    whom = ""
    if addresses:
        whom = f" for {addresses['source']} port {addresses['source_port']}"
    return Recognised(
        kind="proxy",
        says=f"a PROXY protocol version {version} header{whom}",
        detail={"version": version, "protocol": protocol, "length": consumed, **addresses},
        consumed=consumed,
    )
