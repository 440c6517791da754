"""The hello extensions that explanations need, one function each; the rest stay raw.

A function reads the extension's data with a bounded reader and must use it up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from analyzers.errors import Malformed, ParseError
from analyzers.wire import Reader

SERVER_NAME, MAX_FRAGMENT_LENGTH, STATUS_REQUEST = 0, 1, 5
SUPPORTED_GROUPS, EC_POINT_FORMATS, SIGNATURE_ALGORITHMS = 10, 11, 13
ALPN, PADDING, ENCRYPT_THEN_MAC, EXTENDED_MASTER_SECRET = 16, 21, 22, 23
COMPRESS_CERTIFICATE, RECORD_SIZE_LIMIT, SESSION_TICKET = 27, 28, 35
PRE_SHARED_KEY, EARLY_DATA, SUPPORTED_VERSIONS, COOKIE = 41, 42, 43, 44
PSK_KEY_EXCHANGE_MODES, SIGNATURE_ALGORITHMS_CERT, KEY_SHARE = 45, 50, 51
KEY_SHARE_DRAFT = 40
"""key_share in drafts before 23 of TLS 1.3."""
MAX_FAULTS = 32
"""Faults kept of one message."""
NPN, ENCRYPTED_CLIENT_HELLO, RENEGOTIATION_INFO = 13172, 0xFE0D, 0xFF01


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension as it stands in the message."""

    type: int
    data: bytes
    offset: int
    """Of the extension's type field, from the start of the message."""


@dataclass(frozen=True, slots=True)
class Extensions:
    """What could be read of a hello's extensions; absent ones are None or empty."""

    server_name: bytes | None = None
    """RFC 6066 section 3: the host_name, as sent; b"" for a server's acknowledgement."""
    max_fragment_length: int | None = None
    """RFC 6066 section 4, in bytes."""
    groups: tuple[int, ...] = ()
    point_formats: tuple[int, ...] = ()
    signature_algorithms: tuple[int, ...] = ()
    signature_algorithms_cert: tuple[int, ...] = ()
    alpn: tuple[bytes, ...] = ()
    versions: tuple[int, ...] = ()
    """supported_versions: the offer of a client, the one choice of a server."""
    key_shares: tuple[int, ...] = ()
    """Groups for which a key share was sent; the one requested in a HelloRetryRequest."""
    psk_modes: tuple[int, ...] = ()
    psk_identities: tuple[int, ...] = ()
    """Lengths of the offered identities, in bytes."""
    psk_identity: bytes | None = None
    """The first offered identity."""
    psk_selected: int | None = None
    record_size_limit: int | None = None
    session_ticket: int | None = None
    """Length of the ticket, in bytes; 0 asks for one."""
    renegotiated_connection: int | None = None
    """Length of renegotiation_info's field: 0 in a first handshake (RFC 5746)."""
    cookie: bool = False
    early_data: bool = False


def _server_name(reader: Reader) -> Mapping[str, object]:
    if not reader.left:
        return {"server_name": b""}
    name: bytes | None = None
    with reader.nested(2, "server_name_list", "ServerNameList") as names:
        while names.left:
            kind = names.u8("name_type")
            value = names.vector(2, "host_name")
            if kind == 0 and name is None:
                name = value
    return {"server_name": name}


def _max_fragment_length(reader: Reader) -> Mapping[str, object]:
    at = reader.offset
    code = reader.u8("max_fragment_length")
    if not 1 <= code <= 4:
        raise Malformed(reader.struct, "max_fragment_length", at, reason=f"is {code}, not 1 to 4")
    return {"max_fragment_length": 1 << (8 + code)}


def _groups(reader: Reader) -> Mapping[str, object]:
    return {"groups": reader.u16s(2, "named_group_list")}


def _point_formats(reader: Reader) -> Mapping[str, object]:
    return {"point_formats": tuple(reader.vector(1, "ec_point_format_list"))}


def _signature_algorithms(reader: Reader) -> Mapping[str, object]:
    return {"signature_algorithms": reader.u16s(2, "supported_signature_algorithms")}


def _signature_algorithms_cert(reader: Reader) -> Mapping[str, object]:
    return {"signature_algorithms_cert": reader.u16s(2, "supported_signature_algorithms")}


def _alpn(reader: Reader) -> Mapping[str, object]:
    names: list[bytes] = []
    with reader.nested(2, "protocol_name_list", "ProtocolNameList") as inner:
        while inner.left:
            names.append(inner.vector(1, "ProtocolName"))
    return {"alpn": tuple(names)}


def _record_size_limit(reader: Reader) -> Mapping[str, object]:
    return {"record_size_limit": reader.u16("RecordSizeLimit")}


def _session_ticket(reader: Reader) -> Mapping[str, object]:
    return {"session_ticket": len(reader.rest())}


def _renegotiation_info(reader: Reader) -> Mapping[str, object]:
    return {"renegotiated_connection": len(reader.vector(1, "renegotiated_connection"))}


