"""Names and addresses replaced, the same by the same, so that a report can be shared.

Every replacement has the length of what it replaces: handshake messages keep their
structure, lengths and order, and a name still matches (or misses) a certificate as it
did, because names are replaced label by label. What cannot survive is said in the
bundle's README: signatures over changed bytes no longer verify.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from analyzers.context import Context
from analyzers.events import FaultSeen, HandshakeSeen, PlaintextSeen
from analyzers.messages import (
    CertificateMessage,
    CertificateRequest,
    ClientHello,
    ClientKeyExchange,
    ServerKeyExchange,
)
from analyzers.printable import printable
from analyzers.report import Report
from analyzers.transcript import Transcript

# Words that name nobody and that the diagnosis (or its reader) needs.
_KEPT_WORDS = """
localhost local localdomain com net org io example http https ldap xn
broker client server device test ca root intermediate authority certificate
mqtt mqtts mosquitto rabbitmq emqx hivemq
"""
_KEPT = frozenset(_KEPT_WORDS.split())
_WORD = re.compile(rb"[A-Za-z0-9\x80-\xff]+")
_DN_SPECIAL = re.compile(r'[,+"\\<>;=#]')  # RFC 4514, section 2.4
_TEXT_RUN = re.compile(rb"[\x20-\x7e]{4,}")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

_IPV4 = ipaddress.ip_network("192.0.2.0/24")  # RFC 5737: for documentation
_IPV6 = ipaddress.ip_network("2001:db8::/32")  # RFC 3849

_TELLING = frozenset({"path", "line", "status_line", "message", "source", "destination"})
"""Details of a plaintext protocol that hold what a stranger wrote."""
_STRINGS = frozenset({0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1B})
"""DER's string types of one byte a character: UTF8String to GeneralString."""
_GENERAL_NAMES = frozenset({0x81, 0x82, 0x86})
"""rfc822Name, dNSName and URI in a GeneralName (RFC 5280, section 4.2.1.6)."""
_DEEPEST = 32  # levels of nesting followed; certificates need about ten
_BMP_STRING, _IP_ADDRESS, _OCTET_STRING = 0x1E, 0x87, 0x04
_CERTIFICATE_STATUS = 22  # HandshakeType of a stapled OCSP response (RFC 6066, section 8)


