"""Names in certificates: distinguished names, general names and how they are printed."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from analyzers.errors import ParseError
from analyzers.printable import printable
from analyzers.x509.der import (
    OBJECT_IDENTIFIER,
    SEQUENCE,
    SET,
    DerReader,
    Element,
    read_oid,
    read_text,
)

MAX_ATTRIBUTES = 64
"""Attributes of one distinguished name."""
MAX_GENERAL_NAMES = 1000
"""Entries of one subjectAltName or name constraint."""

_ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.46": "dnQualifier",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
}
COMMON_NAME = "CN"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One type and value of a distinguished name; `text` is not printable yet."""

    type: str
    """The short name ("CN", "O"), or the dotted identifier."""
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name (RFC 5280 section 4.1.2.4)."""

    der: bytes
    rdns: tuple[tuple[Attribute, ...], ...]
    """In encoded order: the least specific (usually C or O) first."""
    text: str
    """RFC 4514: the most specific first; printable."""
    folded: tuple[tuple[tuple[str, str], ...], ...]
    """For comparison: case and runs of spaces do not count (RFC 5280 section 7.1)."""

    def __bool__(self) -> bool:
        return bool(self.rdns)

    def same(self, other: Name) -> bool:
        """Whether both name the same entity; two empty names never do."""
        return bool(self) and self.folded == other.folded

    @property
    def common_name(self) -> str | None:
        """The last common name, not printable yet."""
        found = None
        for rdn in self.rdns:
            for attribute in rdn:
                if attribute.type == COMMON_NAME:
                    found = attribute.text
        return found

    def values(self, kind: str) -> tuple[str, ...]:
        """All values of one attribute type, not printable yet."""
        return tuple(a.text for rdn in self.rdns for a in rdn if a.type == kind)


@dataclass(frozen=True, slots=True)
class GeneralName:
    """One subject alternative name or subtree base (RFC 5280 section 4.2.1.6)."""

    kind: str
    """"DNS", "IP", "URI", "EMAIL", "DIRNAME", "RID" or "OTHER"."""
    value: str
    """Not printable yet; for IP the address, with "/prefix" in name constraints."""
    name: Name | None = None
    """The distinguished name of a DIRNAME."""
    packed: bytes = b""
    """The bytes of an IP address, 4 or 16; in name constraints twice as many."""

    @property
    def text(self) -> str:
        """Like "DNS:broker.example.com", printable."""
        return f"{self.kind}:{printable(self.value)}"


EMPTY_NAME = Name(b"", (), "", ())
"""What stands for a name that is empty or could not be read."""


def read_name(element: Element, field: str) -> Name:
    """A Name; `element` is its SEQUENCE.

    Raises:
        ParseError: it is no RDNSequence.
    """
    rdns: list[tuple[Attribute, ...]] = []
    for rdn in element.inside("Name").each(field, limit=MAX_ATTRIBUTES, tags=(SET,)):
        attributes = []
        for pair in rdn.inside().each(field, limit=MAX_ATTRIBUTES, tags=(SEQUENCE,)):
            reader = pair.inside("AttributeTypeAndValue")
            oid = read_oid(reader.next("type", OBJECT_IDENTIFIER), "type")
            value = reader.next("value")
            text = read_text(value)
            if text is None:
                text = "#" + value.raw[:64].hex()
            attributes.append(Attribute(_ATTRIBUTES.get(oid, oid), text))
        rdns.append(tuple(attributes))
    frozen = tuple(rdns)
    return Name(element.raw, frozen, _rfc4514(frozen), _folded(frozen))


def _rfc4514(rdns: tuple[tuple[Attribute, ...], ...]) -> str:
    return ",".join("+".join(f"{a.type}={_escape(a.text)}" for a in rdn) for rdn in reversed(rdns))


def _escape(value: str) -> str:
    out = "".join("\\" + c if c in '\\,+"<>;' else c for c in value)
    if out.startswith((" ", "#")):
        out = "\\" + out
    if out.endswith(" ") and len(value) > 1:
        out = out[:-1] + "\\ "
    return printable(out)


def _folded(rdns: tuple[tuple[Attribute, ...], ...]) -> tuple[tuple[tuple[str, str], ...], ...]:
    return tuple(
        tuple(sorted((a.type, " ".join(a.text.casefold().split())) for a in rdn)) for rdn in rdns
    )


def read_general_names(reader: DerReader, field: str) -> tuple[GeneralName, ...]:
    """All GeneralNames that `reader` still holds.

    Raises:
        ParseError: one of them can't be read.
    """
    return tuple(read_general_name(e, field) for e in reader.each(field, limit=MAX_GENERAL_NAMES))


def read_general_name(element: Element, field: str) -> GeneralName:
    """One GeneralName."""
    number = element.tag & 0x1F
    if not element.tag & 0x80:
        raise element.fault(field, f"has the unexpected tag 0x{element.tag:02X}")
    content = element.content
    if number == 1:
        return GeneralName("EMAIL", _ascii(content))
    if number == 2:
        return GeneralName("DNS", _ascii(content))
    if number == 6:
        return GeneralName("URI", _ascii(content))
    if number == 7:
        return GeneralName("IP", _address(element, field), packed=content)
    if number == 4:
        name = read_name(element.inside().next(field, SEQUENCE), field)
        return GeneralName("DIRNAME", name.text, name=name)
    if number == 8:
        return GeneralName("RID", read_oid(element, field))
    return GeneralName("OTHER", content[:64].hex())


def _ascii(content: bytes) -> str:
    """IA5String; foreign bytes are shown as what they most likely are."""
    try:
        return content.decode("utf-8")
    except ValueError:
        return content.decode("latin-1")


def _address(element: Element, field: str) -> str:
    content = element.content
    if len(content) in (4, 16):
        return str(ip_address(content))
    if len(content) in (8, 32):
        half = len(content) // 2
        mask = int.from_bytes(content[half:], "big")
        bits = f"{mask:0{half * 8}b}"
        base = ip_address(content[:half])
        if "01" in bits:
            return f"{base}/{ip_address(content[half:])}"
        return f"{base}/{bits.count('1')}"
    raise element.fault(field, f"is an IP address of {len(content)} bytes")


def read_distinguished_name(der: bytes) -> Name:
    """A DER name, as in CertificateRequest.authorities; `EMPTY_NAME` if unreadable."""
    try:
        return read_name(DerReader(der, "Name").next("Name", SEQUENCE), "Name")
    except ParseError:
        return EMPTY_NAME
