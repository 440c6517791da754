"""DER -> the facts of a certificate that rules need (RFC 5280)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

from analyzers.errors import ParseError
from analyzers.printable import printable
from analyzers.x509.algorithms import (
    UNKNOWN_KEY,
    UNKNOWN_SIGNATURE,
    PublicKey,
    SignatureAlgorithm,
    read_public_key,
    read_signature_algorithm,
)
from analyzers.x509.der import (
    BIT_STRING,
    GENERALIZED_TIME,
    INTEGER,
    SEQUENCE,
    UTC_TIME,
    DerReader,
    Element,
    read_bit_string,
    read_integer,
    read_time,
)
from analyzers.x509.extensions import Extensions, read_extensions
from analyzers.x509.names import EMPTY_NAME, GeneralName, Name, read_name

T = TypeVar("T")
_MAX_SERIAL_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Certificate:
    """One certificate: what could be read of it, and what could not (`faults`).

    Two certificates are equal if their DER is. Text is printable already.
    """

    der: bytes
    sha256: str
    """Lower-case hexadecimal SHA-256 of the DER."""
    version: int | None
    """1, 2 or 3."""
    serial: str
    """Lower-case hexadecimal, "-" in front if negative; "" if unreadable."""
    subject_name: Name
    issuer_name: Name
    not_before: float | None
    """Seconds since the Unix epoch (UTC)."""
    not_after: float | None
    """Seconds since the Unix epoch (UTC); the certificate is valid up to and including it."""
    key: PublicKey
    signature_algorithm: SignatureAlgorithm
    """The outer one, which says how to verify."""
    signature_algorithms_agree: bool
    """False: the signed part names another algorithm (forbidden, RFC 5280 4.1.1.2)."""
    signature: bytes
    tbs: bytes
    """The DER of the signed part."""
    extensions: Extensions
    self_signed: bool | None = None
    """Issuer is subject and the own key verifies the signature; None: can't be checked."""
    faults: tuple[str, ...] = field(default=())
    """What breaks RFC 5280's encoding, in words."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    @property
    def subject(self) -> str:
        """RFC 4514 text; "" for an empty name."""
        return self.subject_name.text

    @property
    def issuer(self) -> str:
        """RFC 4514 text; "" for an empty name."""
        return self.issuer_name.text

    @property
    def common_name(self) -> str | None:
        """The subject's last CN."""
        name = self.subject_name.common_name
        return None if name is None else printable(name)

    @property
    def called(self) -> str:
        """What to call it in a sentence: its CN, else its subject, else its serial."""
        return self.common_name or self.subject or f"serial {self.serial or 'unknown'}"

    @property
    def issuer_called(self) -> str:
        """What to call its issuer in a sentence."""
        name = self.issuer_name.common_name
        return (printable(name) if name else "") or self.issuer or "an unnamed issuer"

    @property
    def self_issued(self) -> bool:
        """Issuer and subject are the same name; says nothing about the signature."""
        return self.subject_name.same(self.issuer_name)

    @property
    def san(self) -> tuple[str, ...]:
        """Subject alternative names as "DNS:..", "IP:..", "URI:..", "EMAIL:.."."""
        return tuple(name.text for name in self.alternative_names)

    @property
    def alternative_names(self) -> tuple[GeneralName, ...]:
        """Subject alternative names; () if there are none."""
        return self.extensions.alternative_names or ()

    @property
    def is_ca(self) -> bool | None:
        """basicConstraints.cA; False in version 3 without it, None where versions had none."""
        if self.extensions.is_ca is not None:
            return self.extensions.is_ca
        return False if self.version == 3 else None

    @property
    def path_length(self) -> int | None:
        """basicConstraints.pathLenConstraint."""
        return self.extensions.path_length

    @property
    def key_usage(self) -> tuple[str, ...] | None:
        """Like ("digitalSignature", "keyCertSign"); None: no such extension."""
        return self.extensions.key_usage

    @property
    def extended_key_usage(self) -> tuple[str, ...] | None:
        """Like ("serverAuth", "clientAuth"), or dotted; None: no such extension."""
        return self.extensions.extended_key_usage


def parse_certificate(der: bytes) -> Certificate:
    """Read a certificate; never raises. `self_signed` is left None.

    Cost is linear in the length of `der`.
    """
    return _Parser(der).parse()


