"""The few numbers of MQTT that can be seen without decrypting anything."""

from __future__ import annotations

from analyzers.codepoints._base import CodePoint

PLAIN_PORTS = frozenset((1883, 1884))
"""Ports on which brokers usually speak MQTT without TLS."""

TLS_PORTS = frozenset((8883, 8884, 8886))
"""Ports on which brokers usually speak MQTT over TLS (8883 is IANA's)."""

WEBSOCKET_TLS_PORTS = frozenset((443, 8084, 8884, 9002))
"""Ports on which brokers usually speak MQTT over WebSocket over TLS."""

ALPN_NAMES = frozenset((b"mqtt", b"x-amzn-mqtt-ca"))
"""ALPN names of MQTT: IANA's, and AWS IoT Core's on port 443."""

PROTOCOL_VERSIONS = {3: "3.1", 4: "3.1.1", 5: "5.0"}
"""The protocol level of a CONNECT packet and the version it stands for."""


class ConnectReturnCode(CodePoint, bits=8):
    """A CONNACK's return code (MQTT 3.1.1 section 3.2.2.3)."""

    ACCEPTED = 0, "accepted"
    UNACCEPTABLE_PROTOCOL_VERSION = 1, "unacceptable protocol version"
    IDENTIFIER_REJECTED = 2, "identifier rejected"
    SERVER_UNAVAILABLE = 3, "server unavailable"
    BAD_USER_NAME_OR_PASSWORD = 4, "bad user name or password"
    NOT_AUTHORIZED = 5, "not authorized"


class ReasonCode(CodePoint, bits=8):
    """A reason code of CONNACK or DISCONNECT (MQTT 5.0 section 2.4)."""

    SUCCESS = 0x00, "success"
    DISCONNECT_WITH_WILL = 0x04, "disconnect with will message"
    UNSPECIFIED_ERROR = 0x80, "unspecified error"
    MALFORMED_PACKET = 0x81, "malformed packet"
    PROTOCOL_ERROR = 0x82, "protocol error"
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83, "implementation specific error"
    UNSUPPORTED_PROTOCOL_VERSION = 0x84, "unsupported protocol version"
    CLIENT_IDENTIFIER_NOT_VALID = 0x85, "client identifier not valid"
    BAD_USER_NAME_OR_PASSWORD = 0x86, "bad user name or password"
    NOT_AUTHORIZED = 0x87, "not authorized"
    SERVER_UNAVAILABLE = 0x88, "server unavailable"
    SERVER_BUSY = 0x89, "server busy"
    BANNED = 0x8A, "banned"
    SERVER_SHUTTING_DOWN = 0x8B, "server shutting down"
    BAD_AUTHENTICATION_METHOD = 0x8C, "bad authentication method"
    KEEP_ALIVE_TIMEOUT = 0x8D, "keep alive timeout"
    SESSION_TAKEN_OVER = 0x8E, "session taken over"
    TOPIC_FILTER_INVALID = 0x8F, "topic filter invalid"
    TOPIC_NAME_INVALID = 0x90, "topic name invalid"
    PACKET_TOO_LARGE = 0x95, "packet too large"
    QUOTA_EXCEEDED = 0x97, "quota exceeded"
    PAYLOAD_FORMAT_INVALID = 0x99, "payload format invalid"
    RETAIN_NOT_SUPPORTED = 0x9A, "retain not supported"
    QOS_NOT_SUPPORTED = 0x9B, "QoS not supported"
    USE_ANOTHER_SERVER = 0x9C, "use another server"
    SERVER_MOVED = 0x9D, "server moved"
    CONNECTION_RATE_EXCEEDED = 0x9F, "connection rate exceeded"