def _cookie(reader: Reader) -> Mapping[str, object]:
    reader.vector(2, "cookie")
    return {"cookie": True}


def _early_data(reader: Reader) -> Mapping[str, object]:
    return {"early_data": True}


def _psk_modes(reader: Reader) -> Mapping[str, object]:
    return {"psk_modes": tuple(reader.vector(1, "ke_modes"))}


def _client_versions(reader: Reader) -> Mapping[str, object]:
    return {"versions": reader.u16s(1, "versions")}


def _server_version(reader: Reader) -> Mapping[str, object]:
    return {"versions": (reader.u16("selected_version"),)}


def _client_key_shares(reader: Reader) -> Mapping[str, object]:
    groups: list[int] = []
    with reader.nested(2, "client_shares", "KeyShareClientHello") as shares:
        while shares.left:
            groups.append(shares.u16("group"))
            shares.vector(2, "key_exchange")
    return {"key_shares": tuple(groups)}


def _server_key_share(reader: Reader) -> Mapping[str, object]:
    group = reader.u16("group")
    if reader.left:  # a HelloRetryRequest names the group alone
        reader.vector(2, "key_exchange")
    return {"key_shares": (group,)}


def _client_psk(reader: Reader) -> Mapping[str, object]:
    lengths: list[int] = []
    first: bytes | None = None
    with reader.nested(2, "identities", "OfferedPsks") as identities:
        while identities.left:
            identity = identities.vector(2, "identity")
            identities.u32("obfuscated_ticket_age")
            first = identity if first is None else first
            lengths.append(len(identity))
    reader.vector(2, "binders")
    return {"psk_identities": tuple(lengths), "psk_identity": first}


def _server_psk(reader: Reader) -> Mapping[str, object]:
    return {"psk_selected": reader.u16("selected_identity")}


_Function = Callable[[Reader], Mapping[str, object]]

_SHARED: dict[int, _Function] = {
    SERVER_NAME: _server_name,
    MAX_FRAGMENT_LENGTH: _max_fragment_length,
    EC_POINT_FORMATS: _point_formats,
    ALPN: _alpn,
    RECORD_SIZE_LIMIT: _record_size_limit,
    SESSION_TICKET: _session_ticket,
    RENEGOTIATION_INFO: _renegotiation_info,
    COOKIE: _cookie,
    EARLY_DATA: _early_data,
}
_CLIENT: dict[int, _Function] = _SHARED | {
    SUPPORTED_GROUPS: _groups,
    SIGNATURE_ALGORITHMS: _signature_algorithms,
    SIGNATURE_ALGORITHMS_CERT: _signature_algorithms_cert,
    PSK_KEY_EXCHANGE_MODES: _psk_modes,
    SUPPORTED_VERSIONS: _client_versions,
    KEY_SHARE: _client_key_shares,
    KEY_SHARE_DRAFT: _client_key_shares,
    PRE_SHARED_KEY: _client_psk,
}
_SERVER: dict[int, _Function] = _SHARED | {
    SUPPORTED_GROUPS: _groups,
    SUPPORTED_VERSIONS: _server_version,
    KEY_SHARE: _server_key_share,
    KEY_SHARE_DRAFT: _server_key_share,
    PRE_SHARED_KEY: _server_psk,
}


def read_extensions(reader: Reader) -> tuple[Extension, ...]:
    """Read the extension block of a hello; an absent block is an empty one.

    Raises:
        ParseError: a length does not fit.
    """
    if not reader.left:
        return ()
    found: list[Extension] = []
    with reader.nested(2, "extensions") as block:
        while block.left:
            at = block.offset
            kind = block.u16("extension_type")
            found.append(Extension(kind, block.vector(2, "extension_data"), at))
    return tuple(found)


def interpret(
    raw: tuple[Extension, ...], *, server: bool
) -> tuple[Extensions, tuple[ParseError, ...]]:
    """Read what is known; a broken extension is a fault and does not stop the others.

    The first of several extensions of one type counts.
    """
    table = _SERVER if server else _CLIENT
    values: dict[str, object] = {}
    faults: list[ParseError] = []
    seen: dict[int, int] = {}
    for extension in raw:
        seen[extension.type] = seen.get(extension.type, 0) + 1
        if seen[extension.type] > 1:
            # Once for each type: a block can repeat one thousands of times.
            if seen[extension.type] > 2 or len(faults) >= MAX_FAULTS:
                continue
            faults.append(
                Malformed(
                    "Extension",
                    "extension_type",
                    extension.offset,
                    reason=f"{extension.type} appears twice",
                )
            )
            continue
        function = table.get(extension.type)
        if function is None:
            continue
        reader = Reader(extension.data, f"extension {extension.type}")
        try:
            read = function(reader)
            reader.finish()
        except ParseError as error:
            error.offset += extension.offset + 4  # from the message's start
            faults.append(error)
        else:
            values.update(read)
    return Extensions(**values), tuple(faults)  # type: ignore[arg-type]  # the table's keys are the fields