class _Parser:
    """Reads field by field; a field that can't be read becomes a fault."""

    def __init__(self, der: bytes) -> None:
        self._der = der
        self._faults: list[str] = []

    def _try(self, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except ParseError as error:
            self._faults.append(str(error))
            return otherwise

    def parse(self) -> Certificate:
        der = self._der
        outer = DerReader(der, "Certificate")
        body = self._try(
            lambda: outer.enter("Certificate", SEQUENCE), DerReader(b"", "Certificate")
        )
        if outer.left and body.left:
            self._faults.append(f"Certificate is followed by {outer.left} unexpected bytes")
        signed = self._try(lambda: body.next("tbsCertificate", SEQUENCE), None)
        outer_algorithm = self._try(lambda: body.next("signatureAlgorithm", SEQUENCE), None)
        signature = self._try(
            lambda: read_bit_string(body.next("signatureValue", BIT_STRING), "signatureValue"), b""
        )
        algorithm = UNKNOWN_SIGNATURE
        if outer_algorithm is not None:
            element = outer_algorithm
            algorithm = self._try(lambda: read_signature_algorithm(element), UNKNOWN_SIGNATURE)
        if signed is None:
            # The outer length may lie (a cut certificate); what is there is still read.
            signed = _salvage(der)
        return self._signed_part(signed, outer_algorithm, algorithm, signature)

    def _signed_part(
        self,
        signed: Element | None,
        outer_algorithm: Element | None,
        algorithm: SignatureAlgorithm,
        signature: bytes,
    ) -> Certificate:
        reader = (
            DerReader(b"", "tbsCertificate") if signed is None else signed.inside("tbsCertificate")
        )
        inner, version, serial, issuer, dates, subject, key, extensions = self._fields(reader)
        agree = inner is None or outer_algorithm is None or inner.raw == outer_algorithm.raw
        if not agree:
            self._faults.append("signatureAlgorithm differs from tbsCertificate.signature")
        if inner is not None and outer_algorithm is None:
            element = inner
            algorithm = self._try(lambda: read_signature_algorithm(element), UNKNOWN_SIGNATURE)
        return Certificate(
            der=self._der,
            sha256=sha256(self._der).hexdigest(),
            version=version,
            serial=serial,
            subject_name=subject,
            issuer_name=issuer,
            not_before=dates[0],
            not_after=dates[1],
            key=key,
            signature_algorithm=algorithm,
            signature_algorithms_agree=agree,
            signature=signature,
            tbs=b"" if signed is None else signed.raw,
            extensions=extensions,
            faults=tuple(dict.fromkeys(self._faults)),
        )

    def _fields(
        self, reader: DerReader
    ) -> tuple[
        Element | None,
        int | None,
        str,
        Name,
        tuple[float | None, float | None],
        Name,
        PublicKey,
        Extensions,
    ]:
        version: int | None = self._try(lambda: self._version(reader), None)
        serial = self._try(lambda: self._serial(reader.next("serialNumber", INTEGER)), "")
        inner = self._try(lambda: reader.next("signature", SEQUENCE), None)
        issuer = self._try(lambda: read_name(reader.next("issuer", SEQUENCE), "issuer"), EMPTY_NAME)
        validity = self._try(
            lambda: reader.enter("validity", SEQUENCE), DerReader(b"", "tbsCertificate")
        )
        dates = (self._date(validity, "notBefore"), self._date(validity, "notAfter"))
        subject = self._try(
            lambda: read_name(reader.next("subject", SEQUENCE), "subject"), EMPTY_NAME
        )
        key = self._try(
            lambda: read_public_key(reader.next("subjectPublicKeyInfo", SEQUENCE)), UNKNOWN_KEY
        )
        extensions = self._try(lambda: self._extensions(reader), Extensions())
        self._faults.extend(extensions.faults)
        if extensions.present and version is not None and version != 3:
            self._faults.append(f"version {version} has extensions, which need version 3")
        return inner, version, serial, issuer, dates, subject, key, extensions

    def _version(self, reader: DerReader) -> int:
        wrapped = reader.optional("version", 0xA0)
        if wrapped is None:
            return 1
        number = read_integer(wrapped.inside().next("version", INTEGER), "version", most=4)
        if number not in (0, 1, 2):
            raise wrapped.fault("version", f"is {number + 1}")
        return number + 1

    def _serial(self, element: Element) -> str:
        content = element.content
        if not content:
            raise element.fault("serialNumber", "is empty")
        negative = content[0] & 0x80 != 0
        if negative:
            self._faults.append("tbsCertificate.serialNumber is negative")
        elif not any(content):
            self._faults.append("tbsCertificate.serialNumber is zero")
        if len(content) > _MAX_SERIAL_SHOWN:
            self._faults.append(f"tbsCertificate.serialNumber has {len(content)} bytes")
            return content[:_MAX_SERIAL_SHOWN].hex() + "..."
        number = int.from_bytes(content, "big", signed=True)
        digits = f"{abs(number):x}"
        return ("-" if negative else "") + ("0" + digits if len(digits) % 2 else digits)

    def _date(self, validity: DerReader, name: str) -> float | None:
        if not validity.left:
            return None
        return self._try(
            lambda: read_time(validity.next(name, UTC_TIME, GENERALIZED_TIME), name), None
        )

    def _extensions(self, reader: DerReader) -> Extensions:
        for tag in (0x81, 0xA1, 0x82, 0xA2):
            reader.optional("uniqueID", tag)
        wrapped = reader.optional("extensions", 0xA3)
        if wrapped is None:
            if reader.left:
                raise reader.next("extensions").fault("extensions", "is an unexpected element")
            return Extensions()
        return read_extensions(wrapped.inside("Extensions").enter("extensions", SEQUENCE))


def _salvage(der: bytes) -> Element | None:
    """The signed part of a certificate whose outer length is wrong; None if there is none."""
    for start in (4, 3, 2):
        if der[:1] == b"\x30" and der[start : start + 1] == b"\x30":
            try:
                return DerReader(der, "Certificate", start=start).next("tbsCertificate", SEQUENCE)
            except ParseError:
                length = der[start + 1] if start + 1 < len(der) else 0
                body = start + 2 + (length & 7 if length & 0x80 else 0)
                return Element(der, "Certificate", SEQUENCE, start, min(body, len(der)), len(der))
    return None
