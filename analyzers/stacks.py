"""Which TLS library wrote a hello, told by its structure.

A guess, never a certainty: anybody can send any hello. What each library looks like is
data, in `data/stacks.toml`, with the source of each line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Literal

import msgspec

from analyzers.codepoints import GREASE_16, CipherSuite, ExtensionType
from analyzers.codepoints.suites import key_exchange
from analyzers.messages import ClientHello, ServerHello

Certainty = Literal["likely", "possible"]

_SCSV = int(CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV)
_SIGNALLING = frozenset((_SCSV, int(CipherSuite.TLS_FALLBACK_SCSV)))
_RENEGOTIATION_INFO = int(ExtensionType.RENEGOTIATION_INFO)
_MIN_SCHEMES = 4
"""A shorter list of signature schemes was restricted by the user: its order says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloShape:
    """What of a ClientHello depends on the library that wrote it; all in wire order."""

    record_version: int
    """legacy_record_version of the hello's first record."""
    legacy_version: int
    cipher_suites: tuple[int, ...]
    extensions: tuple[int, ...]
    groups: tuple[int, ...] = ()
    key_shares: tuple[int, ...] = ()
    """The groups of the key shares."""
    signature_algorithms: tuple[int, ...] = ()
    session_id_length: int = 0
    """In bytes."""
    compression_methods: tuple[int, ...] = (0,)
    alpn: tuple[bytes, ...] = ()
    versions: tuple[int, ...] = ()
    """supported_versions; empty without the extension."""
    point_formats: tuple[int, ...] = ()
    psk_modes: tuple[int, ...] = ()

    @classmethod
    def of(cls, hello: ClientHello, record_version: int) -> HelloShape:
        """The shape of a parsed ClientHello."""
        known = hello.extensions
        return cls(
            record_version=record_version,
            legacy_version=hello.legacy_version,
            cipher_suites=hello.cipher_suites,
            extensions=hello.extension_types,
            groups=known.groups,
            key_shares=known.key_shares,
            signature_algorithms=known.signature_algorithms,
            session_id_length=len(hello.session_id),
            compression_methods=hello.compression_methods,
            alpn=known.alpn,
            versions=known.versions,
            point_formats=known.point_formats,
            psk_modes=known.psk_modes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerShape:
    """What of a ServerHello depends on the library that wrote it."""

    version: int
    """The chosen one."""
    extensions: tuple[int, ...]
    """In wire order."""
    offered: frozenset[int]
    """The types of the ClientHello's extensions, so that an absent answer means something;
    a renegotiation signalling suite counts as renegotiation_info."""

    @classmethod
    def of(cls, hello: ServerHello, client_hello: ClientHello | None) -> ServerShape:
        """The shape of a parsed ServerHello that answers `client_hello`."""
        offered: frozenset[int] = frozenset()
        if client_hello is not None:
            offered = frozenset(client_hello.extension_types)
            if _SCSV in client_hello.cipher_suites:
                offered |= {_RENEGOTIATION_INFO}
        return cls(version=hello.version, extensions=hello.extension_types, offered=offered)


@dataclass(frozen=True, slots=True)
class Stack:
    """A library that writes such hellos."""

    name: str
    """For people: "Node.js (OpenSSL 3.0 or 3.1)"."""
    certainty: Certainty
    families: tuple[str, ...]
    """Everything known to write this same hello: "openssl", "node", "dotnet", "go",
    "rustls", "jsse", "boringssl", "gnutls", "nss", "mbedtls", "wolfssl", "erlang",
    "botan", "schannel", "bearssl", "tlslite", "mono"."""

    @property
    def family(self) -> str:
        """The library or program that comes first to mind, of `families`."""
        return self.families[0]


class Match(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Conditions on a hello; what is absent is not asked."""

    extensions_order: tuple[int, ...] | None = None
    extensions_allowed: frozenset[int] | None = None
    extensions_required: frozenset[int] = frozenset()
    extensions_forbidden: frozenset[int] = frozenset()
    signature_order: tuple[int, ...] | None = None
    signatures_any: frozenset[int] | None = None
    signatures_none: frozenset[int] = frozenset()
    group_order: tuple[int, ...] | None = None
    groups_any: frozenset[int] | None = None
    groups_none: frozenset[int] = frozenset()
    groups_required: frozenset[int] = frozenset()
    suites_start: tuple[int, ...] = ()
    suites_order: tuple[int, ...] | None = None
    scsv: Literal["first", "last", "none"] | None = None
    point_formats: tuple[int, ...] | None = None
    psk_modes: tuple[int, ...] | None = None
    record_versions: frozenset[int] | None = None
    session_id: frozenset[int] | None = None
    tls13_only: bool = False


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the data."""

    name: str
    source: str
    match: Match
    families: tuple[str, ...] = ()
    library: str | None = None
    """Key of `libraries`, whose first match names the version."""
    certainty: Certainty = "likely"
    offered: frozenset[int] = frozenset()
    """For servers: extensions that the client must have offered."""


class Stacks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The data, as `data/stacks.toml` has it."""

    libraries: dict[str, tuple[Entry, ...]]
    client: tuple[Entry, ...]
    server: tuple[Entry, ...]


@lru_cache(maxsize=1)
def load() -> Stacks:
    """Read the data, once."""
    text = resources.files("analyzers").joinpath("data/stacks.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Stacks)


@lru_cache(maxsize=256)
def recognise_client(shape: HelloShape) -> Stack | None:
    """Say which library wrote a ClientHello; None where no entry fits."""
    return next(matches(shape), None)


def matches(shape: HelloShape) -> Iterator[Stack]:
    """Every entry that fits a ClientHello, the most special first."""
    stacks = load()
    features = _Features(shape)
    for entry in stacks.client:
        if features.fit(entry.match):
            yield Stack(_name(entry, features, stacks), entry.certainty, entry.families)


def recognise_server(shape: ServerShape) -> Stack | None:
    """Say which library wrote a ServerHello; None where it cannot be told.

    Only up to TLS 1.2 the extensions tell enough, and only beside what was offered.
    """
    if not 0x0301 <= shape.version <= 0x0303:
        return None
    for entry in load().server:
        if entry.offered <= shape.offered and _extensions_fit(entry.match, shape.extensions):
            return Stack(entry.name, entry.certainty, entry.families)
    return None


class _Features:
    """A hello without GREASE, and with its suites sorted out."""

    def __init__(self, shape: HelloShape) -> None:
        self.shape = shape
        self.extensions = _real(shape.extensions)
        self.groups = _real(shape.groups)
        self.schemes = _real(shape.signature_algorithms)
        suites = [s for s in _real(shape.cipher_suites) if s != CipherSuite.TLS_FALLBACK_SCSV]
        self.scsv = _place(suites)
        self.suites = tuple(
            s for s in suites if s not in _SIGNALLING and key_exchange(s) != "TLS13"
        )

    def fit(self, match: Match) -> bool:
        """Whether every condition holds."""
        return (
            _extensions_fit(match, self.extensions)
            and self._lists_fit(match)
            and self._suites_fit(match)
            and self._habits_fit(match)
        )

    def _lists_fit(self, match: Match) -> bool:
        schemes, groups = frozenset(self.schemes), frozenset(self.groups)
        if match.signature_order is not None and not (
            len(self.schemes) >= _MIN_SCHEMES and _excerpt(self.schemes, match.signature_order)
        ):
            return False
        if match.group_order is not None and not _excerpt(self.groups, match.group_order):
            return False
        return (
            (match.signatures_any is None or bool(schemes & match.signatures_any))
            and not schemes & match.signatures_none
            and (match.groups_any is None or bool(groups & match.groups_any))
            and not groups & match.groups_none
            and match.groups_required <= groups
        )

    def _suites_fit(self, match: Match) -> bool:
        return (
            self.suites[: len(match.suites_start)] == match.suites_start
            and (match.suites_order is None or _excerpt(self.suites, match.suites_order))
            and (match.scsv is None or match.scsv == self.scsv)
            and not (match.tls13_only and self.suites)
        )

    def _habits_fit(self, match: Match) -> bool:
        shape = self.shape
        # Optional extensions say nothing when they are absent.
        return (
            (
                match.point_formats is None
                or 11 not in self.extensions
                or shape.point_formats == match.point_formats
            )
            and (
                match.psk_modes is None
                or 45 not in self.extensions
                or shape.psk_modes == match.psk_modes
            )
            and (match.record_versions is None or shape.record_version in match.record_versions)
            and (match.session_id is None or shape.session_id_length in match.session_id)
        )


def _name(entry: Entry, features: _Features, stacks: Stacks) -> str:
    if entry.library is None:
        return entry.name
    version = next(
        version.name for version in stacks.libraries[entry.library] if features.fit(version.match)
    )
    return f"{entry.name} ({version})" if entry.name else version


def _real(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(value for value in values if value not in GREASE_16)


def _place(suites: Sequence[int]) -> str:
    if _SCSV not in suites:
        return "none"
    if suites[0] == _SCSV:
        return "first"
    return "last" if suites[-1] == _SCSV else "inside"


def _extensions_fit(match: Match, extensions: Sequence[int]) -> bool:
    present = frozenset(extensions)
    return (
        match.extensions_required <= present
        and not match.extensions_forbidden & present
        and (match.extensions_allowed is None or present <= match.extensions_allowed)
        and (match.extensions_order is None or _excerpt(extensions, match.extensions_order))
    )


def _excerpt(part: Iterable[int], whole: Iterable[int]) -> bool:
    """Whether `part` is `whole` with some elements left out."""
    rest = iter(whole)
    return all(value in rest for value in part)
