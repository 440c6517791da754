"""Transcripts from a few words a step, told to a real `Connection` as real bytes.

    ladder("C hello", "S sh13", "S app 23 1767 281 53", "C FIN")

is a client that leaves when it has the server's flight. A step is a side and what it
sends, or a pause ("+1.5", in seconds; steps are 1 ms apart otherwise):

    hello, hello12, hello13   a ClientHello with the versions that it offers
    hrr, sh12, sh13, sh13psk  HelloRetryRequest and ServerHello
    done, cke, ccs, request   ServerHelloDone, ClientKeyExchange, ChangeCipherSpec,
                              CertificateRequest without CA names
    app N..., hs N...         protected records with these length fields (outer type 23, 22)
    secret N                  an encrypted alert of TLS 1.2 (outer type 21)
    alert N, warning N        a clear alert, fatal or warning
    FIN, RST, TIMEOUT, OPEN   the end of the side's direction

Bytes that have no word are given as a pair: ("S", certificate([leaf])).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from analyzers.case import Case
from analyzers.connection import Connection
from analyzers.context import Context
from analyzers.diagnose import explain
from analyzers.events import Direction, How
from analyzers.outcome import Outcome, classify
from analyzers.report import FindingReport, Report
from analyzers.transcript import Transcript
from proxy.lab import messages
from proxy.lab.authority import Authority, Identity
from proxy.lab.messages import Hello, extension, u16s, vector

CLIENT, SERVER = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
AT = 1_779_019_200.0  # 2026-05-17T12:00:00Z
NAME = "broker.example"
STEP = 0.001

Step = str | tuple[str, bytes]

BOTH = Hello(versions=(messages.TLS_1_3, messages.TLS_1_2), key_share=True, server_name=NAME)
"""Offers TLS 1.3 and 1.2, and all that nearly every server has."""
ONLY_12 = Hello(server_name=NAME)
ONLY_13 = Hello(versions=(messages.TLS_1_3,), key_share=True, server_name=NAME)

FLIGHT = "S app 23 1767 281 53"
"""A TLS 1.3 server's flight: EncryptedExtensions, Certificate, CertificateVerify, Finished."""
ASKING = "S app 23 62 1767 281 53"
"""The same with a CertificateRequest."""
TO_FLIGHT = ("C hello", "S sh13", "S ccs", FLIGHT)
ESTABLISHED_13 = (*TO_FLIGHT, "C ccs", "C app 53")
"""TLS 1.3 up to the client's Finished."""
CONNECTED_13 = (*ESTABLISHED_13, "C app 40", "S app 21")
"""CONNECT and CONNACK as well."""


def reply13(*, suite: int = 0x1301, psk: bool = False) -> bytes:
    """A TLS 1.3 ServerHello (RFC 8446 section 4.1.3)."""
    share = u16s((messages.X25519,)) + vector(2, messages.X25519_SHARE)
    extensions = [extension(43, u16s((messages.TLS_1_3,))), extension(51, share)]
    if psk:
        extensions.append(extension(41, u16s((0,))))
    return messages.server_hello(suite=suite, extensions=extensions)


def request(authorities: tuple[bytes, ...] = ()) -> bytes:
    """A CertificateRequest of TLS 1.2 (RFC 5246 section 7.4.4); names in DER."""
    names = b"".join(vector(2, name) for name in authorities)
    body = vector(1, b"\x01\x40") + vector(2, u16s((0x0401, 0x0403))) + vector(2, names)
    return messages.handshake(messages.CERTIFICATE_REQUEST, body)


_WORDS: dict[str, Callable[[], bytes]] = {
    "hello": lambda: BOTH.record,
    "hello12": lambda: ONLY_12.record,
    "hello13": lambda: ONLY_13.record,
    "hrr": lambda: messages.hello_retry_request(0x0017, suite=0x1301, session_id=b""),
    "sh12": messages.server_hello,
    "sh13": reply13,
    "sh13psk": lambda: reply13(psk=True),
    "done": messages.server_hello_done,
    "cke": lambda: messages.client_key_exchange(vector(1, messages.X25519_SHARE)),
    "ccs": lambda: messages.record(messages.CHANGE_CIPHER_SPEC, b"\x01"),
    "request": request,
}
_PROTECTED = {"app": messages.APPLICATION_DATA, "hs": messages.HANDSHAKE, "secret": messages.ALERT}
_ENDS = {how.name: how for how in How}


