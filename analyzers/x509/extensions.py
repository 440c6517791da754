"""Certificate extensions (RFC 5280 section 4.2): one reader a type, the rest kept as ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analyzers.errors import ParseError
from analyzers.x509.der import (
    BOOLEAN,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    DerReader,
    Element,
    read_boolean,
    read_integer,
    read_named_bits,
    read_oid,
)
from analyzers.x509.names import (
    MAX_GENERAL_NAMES,
    GeneralName,
    Name,
    read_general_name,
    read_general_names,
)

MAX_EXTENSIONS = 100
MAX_PURPOSES = 100
MAX_URLS = 20

_KEY_USAGES = (
    "digitalSignature",
    "contentCommitment",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
)
_PURPOSES = {
    "2.5.29.37.0": "anyExtendedKeyUsage",
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.5": "ipsecEndSystem",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "1.3.6.1.5.5.7.3.17": "ipsecIKE",
    "1.3.6.1.4.1.311.20.2.2": "smartcardLogon",
}
_SUBJECT_KEY_ID = "2.5.29.14"
_KEY_USAGE = "2.5.29.15"
_SUBJECT_ALT_NAME = "2.5.29.17"
_BASIC_CONSTRAINTS = "2.5.29.19"
_NAME_CONSTRAINTS = "2.5.29.30"
_CRL_POINTS = "2.5.29.31"
_AUTHORITY_KEY_ID = "2.5.29.35"
_EXTENDED_KEY_USAGE = "2.5.29.37"
_AUTHORITY_INFO = "1.3.6.1.5.5.7.1.1"
_TLS_FEATURE = "1.3.6.1.5.5.7.1.24"
_OCSP = "1.3.6.1.5.5.7.48.1"
_CA_ISSUERS = "1.3.6.1.5.5.7.48.2"
_STATUS_REQUEST = 5

_NAMES = {
    _SUBJECT_KEY_ID: "subjectKeyIdentifier",
    _KEY_USAGE: "keyUsage",
    _SUBJECT_ALT_NAME: "subjectAltName",
    "2.5.29.18": "issuerAltName",
    _BASIC_CONSTRAINTS: "basicConstraints",
    _NAME_CONSTRAINTS: "nameConstraints",
    _CRL_POINTS: "cRLDistributionPoints",
    "2.5.29.32": "certificatePolicies",
    "2.5.29.33": "policyMappings",
    _AUTHORITY_KEY_ID: "authorityKeyIdentifier",
    "2.5.29.36": "policyConstraints",
    _EXTENDED_KEY_USAGE: "extKeyUsage",
    "2.5.29.46": "freshestCRL",
    "2.5.29.54": "inhibitAnyPolicy",
    _AUTHORITY_INFO: "authorityInfoAccess",
    "1.3.6.1.5.5.7.1.11": "subjectInfoAccess",
    _TLS_FEATURE: "tlsFeature",
    "1.3.6.1.5.5.7.48.1.5": "ocspNoCheck",
    "1.3.6.1.4.1.11129.2.4.2": "signedCertificateTimestamps",
}
"""Extensions that common verifiers process; any other that is critical must be refused."""


@dataclass(frozen=True, slots=True)
class NameConstraints:
    """Which names a CA may certify (RFC 5280 section 4.2.1.10)."""

    permitted: tuple[GeneralName, ...] = ()
    excluded: tuple[GeneralName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """The extensions that rules need; None: absent or unreadable (then in `faults`)."""

    present: tuple[str, ...] = ()
    """All of them in encoded order: names as in RFC 5280, else dotted identifiers."""
    critical: tuple[str, ...] = ()
    """Those marked critical."""
    unknown_critical: tuple[str, ...] = ()
    """Dotted identifiers of critical extensions that common verifiers do not process."""
    alternative_names: tuple[GeneralName, ...] | None = None
    is_ca: bool | None = None
    """None: no basicConstraints."""
    path_length: int | None = None
    key_usage: tuple[str, ...] | None = None
    extended_key_usage: tuple[str, ...] | None = None
    subject_key_id: bytes | None = None
    authority_key_id: bytes | None = None
    authority_issuer: Name | None = None
    """authorityCertIssuer: who issued the certificate of the issuer."""
    name_constraints: NameConstraints | None = None
    must_staple: bool = False
    """tlsFeature status_request: no connection without a stapled OCSP answer (RFC 7633)."""
    ocsp_urls: tuple[str, ...] = ()
    ca_issuer_urls: tuple[str, ...] = ()
    crl_urls: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


class _Found:
    """The values on the way to an `Extensions`."""

    def __init__(self) -> None:
        self.alternative_names: tuple[GeneralName, ...] | None = None
        self.is_ca: bool | None = None
        self.path_length: int | None = None
        self.key_usage: tuple[str, ...] | None = None
        self.extended_key_usage: tuple[str, ...] | None = None
        self.subject_key_id: bytes | None = None
        self.authority_key_id: bytes | None = None
        self.authority_issuer: Name | None = None
        self.name_constraints: NameConstraints | None = None
        self.must_staple = False
        self.ocsp_urls: list[str] = []
        self.ca_issuer_urls: list[str] = []
        self.crl_urls: list[str] = []


def read_extensions(reader: DerReader) -> Extensions:
    """Every extension that can be read; a broken one becomes a fault. Never raises."""
    found = _Found()
    present: list[str] = []
    critical: list[str] = []
    unknown: list[str] = []
    faults: list[str] = []
    try:
        for element in reader.each("extensions", limit=MAX_EXTENSIONS, tags=(SEQUENCE,)):
            inner = element.inside("Extension")
            oid = read_oid(inner.next("extnID", OBJECT_IDENTIFIER), "extnID")
            name = _NAMES.get(oid, oid)
            flag = inner.optional("critical", BOOLEAN)
            if name in present:
                faults.append(f"extension {name} appears more than once")
            present.append(name)
            if flag is not None and read_boolean(flag, "critical"):
                critical.append(name)
                if oid not in _NAMES:
                    unknown.append(oid)
            value = inner.next("extnValue", OCTET_STRING)
            read = _READERS.get(oid)
            if read is not None:
                try:
                    read(DerReader(value.data, name, start=value.body, end=value.end), found)
                except ParseError as error:
                    faults.append(str(error))
    except ParseError as error:
        faults.append(str(error))
    return Extensions(
        present=tuple(present),
        critical=tuple(critical),
        unknown_critical=tuple(unknown),
        alternative_names=found.alternative_names,
        is_ca=found.is_ca,
        path_length=found.path_length,
        key_usage=found.key_usage,
        extended_key_usage=found.extended_key_usage,
        subject_key_id=found.subject_key_id,
        authority_key_id=found.authority_key_id,
        authority_issuer=found.authority_issuer,
        name_constraints=found.name_constraints,
        must_staple=found.must_staple,
        ocsp_urls=tuple(found.ocsp_urls),
        ca_issuer_urls=tuple(found.ca_issuer_urls),
        crl_urls=tuple(found.crl_urls),
        faults=tuple(faults),
    )


def _alternative_names(reader: DerReader, found: _Found) -> None:
    names: list[GeneralName] = []
    found.alternative_names = ()
    try:
        inner = reader.enter("GeneralNames")
        names.extend(
            read_general_name(element, "GeneralName")
            for element in inner.each("GeneralName", limit=MAX_GENERAL_NAMES)
        )
    finally:
        # Names before a broken one are names all the same.
        found.alternative_names = tuple(names)


def _basic_constraints(reader: DerReader, found: _Found) -> None:
    inner = reader.enter("BasicConstraints")
    flag = inner.optional("cA", BOOLEAN)
    found.is_ca = flag is not None and read_boolean(flag, "cA")
    length = inner.optional("pathLenConstraint", INTEGER)
    if length is not None:
        number = read_integer(length, "pathLenConstraint", most=8)
        if number < 0:
            raise length.fault("pathLenConstraint", "is negative")
        found.path_length = number


def _key_usage(reader: DerReader, found: _Found) -> None:
    found.key_usage = read_named_bits(reader.next("KeyUsage", 0x03), _KEY_USAGES, "KeyUsage")


def _extended_key_usage(reader: DerReader, found: _Found) -> None:
    inner = reader.enter("ExtKeyUsageSyntax")
    oids = [
        read_oid(e, "KeyPurposeId")
        for e in inner.each("KeyPurposeId", limit=MAX_PURPOSES, tags=(OBJECT_IDENTIFIER,))
    ]
    found.extended_key_usage = tuple(_PURPOSES.get(oid, oid) for oid in oids)


def _subject_key_id(reader: DerReader, found: _Found) -> None:
    found.subject_key_id = reader.next("SubjectKeyIdentifier", OCTET_STRING).content


def _authority_key_id(reader: DerReader, found: _Found) -> None:
    inner = reader.enter("AuthorityKeyIdentifier")
    if (key_id := inner.optional("keyIdentifier", 0x80)) is not None:
        found.authority_key_id = key_id.content
    if (issuer := inner.optional("authorityCertIssuer", 0xA1)) is not None:
        for name in read_general_names(issuer.inside(), "authorityCertIssuer"):
            found.authority_issuer = name.name or found.authority_issuer


def _name_constraints(reader: DerReader, found: _Found) -> None:
    inner = reader.enter("NameConstraints")
    permitted = inner.optional("permittedSubtrees", 0xA0)
    excluded = inner.optional("excludedSubtrees", 0xA1)
    found.name_constraints = NameConstraints(
        () if permitted is None else _subtrees(permitted),
        () if excluded is None else _subtrees(excluded),
    )


def _subtrees(element: Element) -> tuple[GeneralName, ...]:
    reader = element.inside("GeneralSubtrees")
    return tuple(
        read_general_name(subtree.inside("GeneralSubtree").next("base"), "base")
        for subtree in reader.each("GeneralSubtree", limit=MAX_GENERAL_NAMES, tags=(SEQUENCE,))
    )


def _authority_info(reader: DerReader, found: _Found) -> None:
    inner = reader.enter("AuthorityInfoAccessSyntax")
    for access in inner.each("AccessDescription", limit=MAX_URLS, tags=(SEQUENCE,)):
        pair = access.inside("AccessDescription")
        method = read_oid(pair.next("accessMethod", OBJECT_IDENTIFIER), "accessMethod")
        place = read_general_name(pair.next("accessLocation"), "accessLocation")
        if place.kind == "URI" and method == _OCSP:
            found.ocsp_urls.append(place.text.removeprefix("URI:"))
        elif place.kind == "URI" and method == _CA_ISSUERS:
            found.ca_issuer_urls.append(place.text.removeprefix("URI:"))


def _crl_points(reader: DerReader, found: _Found) -> None:
    inner = reader.enter("CRLDistributionPoints")
    for point in inner.each("DistributionPoint", limit=MAX_URLS, tags=(SEQUENCE,)):
        where = point.inside("DistributionPoint").optional("distributionPoint", 0xA0)
        full = None if where is None else where.inside().optional("fullName", 0xA0)
        if full is not None:
            names = read_general_names(full.inside(), "fullName")
            found.crl_urls += [n.text.removeprefix("URI:") for n in names if n.kind == "URI"]


def _tls_feature(reader: DerReader, found: _Found) -> None:
    inner = reader.enter("Features")
    features = [
        read_integer(e, "Feature", most=8)
        for e in inner.each("Feature", limit=MAX_PURPOSES, tags=(INTEGER,))
    ]
    found.must_staple = _STATUS_REQUEST in features


_READERS: dict[str, Callable[[DerReader, _Found], None]] = {
    _SUBJECT_ALT_NAME: _alternative_names,
    _BASIC_CONSTRAINTS: _basic_constraints,
    _KEY_USAGE: _key_usage,
    _EXTENDED_KEY_USAGE: _extended_key_usage,
    _SUBJECT_KEY_ID: _subject_key_id,
    _AUTHORITY_KEY_ID: _authority_key_id,
    _NAME_CONSTRAINTS: _name_constraints,
    _AUTHORITY_INFO: _authority_info,
    _CRL_POINTS: _crl_points,
    _TLS_FEATURE: _tls_feature,
}
