"""The one shape of an explanation: schema `tlswhy/1`, one object a connection.

Every renderer, the log and the JSON output use these structs and nothing else. No
field has a default: every key is always present, and what was not seen is None.
Lists keep wire order. Code points are IANA names, unknown ones `0x1234`, GREASE
`GREASE(0x1A1A)`. `*_ms` and `at_ms` are milliseconds from `start`; offsets are within
the handshake message (header included) unless named `stream_offset`; byte counts are
TCP payload. Text that strangers chose has been made printable (`\\xNN`) already.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

SCHEMA: Literal["tlswhy/1"] = "tlswhy/1"

Sender = Literal["client", "server"]
Certainty = Literal["certain", "likely", "possible"]
Role = Literal["cause", "contributing", "ruled_out", "note"]
ResumptionKind = Literal["none", "session_id", "ticket", "psk", "unknown"]
DowngradeKind = Literal["TLS 1.2", "TLS 1.1"]
AlertKind = Literal["error", "close_notify", "unknown"]


class _Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: immutable, by keyword only, unknown keys refused when read back."""


class Source(_Struct, frozen=True, kw_only=True):
    """Where the bytes came from; `stream` and `first_frame` count as Wireshark does."""

    kind: Literal["proxy", "capture", "interface"]
    name: str
    stream: int | None
    first_frame: int | None


class Client(_Struct, frozen=True, kw_only=True):
    """The TCP client."""

    address: str | None
    port: int | None
    process: str | None


class Server(_Struct, frozen=True, kw_only=True):
    """The TCP server; `name` is the name the user gave, or the SNI."""

    address: str | None
    port: int | None
    name: str | None


class PerDirection(_Struct, frozen=True, kw_only=True):
    """A count for each direction."""

    client: int
    server: int


class Complete(_Struct, frozen=True, kw_only=True):
    """How much of the connection was seen."""

    client_start: bool
    server_start: bool
    gaps: int
    truncated: bool


class Analysis(_Struct, frozen=True, kw_only=True):
    """Whether the analysis ended early, and what it could not read."""

    stopped: bool
    reason: str | None
    warnings: list[str]


class Close(_Struct, frozen=True, kw_only=True):
    """How one direction ended."""

    from_: Sender = msgspec.field(name="from")
    how: Literal["fin", "rst", "timeout", "open"]
    at_ms: float


class OutcomeReport(_Struct, frozen=True, kw_only=True):
    """How the connection ended: no opinion about why."""

    status: Literal["established", "failed", "not_tls", "incomplete", "no_data"]
    handshake: Literal["complete", "client_complete", "partial", "none"]
    failed_by: Literal["client", "server", "network"] | None
    phase: (
        Literal[
            "tcp",
            "before_server_hello",
            "server_flight",
            "client_certificate",
            "finished",
            "after_handshake",
        ]
        | None
    )
    certainty: Certainty


class Verdict(_Struct, frozen=True, kw_only=True):
    """The first cause."""

    rule: str
    certainty: Certainty


class Psk(_Struct, frozen=True, kw_only=True):
    """Pre-shared keys, resumption tickets included (RFC 8446 section 4.2.11)."""

    offered: bool
    accepted: bool | None
    identities: int


class ClientAuth(_Struct, frozen=True, kw_only=True):
    """Whether the server asked for a client certificate and what came."""

    requested: bool | None
    sent: Literal["none", "empty", "certificate"] | None
    certainty: Certainty


class Fragments(_Struct, frozen=True, kw_only=True):
    """Over how many TLS records and TCP segments (or reads) a message was spread."""

    records: int
    segments: int


class StackGuess(_Struct, frozen=True, kw_only=True):
    """The TLS implementation that a hello's structure points to."""

    name: str
    certainty: Certainty


class ClientHelloReport(_Struct, frozen=True, kw_only=True):
    """The first ClientHello (RFC 8446 section 4.1.2)."""

    record_version: str
    legacy_version: str
    versions: list[str]
    cipher_suites: list[str]
    compression_methods: list[str]
    extensions: list[str]
    groups: list[str]
    key_shares: list[str]
    signature_algorithms: list[str]
    signature_algorithms_cert: list[str]
    server_name: str | None
    alpn: list[str]
    psk_modes: list[str]
    early_data: bool
    ech: bool | None
    max_fragment_length: int | None
    record_size_limit: int | None
    length: int
    fragments: Fragments
    ja3: str
    ja3_string: str
    ja4: str
    stack: StackGuess | None


class HelloRetryRequestReport(_Struct, frozen=True, kw_only=True):
    """RFC 8446 section 4.1.4."""

    group: str | None
    cipher: str
    cookie: bool


class SecondClientHello(_Struct, frozen=True, kw_only=True):
    """What the client changed after a HelloRetryRequest."""

    changed: list[str]