def ladder(*steps: Step, client_start: bool = True, opened: bool = True) -> Transcript:
    """What an observer makes of these steps."""
    connection = Connection(
        client_start=client_start, server_start=client_start, opened_at=AT if opened else None
    )
    clock = AT
    for step in steps:
        if isinstance(step, str) and step.startswith("+"):
            clock += float(step[1:])
            continue
        clock += STEP
        side, rest = step.split(" ", 1) if isinstance(step, str) else step
        direction = {"C": CLIENT, "S": SERVER}[side]
        if isinstance(rest, str) and rest in _ENDS:
            connection.close(direction, _ENDS[rest], clock)
            continue
        pieces = _pieces(rest) if isinstance(rest, str) else [rest]
        for piece in pieces:
            connection.receive(direction, piece, clock)
    return connection.transcript


def _pieces(words: str) -> list[bytes]:
    word, *numbers = words.split()
    if word in _PROTECTED:
        return [messages.record(_PROTECTED[word], bytes(int(number))) for number in numbers]
    if word in ("alert", "warning"):
        level = messages.FATAL if word == "alert" else messages.WARNING
        return [messages.alert(int(number), level=level) for number in numbers]
    return [_WORDS[word]()]


def outcome(*steps: Step, client_start: bool = True) -> Outcome:
    """How it ended."""
    return classify(ladder(*steps, client_start=client_start))


def told(*steps: Step, port: int = 8883, server_name: str | None = None) -> Report:
    """The whole explanation; with `server_name` as a proxy for that broker sees it."""
    return explain(ladder(*steps), context(port=port, server_name=server_name))


def case(*steps: Step) -> Case:
    """What rules get to see."""
    transcript = ladder(*steps)
    return Case(transcript, classify(transcript), context())


def context(*, port: int = 8883, server_name: str | None = None) -> Context:
    """Where such a connection was seen."""
    return Context(
        kind="capture" if server_name is None else "proxy",
        name="steps",
        start=AT,
        client_address="192.0.2.7",
        client_port=50123,
        server_address="203.0.113.9",
        server_port=port,
        server_name=server_name,
    )


def verdict(report: Report) -> str | None:
    """The verdict's rule."""
    return report.verdict.rule if report.verdict else None


def finding(report: Report, rule: str) -> FindingReport | None:
    """The finding of a rule, if it made one."""
    return next((item for item in report.findings if item.rule == rule), None)


def causes(report: Report, *certainties: str) -> list[str]:
    """Rules that name a cause, the first first; of these certainties only, if given."""
    return [
        item.rule
        for item in report.findings
        if item.role == "cause" and (not certainties or item.certainty in certainties)
    ]


@functools.cache
def authority() -> Authority:
    """One PKI for all tests: making keys takes time."""
    return Authority(AT)


@functools.cache
def root() -> Identity:
    """A private root CA."""
    return authority().root("Tests Root CA")


@functools.cache
def leaf() -> Identity:
    """A sound certificate for the broker."""
    return authority().server(root(), common_name=NAME, names=[NAME])


@functools.cache
def device() -> Identity:
    """A sound certificate for a client."""
    return authority().device(root())


def chain(*identities: Identity) -> tuple[str, bytes]:
    """The server's Certificate message, as a step."""
    return "S", messages.certificate([each.certificate for each in identities])


def client_chain(*identities: Identity) -> tuple[str, bytes]:
    """The client's Certificate message, as a step; empty without arguments."""
    return "C", messages.certificate([each.certificate for each in identities])


def to_certificate(*identities: Identity) -> tuple[Step, ...]:
    """TLS 1.2 up to the end of the server's flight."""
    return "C hello12", "S sh12", chain(*(identities or (leaf(),))), "S done"


def asking(*identities: Identity) -> tuple[Step, ...]:
    """TLS 1.2 up to the client's whole answer to a CertificateRequest."""
    answer = client_chain(*identities)
    return (
        *("C hello12", "S sh12", chain(leaf()), "S request", "S done"),
        *(answer, "C cke", "C ccs", "C hs 40"),
    )


def established_12() -> tuple[Step, ...]:
    """TLS 1.2 up to the server's Finished."""
    return (*to_certificate(), "C cke", "C ccs", "C hs 40", "S ccs", "S hs 40")


def connected_12() -> tuple[Step, ...]:
    """TLS 1.2 with CONNECT and CONNACK."""
    return (*established_12(), "C app 50", "S app 28")