class Redactor:
    """Replaces names and addresses, remembering what it has put for what."""

    def __init__(self) -> None:
        self._words: dict[bytes, bytes] = {}
        self._addresses: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._counts: dict[int, int] = {}

    # -- bytes ----------------------------------------------------------------------

    def text(self, value: bytes) -> bytes:
        """A name of any kind, word by word; same length, punctuation kept."""
        replaced = _WORD.sub(lambda match: self._word(match[0]), value)
        if replaced != value:
            original, name = value.decode("utf-8", "replace"), replaced.decode("ascii")
            self._names[original] = name
            # As reports show them: escaped for a distinguished name, or made printable.
            self._names[_DN_SPECIAL.sub(r"\\\g<0>", original)] = name
            self._names[printable(original)] = name
        return replaced

    def _word(self, word: bytes) -> bytes:
        key = word.lower()
        if key.decode("latin-1") in _KEPT:
            return word
        if key not in self._words:
            self._words[key] = self._placeholder(len(key))
        return self._words[key]

    def _placeholder(self, length: int) -> bytes:
        number = self._counts.get(length, 0)
        self._counts[length] = number + 1
        # Letters first, so that a label never becomes all digits; short words run out of
        # placeholders and then share them, which is the price of keeping their length.
        digits = ""
        while number or not digits:
            number, digit = divmod(number, 36)
            digits = _DIGITS[digit] + digits
        room = max(length - 1, 0)
        return ("n" + digits[-room:].rjust(room, "0") if room else "n").encode()

    def der(self, value: bytes) -> bytes:
        """DER with every string and every IP address in a GeneralName replaced."""
        data = bytearray(value)
        for tag, start, end in _leaves(value, 0, len(value)):
            content = value[start:end]
            if tag in _STRINGS or (tag in _GENERAL_NAMES and _is_text(content)):
                data[start:end] = self.text(content)
            elif tag == _BMP_STRING and len(content) % 2 == 0:
                data[start:end] = self._bmp(content)
            elif tag == _IP_ADDRESS and len(content) in (4, 16):
                data[start:end] = ipaddress.ip_address(
                    self.address(str(ipaddress.ip_address(content)))
                ).packed
        return bytes(data)

    def _bmp(self, content: bytes) -> bytes:
        text = content.decode("utf-16-be", "replace")
        # A character outside Latin-1 counts as one byte here: the placeholder is ASCII.
        narrow = self.text(text.encode("latin-1", "replace").replace(b"?", b"x"))
        return narrow.decode("ascii", "replace").encode("utf-16-be")[: len(content)]

    def message(self, event: HandshakeSeen) -> bytes:
        """A handshake message in clear with its names replaced; same length."""
        raw, body = event.raw, event.body
        if isinstance(body, CertificateMessage):
            return _swap(raw, {item: self.der(item) for item in body.certificates})
        if isinstance(body, CertificateRequest):
            return _swap(raw, {item: self.der(item) for item in body.authorities})
        if isinstance(body, ClientHello):
            return self._hello(raw, body)
        if isinstance(body, ServerKeyExchange):
            return self._opaque_name(raw, body.psk_hint)
        if isinstance(body, ClientKeyExchange):
            return self._opaque_name(raw, body.psk_identity)
        if event.type == _CERTIFICATE_STATUS:
            # status_type and a 24-bit length stand before the OCSP response.
            return raw[:8] + self.der(raw[8:])
        if event.fault is not None:
            # Nobody knows where its names are: every run of text goes.
            return raw[:4] + self.runs(raw[4:])
        return raw

    def _hello(self, raw: bytes, hello: ClientHello) -> bytes:
        changed = {}
        for extension in hello.raw_extensions:
            if extension.type == 0:  # server_name
                changed[extension.data] = extension.data[:5] + self.text(extension.data[5:])
            elif extension.type == 41:  # pre_shared_key: an identity may be a device's name
                changed[extension.data] = self.runs(extension.data)
        return _swap(raw, changed)

    def _opaque_name(self, raw: bytes, name: bytes | None) -> bytes:
        return _swap(raw, {name: self.text(name)}) if name else raw

    def runs(self, raw: bytes) -> bytes:
        """Bytes of unknown structure with every run of four or more text bytes replaced."""
        return _TEXT_RUN.sub(lambda match: self.text(match[0]), raw)

    def address(self, text: str) -> str:
        """An address of a documentation range for an IP address; loopback stays."""
        address = ipaddress.ip_address(text.partition("%")[0])
        if address.is_loopback or address.is_unspecified:
            return text
        key = str(address)
        if key not in self._addresses:
            network = _IPV4 if address.version == 4 else _IPV6
            used = sum(1 for known in self._addresses.values() if (":" in known) == (":" in key))
            self._addresses[key] = str(network[1 + used % (network.num_addresses - 2)])
        return self._addresses[key]

    # -- reports --------------------------------------------------------------------

    def learn(self, transcript: Transcript, context: Context) -> None:
        """Take in every name and address of a connection, for `report`."""
        if context.server_name:
            self.text(context.server_name.encode())
        for address in (context.client_address, context.server_address):
            if address:
                self.address(address)
        for event in transcript.events:
            if isinstance(event, HandshakeSeen):
                self.message(event)
            elif isinstance(event, FaultSeen):
                self.runs(event.raw)
            elif isinstance(event, PlaintextSeen):
                for key in _TELLING.intersection(event.detail):
                    self._detail(str(event.detail[key]))

    def _detail(self, value: str) -> None:
        try:
            self.address(value)
        except ValueError:
            self.text(value.encode())

    def report(self, report: Report) -> Report:
        """The report with everything learned so far replaced, verdict and findings kept."""
        known = {**self._names, **self._addresses}
        # Longest first, or a name would be replaced inside a longer one.
        ordered = sorted((name for name in known if len(name) > 2), key=len, reverse=True)
        folded = {name.lower(): value for name, value in known.items()}
        pattern = re.compile(
            "|".join(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])" for name in ordered)
            or r"(?!)",
            re.IGNORECASE,
        )

        def scrub(value: Any, key: str = "") -> Any:
            if isinstance(value, str):
                if key in ("sha256", "serial", "process"):
                    return None if key == "process" else "0" * len(value)
                return pattern.sub(lambda match: folded[match[0].lower()], value)
            if isinstance(value, list):
                return [scrub(item, key) for item in value]
            if isinstance(value, dict):
                return {name: scrub(item, name) for name, item in value.items()}
            return value

        changed = scrub(msgspec.to_builtins(report))
        if report.source.kind == "capture":
            changed["source"]["name"] = "capture"  # a path tells who, and of which project
        # A hash of addresses and ports: with the ports known, a guess away.
        changed["community_id"] = None
        changed["related"] = []
        return msgspec.convert(changed, Report)


def _swap(raw: bytes, changes: dict[bytes, bytes]) -> bytes:
    """Each part replaced where it stands; parts and replacements have equal lengths."""
    for old, new in changes.items():
        if old:
            raw = raw.replace(old, new)
    return raw


def _is_text(content: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in content)


def _leaves(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[tuple[int, int, int]]:
    """The primitive elements as (tag, start, end); stops quietly where it is not DER."""
    while start + 2 <= end and depth < _DEEPEST:
        tag, length = data[start], data[start + 1]
        start += 2
        if length & 0x80:
            width = length & 0x7F
            if not 0 < width <= 4 or start + width > end:
                return
            length = int.from_bytes(data[start : start + width], "big")
            start += width
        if start + length > end:
            return
        stop = start + length
        if tag & 0x20 or (tag == _OCTET_STRING and _is_der(data, start, stop)):
            yield from _leaves(data, start, stop, depth + 1)
        else:
            yield tag, start, stop
        start = stop


def _is_der(data: bytes, start: int, end: int) -> bool:
    """Whether the bytes are exactly one DER element, as extension values are."""
    if end - start < 2:
        return False
    length, header = data[start + 1], 2
    if length & 0x80:
        width = length & 0x7F
        if not 0 < width <= 4 or start + 2 + width > end:
            return False
        length = int.from_bytes(data[start + 2 : start + 2 + width], "big")
        header += width
    return start + header + length == end
