"""Sentences and evidence that rules of several families need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analyzers.case import Case, Refusal
from analyzers.codepoints import AlertDescription, CipherSuite, ProtocolVersion, label
from analyzers.endings import Ending
from analyzers.events import AlertSeen, Direction, Event, HandshakeSeen, ProtectedSeen
from analyzers.finding import Certainty, Evidence, Finding
from analyzers.messages import ClientHello, ServerHello
from analyzers.transcript import CLIENT, Transcript


def alert(code: int) -> str:
    """An alert by name and number, like unknown_ca (48)."""
    return f"{label(AlertDescription, code)} ({code})"


def version(number: int) -> str:
    """A version by name, like TLS 1.2."""
    return label(ProtocolVersion, number)


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names as a list for a sentence, cut where it gets long."""
    if not names:
        return "nothing"
    shown = list(names[:most])
    more = len(names) - len(shown)
    if more:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def suites(numbers: Iterable[int]) -> list[str]:
    """Cipher suites by name."""
    return [label(CipherSuite, number) for number in numbers]


def side(direction: Direction) -> str:
    """The sender in words: the client or the broker."""
    return "the client" if direction is CLIENT else "the broker"


def when(seconds: float) -> str:
    """A duration for a sentence."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def leaving(tr: Transcript, end: Ending) -> str:
    """How a side left, to be read after its name: "sent the alert unknown_ca (48)"."""
    event = tr.events[end.index]
    if isinstance(event, AlertSeen) and event.description is not None:
        level = "fatal" if event.level == 2 else "warning"
        return f"sent the {level} alert {alert(event.description)}"
    if end.kind == "hidden":
        length = event.record_length if isinstance(event, AlertSeen | ProtectedSeen) else 0
        return f"sent an encrypted alert (a record of {length} bytes)"
    if end.kind == "rst":
        return "reset the TCP connection"
    return "closed the TCP connection without a word"


def refusing(case: Case, refusal: Refusal) -> str:
    """How a certificate was refused, as a sentence."""
    who = side(refusal.by).capitalize()
    if refusal.by is CLIENT:
        had = "had received the broker's certificate"
    elif case.flights.sent == "certificate":
        had = "had received the client's certificate"
    else:
        had = "had waited for the client's certificate"
    text = f"{who} {had}, then {leaving(case.tr, refusal.ending)}."
    if refusal.kind == "hidden":
        text += " The alert is encrypted; its length and place show what it is."
    return text


def at_event(event: Event, says: str) -> Evidence:
    """Evidence that is a whole event."""
    length = len(event.raw) if isinstance(event, HandshakeSeen) else None
    return Evidence(says=says, event=event, offset=0 if length else None, length=length)


def at_ending(case: Case, end: Ending) -> Evidence:
    """Evidence for who left."""
    return Evidence(
        says=f"{side(end.direction).capitalize()} {leaving(case.tr, end)}.",
        event=case.tr.events[end.index],
    )


def at_extension(
    event: HandshakeSeen, hello: ClientHello | ServerHello, kind: int, says: str
) -> Evidence:
    """Evidence in an extension of a hello, or in the hello where it is absent."""
    for extension in hello.raw_extensions:
        if extension.type == kind:
            return Evidence(
                says=says, event=event, offset=extension.offset, length=4 + len(extension.data)
            )
    return at_event(event, says)


def suites_place(hello: ClientHello) -> tuple[int, int]:
    """Offset and length of cipher_suites in a ClientHello, header included."""
    if hello.sslv2:
        return 11, 3 * len(hello.cipher_suites)
    start = 4 + 2 + 32 + 1 + len(hello.session_id)
    return start, 2 + 2 * len(hello.cipher_suites)


def cause(
    identifier: str,
    title: str,
    explanation: str,
    *evidence: Evidence,
    certainty: Certainty = "certain",
    weight: int = 50,
) -> Finding:
    """A cause, in the order in which a sentence about it is read."""
    return Finding(
        rule=identifier,
        role="cause",
        certainty=certainty,
        title=title,
        explanation=explanation,
        evidence=evidence,
        weight=weight,
    )


def gone(case: Case, way: object, kinds: tuple[str, ...], *phases: str) -> Ending | None:
    """The first ending, if it is of this side, this kind and in one of these phases."""
    end = case.ending
    if end is None or end.direction is not way or end.kind not in kinds:
        return None
    return end if case.phase in phases else None
