"""How a connection ended: who gave up, in which phase. No opinion about why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analyzers.application import Application, read_application
from analyzers.course import Flights, Sure
from analyzers.endings import Ending, endings
from analyzers.events import ClosedSeen, Direction, How, ProtectedSeen
from analyzers.flights import read_flights
from analyzers.records import HANDSHAKE
from analyzers.transcript import CLIENT, SERVER, Transcript

Status = Literal["established", "failed", "not_tls", "incomplete", "no_data"]
Handshake = Literal["complete", "client_complete", "partial", "none"]
Phase = Literal[
    "tcp",
    "before_server_hello",
    "server_flight",
    "client_certificate",
    "finished",
    "after_handshake",
]
Party = Literal["client", "server", "network"]

SILENCE = 10.0
"""Seconds without a word after which an unfinished handshake counts as failed."""
PORT_CHECK = 1.0
"""Seconds up to which a connection without data is a port check and no failure."""

_FAULTS = ("refused", "hung_up", "no_answer", "keepalive", "aborted", "closed_unused")
_UNREACHABLE: dict[str, Party] = {
    "refused": "server",
    "timeout": "network",
    "unreachable": "network",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The schema's outcome words, and the readings that they rest on."""

    status: Status
    handshake: Handshake
    failed_by: Party | None
    phase: Phase | None
    certainty: Sure
    flights: Flights
    endings: tuple[Ending, ...]
    application: Application

    @property
    def first_ending(self) -> Ending | None:
        """The first sign of leaving."""
        return self.endings[0] if self.endings else None

    def ending_of(self, direction: Direction) -> Ending | None:
        """One side's first sign of leaving."""
        return next((end for end in self.endings if end.direction is direction), None)


@dataclass(frozen=True, slots=True)
class _Judgement:
    status: Status
    failed_by: Party | None = None
    phase: Phase | None = None
    certainty: Sure = "certain"


def classify(transcript: Transcript) -> Outcome:
    """Decide how a connection ended from what was seen of it."""
    flights = read_flights(transcript)
    ends = endings(flights)
    application = read_application(flights, ends)
    judged = _judge(transcript, flights, ends, application)
    return Outcome(
        judged.status,
        flights.handshake,
        judged.failed_by,
        judged.phase,
        judged.certainty,
        flights,
        ends,
        application,
    )


def party(direction: Direction) -> Party:
    """The party that sends in a direction."""
    return "client" if direction is CLIENT else "server"


def renegotiation_refused_by(flights: Flights, ends: tuple[Ending, ...]) -> Direction | None:
    """Who ended a connection over a second handshake (TLS <= 1.2), if anybody did.

    The server refuses with an alert or a close and sends no handshake record. Where the
    client answers the server's alert with one of its own, the server's was the warning
    no_renegotiation and the client gave up (RFC 5246 section 7.2.2).
    """
    begun = flights.renegotiation
    if begun is None:
        return None
    events = flights.transcript.events
    starter = events[begun].direction
    for event in events[begun + 1 :]:
        if (
            isinstance(event, ProtectedSeen)
            and event.content_type == HANDSHAKE
            and event.direction is not starter
        ):
            return None
    later = [end for end in ends if end.index > begun]
    if not later or later[0].direction is starter:
        return None
    if len(later) > 1 and later[0].is_alert and later[1].is_alert:
        return later[1].direction
    return later[0].direction


def _judge(
    transcript: Transcript, flights: Flights, ends: tuple[Ending, ...], application: Application
) -> _Judgement:
    unreachable = transcript.not_connected
    if unreachable is not None:
        return _Judgement("failed", _UNREACHABLE.get(unreachable.why), "tcp")
    if _port_check(transcript, ends):
        return _Judgement("no_data")
    if not transcript.client_bytes and not transcript.server_bytes:
        return _without_data(transcript, ends)
    if transcript.plaintext(CLIENT) is not None and transcript.client_hello is None:
        return _not_tls(transcript, ends)
    if transcript.client_hello is None and not transcript.client_start and not _hello(transcript):
        return _middle(transcript, ends)
    phase = _phase(transcript, flights, ends)
    if phase == "after_handshake":
        return _established(flights, application, ends)
    if not ends:
        if not _given_up(transcript):
            return _Judgement("incomplete", None, phase, "likely")
        # Nobody has left yet; when it comes to that it is the client or its timer.
        return _Judgement("failed", "client", phase, "likely")
    inferred = transcript.tls13 and phase in ("client_certificate", "finished")
    return _Judgement(
        "failed", party(ends[0].direction), phase, "likely" if inferred else "certain"
    )


