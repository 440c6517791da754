"""MQTT in clear: the packets with which a connection begins (MQTT 3.1.1 and 5.0)."""

from __future__ import annotations

from analyzers.codepoints.mqtt import PROTOCOL_VERSIONS, ConnectReturnCode, ReasonCode
from analyzers.plaintext._answer import WAIT, Answer, Recognised, Wait, prefix


def _header(data: bytes, first: int) -> tuple[int, int] | Wait | None:
    """(start of the variable header, remaining length) of a packet (MQTT section 2.1.4)."""
    if data[:1] != bytes((first,)):
        return None if data else WAIT
    length = 0
    for place in range(4):
        if len(data) < place + 2:
            return WAIT
        byte = data[place + 1]
        length |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return place + 2, length
    return None


def connect(data: bytes, final: bool) -> Answer:
    """A CONNECT packet, the first that a client sends (MQTT 3.1.1 section 3.1)."""
    header = _header(data, 0x10)
    if not isinstance(header, tuple):
        return header
    start, length = header
    body = data[start : start + length]
    for name in (b"MQTT", b"MQIsdp"):
        begins = prefix(body, bytes((0, len(name))) + name)
        if begins is None and len(body) < length:
            return WAIT
        if begins:
            return _connect_body(body, name, length, final)
    return None


def _connect_body(body: bytes, name: bytes, length: int, final: bool) -> Answer:
    at = 2 + len(name)
    known = body[at : at + 4]
    if len(known) < 4:
        if not final and len(body) < length:
            return WAIT
        return Recognised(
            kind="mqtt",
            says="the beginning of an MQTT CONNECT packet in clear",
            detail={"packet": "CONNECT", "protocol_name": name.decode()},
        )
    level, flags = known[0], known[1]
    client_id = _client_id_length(body[at + 4 :], level)
    if client_id is None and not final and len(body) < length:
        return WAIT
    # Bridges set the level's top bit (Mosquitto, HiveMQ).
    version = PROTOCOL_VERSIONS.get(level & 0x7F, f"of unknown level {level}")
    return Recognised(
        kind="mqtt",
        says=f"an MQTT {version} CONNECT packet in clear",
        detail={
            "packet": "CONNECT",
            "protocol_name": name.decode(),
            "protocol_level": level,
            "version": version,
            "clean_start": bool(flags & 0x02),
            "has_will": bool(flags & 0x04),
            "has_username": bool(flags & 0x80),
            "has_password": bool(flags & 0x40),
            "keepalive": int.from_bytes(known[2:4], "big"),
            "client_id_length": client_id,
        },
    )


def _client_id_length(rest: bytes, level: int) -> int | None:
    """Length of the client id that follows the properties (MQTT 5.0 section 3.1.3.1)."""
    at = 0
    if level & 0x7F == 5:
        properties = _header(b"\0" + rest, 0)
        if not isinstance(properties, tuple):
            return None
        at = properties[0] - 1 + properties[1]
    if len(rest) < at + 2:
        return None
    return int.from_bytes(rest[at : at + 2], "big")


def connack(data: bytes, final: bool) -> Answer:
    """A CONNACK packet, a broker's answer to CONNECT (MQTT 3.1.1 section 3.2)."""
    header = _header(data, 0x20)
    if not isinstance(header, tuple):
        return header
    start, length = header
    if length < 2 or (len(data) > start and data[start] > 1):
        return None
    if len(data) < start + 2:
        return WAIT
    code = data[start + 1]
    # MQTT 5.0 always has a property length after the code.
    version5 = length > 2
    name = (ReasonCode if version5 else ConnectReturnCode)(code).label
    meaning = "connection accepted" if code == 0 else f"connection refused, {name}"
    return Recognised(
        kind="mqtt",
        says=f"an MQTT CONNACK packet in clear: {meaning} (code {code})",
        detail={
            "packet": "CONNACK",
            "version": "5.0" if version5 else "3.1.1",
            "return_code": code,
            "return_name": name,
            "session_present": bool(data[start]),
        },
    )


def disconnect(data: bytes, final: bool) -> Answer:
    """A DISCONNECT packet, which brokers may send since MQTT 5.0 (section 3.14)."""
    header = _header(data, 0xE0)
    if not isinstance(header, tuple):
        return header
    start, length = header
    if length and len(data) <= start:
        return WAIT
    reason = ReasonCode(data[start] if length else 0)
    if not reason.is_known:
        return None
    return Recognised(
        kind="mqtt",
        says=f"an MQTT DISCONNECT packet in clear: {reason.label} (code {reason.value})",
        detail={
            "packet": "DISCONNECT",
            "return_code": reason.value,
            "return_name": reason.label,
        },
    )
