"""Which capture format a file has, and what it is when it has none."""

from __future__ import annotations

from analyzers.capture import pcap, pcapng
from analyzers.capture.blocks import BlockReader, Buffer, FrameSink

ENOUGH = 64
"""First bytes of a file that suffice to judge it."""

_SECTION_HEADER = pcapng.SECTION_HEADER.to_bytes(4, "big")

_SIGNATURES = (
    (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x04\x22\x4d\x18", "LZ4 data"),
    (b"-----BEGIN CERTIFICATE REQUEST", "a certificate request (PEM)"),
    (b"-----BEGIN CERTIFICATE", "a PEM certificate"),
    (b"-----BEGIN ENCRYPTED PRIVATE KEY", "a private key (PEM)"),
    (b"-----BEGIN PRIVATE KEY", "a private key (PEM)"),
    (b"-----BEGIN RSA PRIVATE KEY", "a private key (PEM)"),
    (b"-----BEGIN EC PRIVATE KEY", "a private key (PEM)"),
    (b"-----BEGIN ", "PEM text"),
    (b"CLIENT_RANDOM ", "a TLS key log"),
    (b"CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "a TLS key log"),
    (b"SERVER_HANDSHAKE_TRAFFIC_SECRET ", "a TLS key log"),
    (b"HTTP/", "an HTTP response (was an error page saved?)"),
    (b"GET ", "an HTTP request"),
    (b"POST ", "an HTTP request"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML document"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ", "a Windows program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"snoop\x00\x00\x00", "a snoop capture (editcap -F pcapng converts it)"),
    (b"XCP\x00", "a NetXRay or Sniffer capture (editcap -F pcapng converts it)"),
    (b"GMBU", "a Microsoft Network Monitor capture (editcap -F pcapng converts it)"),
    (b"RTSS", "a Microsoft Network Monitor capture (editcap -F pcapng converts it)"),
    (b"TRSNIFF data", "a Sniffer capture (editcap -F pcapng converts it)"),
    (b"ElfFile\x00", "a Windows event log (.evtx)"),
)


class NotACapture(ValueError):
    """The file is neither pcap nor pcapng; `looks` says what its first bytes look like."""

    def __init__(self, name: str, looks: str) -> None:
        super().__init__(name, looks)
        self.name = name
        self.looks = looks

    def __str__(self) -> str:
        return f"{self.name} is not a pcap or pcapng capture: {self.looks}"


def recognise(head: Buffer) -> type[BlockReader] | None:
    """The reader for a file that begins with `head` (4 bytes suffice); None: not a capture."""
    magic = bytes(head[:4])
    if magic in pcap.MAGICS:
        return pcap.PcapReader
    if magic == _SECTION_HEADER:
        return pcapng.PcapngReader
    return None


def looks_like(head: Buffer) -> str:
    """What a file that is no capture seems to be, as the end of a sentence."""
    first = bytes(head[:ENOUGH])
    if not first:
        return "it is empty"
    low = first.lstrip(b"\xef\xbb\xbf \t\r\n")
    for signature, what in _SIGNATURES:
        if first.startswith(signature) or low.lower().startswith(signature.lower()):
            return f"it looks like {what}"
    if first[0] == 0x16 and first[1:2] == b"\x03":
        return "it looks like raw TLS records without packets around them"
    if first[0] == 0x30 and first[1:2] in (b"\x82", b"\x81"):
        return "it looks like DER data (a certificate or key)"
    if not any(first):
        return "it begins with zero bytes"
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in first):
        line = first.decode("ascii").strip().splitlines()
        return f'it looks like text ("{line[0][:40]}")' if line else "it looks like text"
    return f"it begins with the bytes {first[:8].hex(' ')}"


class CaptureFile:
    """Reads a capture of either format, fed with chunks of any size.

    Raises NotACapture from `feed` or `finish` if it is none; damage further on only
    adds to `warnings`.
    """

    def __init__(self, name: str, frame: FrameSink, warnings: list[str]) -> None:
        self._name = name
        self._sink = frame
        self._warnings = warnings
        self._head = bytearray()
        self._reader: BlockReader | None = None

    @property
    def frames(self) -> int:
        """Packets so far."""
        return self._reader.frames if self._reader else 0

    def feed(self, chunk: Buffer) -> None:
        """Read on. `chunk` may be reused afterwards."""
        if self._reader is None:
            self._head += chunk
            # A wrong file is only named once there is enough to name it by.
            reader = recognise(self._head)
            if reader is None:
                if len(self._head) >= ENOUGH:
                    raise NotACapture(self._name, looks_like(self._head))
                return
            self._reader = reader(self._name, self._sink, self._warnings)
            chunk, self._head = bytes(self._head), bytearray()
        self._reader.feed(chunk)

    def finish(self) -> None:
        """The file ends here."""
        if self._reader is None:
            raise NotACapture(self._name, looks_like(self._head))
        self._reader.finish()