def _port_check(transcript: Transcript, ends: tuple[Ending, ...]) -> bool:
    """Whether the client only looked in; what the server says to its FIN is a reaction."""
    if transcript.client_bytes or not ends or not transcript.client_start:
        return False
    first = ends[0]
    lasted = first.at - (transcript.opened_at if transcript.opened_at is not None else first.at)
    return first.kind == "fin" and first.direction is CLIENT and lasted < PORT_CHECK


def _given_up(transcript: Transcript) -> bool:
    """Whether the observer's patience ran out, or would have: it ended in a long silence."""
    if any(close.how is How.TIMEOUT for close in transcript.closes):
        return True
    ended = max((close.at for close in transcript.closes if close.how is How.OPEN), default=None)
    if ended is None:
        return False
    heard = max(
        (event.at for event in transcript.events if not isinstance(event, ClosedSeen)),
        default=transcript.opened_at if transcript.opened_at is not None else ended,
    )
    return ended - heard >= SILENCE


def _without_data(transcript: Transcript, ends: tuple[Ending, ...]) -> _Judgement:
    """Nothing was said: who resets or hangs up is told."""
    if not ends:
        waiting = _given_up(transcript)
        return _Judgement("no_data", "client" if waiting else None, "tcp" if waiting else None)
    if not transcript.client_start:
        return _Judgement("no_data", certainty="possible")
    return _Judgement("no_data", party(ends[0].direction), "tcp")


def _not_tls(transcript: Transcript, ends: tuple[Ending, ...]) -> _Judgement:
    """The client does not speak TLS. If the server answers in kind, nothing is wrong."""
    server, client = transcript.plaintext(SERVER), transcript.plaintext(CLIENT)
    if server is not None and client is not None and server.kind in (client.kind, "http"):
        return _Judgement("not_tls")
    failed_by = party(ends[0].direction) if ends else None
    return _Judgement("not_tls", failed_by, "before_server_hello")


def _hello(transcript: Transcript) -> bool:
    """Whether only the ClientHello is missing: from the ServerHello on all can be judged."""
    return transcript.server_hello is not None and transcript.client_bytes > 0


def _middle(transcript: Transcript, ends: tuple[Ending, ...]) -> _Judgement:
    """The capture began after both hellos: say what it shows, no more.

    A fatal alert in clear is a failed handshake: after a completed one it is encrypted.
    """
    if ends and ends[0].kind == "alert":
        return _Judgement("failed", party(ends[0].direction), None, "likely")
    if transcript.protected(CLIENT) or transcript.protected(SERVER):
        return _Judgement("established", None, None, "likely")
    return _Judgement("incomplete", party(ends[0].direction) if ends else None, None, "possible")


def _phase(transcript: Transcript, flights: Flights, ends: tuple[Ending, ...]) -> Phase:
    if not transcript.client_bytes:
        return "tcp"
    if transcript.server_hello is None:
        return "before_server_hello"
    if flights.second_flight is None or (ends and ends[0].index < flights.second_flight):
        return "server_flight"
    asked: Phase = "client_certificate" if flights.requested else "finished"
    if flights.client_finished is None:
        return asked
    if not transcript.tls13:
        return "after_handshake" if flights.server_finished is not None else asked
    if flights.answered:
        return "after_handshake"
    # TLS 1.3: the client has finished, and the server has said nothing larger than an
    # alert. With a certificate requested, a server that ends it now refuses the client
    # (RFC 8446 section 4.4.2.4); without one, it hangs up on the client's data.
    later = [end for end in ends if end.index > flights.second_flight]
    if not later or later[0].direction is CLIENT:
        return "after_handshake"
    if flights.requested:
        return "client_certificate"
    return "after_handshake" if flights.data else "finished"


def _established(
    flights: Flights, application: Application, ends: tuple[Ending, ...]
) -> _Judgement:
    sure: Sure = "likely" if flights.transcript.tls13 else "certain"
    refused_by = renegotiation_refused_by(flights, ends)
    if refused_by is not None:
        return _Judgement("established", party(refused_by), "after_handshake", "likely")
    if application.course in _FAULTS:
        by = application.ended_by
        return _Judgement("established", party(by) if by else None, "after_handshake", "likely")
    return _Judgement("established", None, None, sure)
