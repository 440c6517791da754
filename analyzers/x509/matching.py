"""Is this name in that certificate? As RFC 9525 compares them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from analyzers.printable import printable
from analyzers.x509.certificate import Certificate
from analyzers.x509.constraints import plain_host
from analyzers.x509.names import GeneralName

MAX_NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class NameMatch:
    """Whether a certificate is for a name, and why."""

    matches: bool
    reason: str
    """"matched", "different", "no-names", "cn-only", "ip-not-listed", "ip-as-dns-name",
    "wildcard-depth", "wildcard-partial" or "wildcard-too-wide"."""
    detail: str
    """A clause that begins in lower case and has no full stop; printable."""


def match_name(certificate: Certificate, name: str) -> NameMatch:
    """Compare a host name or an IP address with the certificate (RFC 9525 section 6).

    Only the subjectAltName counts; a common name that would fit is its own reason.
    """
    address = _address(name)
    if address is not None:
        return _match_address(certificate, name, address)
    wanted = to_ascii(name)
    names = [n.value for n in certificate.alternative_names if n.kind == "DNS"]
    near = ""
    for entry in names:
        verdict = _match_host(plain_host(entry), wanted)
        if verdict == "matched":
            detail = f"the name {printable(name)} is in the certificate (DNS:{printable(entry)})"
            return NameMatch(True, "matched", detail)
        near = near or verdict
    return _mismatch(certificate, name, wanted, near)


def _mismatch(certificate: Certificate, name: str, wanted: str, near: str) -> NameMatch:
    shown = printable(name)
    listed = _listed(certificate)
    if near == "wildcard-depth":
        detail = (
            f"the name {shown} is not in the certificate (a wildcard covers one label), {listed}"
        )
        return NameMatch(False, near, detail)
    if near == "wildcard-partial":
        detail = f"the name {shown} fits only a wildcard that is part of a label, {listed}"
        return NameMatch(False, near, detail)
    if near == "wildcard-too-wide":
        detail = f"the name {shown} fits only a wildcard over a whole top-level domain, {listed}"
        return NameMatch(False, near, detail)
    common = certificate.subject_name.common_name
    if not _identities(certificate):
        if common and _match_host(plain_host(common), wanted) == "matched":
            detail = f"the name {shown} is only the common name (CN), not in a subjectAltName"
            return NameMatch(False, "cn-only", detail)
        what = f"its common name is {printable(common)}" if common else "it names no host at all"
        return NameMatch(
            False, "no-names", f"the certificate has no name in a subjectAltName; {what}"
        )
    return NameMatch(False, "different", f"the name {shown} is not in the certificate, {listed}")


def _match_address(
    certificate: Certificate, name: str, address: IPv4Address | IPv6Address
) -> NameMatch:
    shown = printable(name)
    for entry in certificate.alternative_names:
        if entry.kind == "IP" and entry.packed == address.packed:
            detail = f"the address {shown} is in the certificate ({entry.text})"
            return NameMatch(True, "matched", detail)
    for entry in certificate.alternative_names:
        if entry.kind == "DNS" and _address(entry.value) == address:
            detail = f"{shown} stands in the certificate as a DNS name, not as an IP address"
            return NameMatch(False, "ip-as-dns-name", detail)
    common = certificate.subject_name.common_name
    if common and _address(common) == address and not _identities(certificate):
        detail = f"the name {shown} is only the common name (CN), not in a subjectAltName"
        return NameMatch(False, "cn-only", detail)
    detail = f"the address {shown} is not in the certificate, {_listed(certificate)}"
    return NameMatch(False, "ip-not-listed", detail)


def _identities(certificate: Certificate) -> list[GeneralName]:
    return [n for n in certificate.alternative_names if n.kind in ("DNS", "IP")]


def _listed(certificate: Certificate) -> str:
    names = _identities(certificate)
    if not names:
        common = certificate.common_name
        return f"which has only the common name {common}" if common else "which names no host"
    shown = ", ".join(name.text for name in names[:MAX_NAMES_SHOWN])
    more = len(names) - MAX_NAMES_SHOWN
    return f"which is for {shown}" + (f" and {more} more" if more > 0 else "")


def _match_host(pattern: str, wanted: str) -> str:
    """Give "matched", a near miss, or "" for no match; both in lower-case ASCII."""
    if not pattern or not wanted or "\x00" in pattern:
        return ""
    if pattern == wanted:
        return "matched"
    head, dot, parent = pattern.partition(".")
    if "*" not in head or not dot or "*" in parent:
        return ""
    label, _, rest = wanted.partition(".")
    if head != "*":
        before, _, after = head.partition("*")
        fits = (
            rest == parent
            and len(label) >= len(before) + len(after)
            and label.startswith(before)
            and label.endswith(after)
        )
        return "wildcard-partial" if fits else ""
    if rest == parent and label:
        return "matched" if "." in parent else "wildcard-too-wide"
    if wanted == parent or wanted.endswith("." + parent):
        return "wildcard-depth"
    return ""


def to_ascii(name: str) -> str:
    """A host name for comparison: lower case, no final dot, A-labels (RFC 5890).

    Names that IDNA refuses are only made lower-case.
    """
    name = name.strip().removesuffix(".").lower()
    if name.isascii() or len(name) > 253:
        return name
    try:
        return name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return name


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name.strip().removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
