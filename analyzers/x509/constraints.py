"""Name constraints (RFC 5280 section 4.2.1.10), compared at a cost linear in their size.

Both lists may hold a thousand names, and every certificate below is held against them:
bases are therefore looked up by what they say, and not tried one after the other.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from itertools import islice

from analyzers.x509.certificate import Certificate
from analyzers.x509.extensions import NameConstraints
from analyzers.x509.names import GeneralName

MAX_LABELS = 128
"""Labels of a domain that are looked at: a name of 253 bytes has at most 127."""
MAX_MASKS = 192
"""Different masks of address ranges that are looked at; IPv4 and IPv6 have 162."""
MAX_BASES_SHOWN = 5


class Sieve:
    """One CA's constraints, ready to be held against the certificates below it."""

    def __init__(self, constraints: NameConstraints) -> None:
        self._excluded = _Bases(constraints.excluded)
        self._permitted = _Bases(constraints.permitted)

    def breach(self, certificate: Certificate) -> str | None:
        """The first name that is forbidden, as a clause; None: there is none.

        DNS, IP, e-mail and directory names are compared.
        """
        for name in _names(certificate):
            base = self._excluded.over(name)
            if base is not None:
                return f"{name.text} lies in the excluded {base.text}"
            if name.kind in self._permitted.kinds and self._permitted.over(name) is None:
                return f"{name.text} lies outside of the permitted {self._permitted.shown(name)}"
        return None


class _Bases:
    """The subtrees of one list, by what a name within them has in common with their base."""

    def __init__(self, bases: tuple[GeneralName, ...]) -> None:
        self._bases = bases
        self.kinds = frozenset(base.kind for base in bases)
        self._known: dict[Hashable, GeneralName] = {}
        self._masks: dict[tuple[int, int], None] = {}
        self._depths: set[int] = set()
        for base in bases:
            self._add(base)

    def _add(self, base: GeneralName) -> None:
        key: Hashable
        if base.kind == "DNS":
            key = ("DNS", plain_host(base.value).removeprefix("."))
        elif base.kind == "EMAIL":
            key = ("EMAIL", base.value.lower())
        elif base.kind == "IP":
            width = len(base.packed) // 2
            mask = int.from_bytes(base.packed[width:], "big")
            if (width, mask) not in self._masks:
                if len(self._masks) >= MAX_MASKS:
                    return
                self._masks[width, mask] = None
            key = ("IP", width, mask, int.from_bytes(base.packed[:width], "big") & mask)
        elif base.kind == "DIRNAME" and base.name is not None:
            self._depths.add(len(base.name.folded))
            key = ("DIRNAME", base.name.folded)
        else:
            return
        self._known.setdefault(key, base)

    def over(self, name: GeneralName) -> GeneralName | None:
        """A base of this name's subtree."""
        if name.kind not in self.kinds:
            return None
        return next((self._known[key] for key in self._keys(name) if key in self._known), None)

    def _keys(self, name: GeneralName) -> Iterator[Hashable]:
        if name.kind == "DNS":
            for parent in _parents(plain_host(name.value)):
                yield ("DNS", parent)
        elif name.kind == "EMAIL":
            mailbox = name.value.lower()
            host = mailbox.rpartition("@")[2]
            yield from (("EMAIL", mailbox), ("EMAIL", host))
            # ".example.com" is over the hosts below that domain, not over itself.
            for parent in islice(_parents(host), 1, None):
                yield ("EMAIL", f".{parent}")
        elif name.kind == "IP":
            address = int.from_bytes(name.packed, "big")
            for width, mask in self._masks:
                if width == len(name.packed):
                    yield ("IP", width, mask, address & mask)
        elif name.kind == "DIRNAME" and name.name is not None:
            folded = name.name.folded
            for depth in self._depths:
                if depth <= len(folded):
                    yield ("DIRNAME", folded[:depth])

    def shown(self, name: GeneralName) -> str:
        """The bases of a name's kind, for a sentence."""
        alike = [base for base in self._bases if base.kind == name.kind]
        return ", ".join(base.text for base in alike[:MAX_BASES_SHOWN])


def plain_host(name: str) -> str:
    """A host name as a certificate has it, for comparison: lower case, no final dot.

    A dNSName is ASCII (RFC 5280 section 4.2.1.6); one that is not equals nothing.
    """
    return name.strip().removesuffix(".").lower()


def _parents(host: str) -> Iterable[str]:
    """The name itself, the domains above it, and "", which is above all."""
    yield host
    for _ in range(MAX_LABELS):
        _, dot, host = host.partition(".")
        if not dot:
            break
        yield host
    yield ""


def _names(certificate: Certificate) -> Iterator[GeneralName]:
    yield from certificate.alternative_names
    subject = certificate.subject_name
    if subject:
        yield GeneralName("DIRNAME", subject.text, name=subject)
    for text in subject.values("emailAddress"):
        yield GeneralName("EMAIL", text)