class ServerHelloReport(_Struct, frozen=True, kw_only=True):
    """RFC 8446 section 4.1.3, RFC 5246 section 7.4.1.3."""

    record_version: str
    legacy_version: str
    version: str
    cipher: str
    compression: str
    extensions: list[str]
    group: str | None
    alpn: str | None
    downgrade: DowngradeKind | None
    ja3s: str
    stack: StackGuess | None


class ServerKeyExchangeReport(_Struct, frozen=True, kw_only=True):
    """RFC 5246 section 7.4.3; `signature_valid` is None where it cannot be checked."""

    group: str | None
    signature_scheme: str | None
    signature_valid: bool | None


class Key(_Struct, frozen=True, kw_only=True):
    """A certificate's public key."""

    type: str
    bits: int | None
    curve: str | None


class CertificateReport(_Struct, frozen=True, kw_only=True):
    """A certificate (RFC 5280); `signature_valid` is None where its issuer is unknown."""

    subject: str
    issuer: str
    serial: str
    not_before: str | None
    not_after: str | None
    san: list[str]
    key: Key
    signature_algorithm: str
    version: int | None
    is_ca: bool | None
    key_usage: list[str]
    extended_key_usage: list[str]
    self_signed: bool | None
    sha256: str
    signature_valid: bool | None


class CertificateRequestReport(_Struct, frozen=True, kw_only=True):
    """RFC 5246 section 7.4.4 (in TLS 1.3 it is encrypted)."""

    signature_algorithms: list[str]
    authorities: list[str]


class Inferred(_Struct, frozen=True, kw_only=True):
    """What record lengths say of messages that are encrypted."""

    server_key: str | None
    alpn: str | None
    certificate_message_length: int | None


class AlertReport(_Struct, frozen=True, kw_only=True):
    """An alert; `reaction` is true where the other side had already given up."""

    from_: Sender = msgspec.field(name="from")
    level: str | None
    code: int | None
    name: str | None
    kind: AlertKind
    encrypted: bool
    record_length: int
    reaction: bool
    certainty: Certainty
    at_ms: float


class MessageReport(_Struct, frozen=True, kw_only=True):
    """A line of the ladder."""

    from_: Sender = msgspec.field(name="from")
    record: str
    name: str
    length: int
    at_ms: float
    encrypted: bool


class TlsReport(_Struct, frozen=True, kw_only=True):
    """All that is known of the TLS handshake."""

    version: str | None
    cipher: str | None
    group: str | None
    alpn: str | None
    history: str
    resumption: ResumptionKind
    psk: Psk
    client_auth: ClientAuth
    client_hello: ClientHelloReport | None
    hello_retry_request: HelloRetryRequestReport | None
    second_client_hello: SecondClientHello | None
    server_hello: ServerHelloReport | None
    server_key_exchange: ServerKeyExchangeReport | None
    server_certificates: list[CertificateReport] | None
    certificate_request: CertificateRequestReport | None
    client_certificates: list[CertificateReport] | None
    inferred: Inferred
    alerts: list[AlertReport]
    messages: list[MessageReport]


class MqttReport(_Struct, frozen=True, kw_only=True):
    """What lengths and order say of MQTT above TLS."""

    connect_sent: bool | None
    connack: bool | None
    connect_refused: bool | None
    websocket: bool | None
    certainty: Certainty | None


class EvidenceReport(_Struct, frozen=True, kw_only=True):
    """Bytes that prove something."""

    from_: Sender | None = msgspec.field(name="from")
    message: str | None
    offset: int | None
    length: int | None
    stream_offset: int | None
    frame: int | None
    says: str
    wireshark: str | None


class FixReport(_Struct, frozen=True, kw_only=True):
    """What to change, and in which program."""

    for_: str = msgspec.field(name="for")
    text: str


class FindingReport(_Struct, frozen=True, kw_only=True):
    """One answer with its evidence."""

    rule: str
    role: Role
    certainty: Certainty
    title: str
    explanation: str
    evidence: list[EvidenceReport]
    fixes: list[FixReport]
    references: list[str]


class Report(_Struct, frozen=True, kw_only=True):
    """One connection, explained. The first finding with role "cause" is the verdict."""

    schema: Literal["tlswhy/1"]
    tool_version: str
    id: str
    community_id: str | None
    source: Source
    client: Client
    server: Server
    start: str
    duration_ms: float
    bytes: PerDirection
    records_skipped: PerDirection
    complete: Complete
    analysis: Analysis
    closes: list[Close]
    protocol: str
    server_protocol: str
    outcome: OutcomeReport
    verdict: Verdict | None
    tls: TlsReport | None
    mqtt: MqttReport
    related: list[str]
    findings: list[FindingReport]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(seconds: float) -> str:
    """Epoch seconds as the report writes a time: RFC 3339, UTC, microseconds."""
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        moment = _EPOCH
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def milliseconds(seconds: float) -> float:
    """A duration as the report writes it: milliseconds to the microsecond, never negative."""
    return round(max(0.0, seconds) * 1000, 3)
