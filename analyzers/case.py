"""The facts of one connection that rules share, worked out once and only when asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Literal

from analyzers.certificates import read_certificate, verify_server_key_exchange
from analyzers.codepoints import ProtocolVersion, label
from analyzers.codepoints.suites import key_exchange
from analyzers.context import Context
from analyzers.course import Flights, Sure
from analyzers.endings import Ending
from analyzers.events import AlertSeen, ClosedSeen, Direction, HandshakeSeen, ProtectedSeen
from analyzers.extensions import STATUS_REQUEST
from analyzers.messages import CERTIFICATE_STATUS
from analyzers.offer import Offer
from analyzers.outcome import Outcome
from analyzers.stacks import HelloShape, ServerShape, Stack, recognise_client, recognise_server
from analyzers.texts import Meaning, alert_meanings, silent_refuser
from analyzers.transcript import CLIENT, SERVER, Transcript
from analyzers.trust import ChainJudgement, judge_chain
from analyzers.x509.certificate import Certificate
from analyzers.x509.names import Name, read_distinguished_name

CERTIFICATE_ALERTS = frozenset({42, 43, 44, 45, 46, 48, 111, 113, 114})
"""bad_certificate to certificate_unknown, unknown_ca, and the status alerts: RFC 8446
section 6.2 gives them no other use than a certificate."""
_AMBIGUOUS_ALERTS = frozenset({10, 40, 47, 49, 51, 70, 71, 80})
"""Alerts that one stack or another sends about a certificate, and others about other things."""
_CRYPTO_ALERTS = (20, 21, 51)
"""bad_record_mac, decryption_failed, decrypt_error."""
_CERTIFICATE_LEAST = 300
"""Bytes of a protected record from which on it can hold a Certificate message."""
_AT_ONCE = 0.03
"""Seconds within which a departure answers the message before it."""
MAX_CERTIFICATES = 64
"""Certificates of one side that are read; a message has room for tens of thousands."""
MAX_AUTHORITIES = 1000
"""Names of a CertificateRequest that are read."""
_LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One side left when it had the other's certificate in hand."""

    by: Direction
    ending: Ending
    alert: int | None
    """The clear alert's description."""
    kind: Literal["alert", "hidden", "silent"]
    sure: Sure
    """How sure it is that the certificate was the reason."""


@dataclass(frozen=True)
class Case:
    """A transcript, its outcome, and what follows from both."""

    tr: Transcript
    outcome: Outcome
    context: Context

    @property
    def flights(self) -> Flights:
        """The handshake's course."""
        return self.outcome.flights

    @property
    def phase(self) -> str | None:
        """The phase in which it ended."""
        return self.outcome.phase

    @cached_property
    def started(self) -> float:
        """When the connection began, in epoch seconds."""
        return self.context.start

    # -- endings ---------------------------------------------------------------------

    @property
    def ending(self) -> Ending | None:
        """The first sign that somebody left."""
        return self.outcome.first_ending

    @cached_property
    def waited(self) -> float:
        """Seconds from the last sign of the other side to the first ending."""
        end = self.ending
        if end is None:
            last = self.tr.events[-1].at if self.tr.events else self.started
            heard = [event.at for event in self.tr.events if not isinstance(event, ClosedSeen)]
            return last - max(heard, default=self.started)
        before = [event.at for event in self.tr.events[: end.index]]
        return end.at - max(before, default=self.tr.opened_at or self.started)

    @cached_property
    def server_alert(self) -> int | None:
        """The description of the server's clear error alert, if it ended the handshake."""
        return self._deciding_alert(SERVER)

    @cached_property
    def client_alert(self) -> int | None:
        """The description of the client's clear error alert, if it ended the handshake."""
        return self._deciding_alert(CLIENT)

    def _deciding_alert(self, direction: Direction) -> int | None:
        end = self.ending
        if end is None or end.direction is not direction or end.kind != "alert":
            return None
        event = self.tr.events[end.index]
        return event.description if isinstance(event, AlertSeen) else None

    def left(self, direction: Direction, *phases: str) -> Ending | None:
        """The first ending, if this side made it in one of these phases."""
        end = self.ending
        if end is None or end.direction is not direction or self.phase not in phases:
            return None
        return end

    @property
    def left_after_handshake(self) -> Ending | None:
        """The first ending, if the handshake was over by then."""
        return self.ending if self.phase == "after_handshake" else None

    # -- names -----------------------------------------------------------------------

    @cached_property
    def sni(self) -> str | None:
        """server_name as the client sent it; None if absent."""
        hello = self.tr.client_hello
        raw = hello.extensions.server_name if hello else None
        return raw.decode("ascii", "backslashreplace") if raw else None

    @cached_property
    def points_at_proxy(self) -> bool:
        """The client was pointed at this proxy by a name that is not the broker's."""
        wanted = self.context.server_name
        if self.context.kind != "proxy" or wanted is None or _is_local(wanted):
            return False
        if self.tr.client_hello is None:
            return False
        return self.sni is None or _is_local(self.sni)

    @cached_property
    def checked_name(self) -> str | None:
        """The name that the client most likely checks the certificate against."""
        if self.points_at_proxy:
            return self.sni or "localhost"
        return self.sni or self.context.server_name

    # -- offers ----------------------------------------------------------------------

    @cached_property
    def offer(self) -> Offer | None:
        """What the first ClientHello offers."""
        hello = self.tr.client_hello
        return Offer.of(hello) if hello is not None else None

    # -- stacks ----------------------------------------------------------------------

    @cached_property
    def client_stack(self) -> Stack | None:
        """The client's TLS library, from its hello."""
        hello, event = self.tr.client_hello, self.tr.client_hello_event
        if hello is None or event is None:
            return None
        return recognise_client(HelloShape.of(hello, event.record_version))

    @cached_property
    def server_stack(self) -> Stack | None:
        """The server's TLS library, from its hello."""
        hello = self.tr.server_hello
        if hello is None:
            return None
        return recognise_server(ServerShape.of(hello, self.tr.client_hello))

    @cached_property
    def client_family(self) -> str | None:
        """The family of the client's stack ("openssl", "node", ...)."""
        return self.client_stack.family if self.client_stack else None

    @cached_property
    def server_family(self) -> str | None:
        """The family of the server's stack."""
        return self.server_stack.family if self.server_stack else None

    @cached_property
    def silent_client(self) -> bool:
        """The client's stack is known to refuse certificates without an alert."""
        return bool(silent_refuser(self.client_family))

    def meanings(self, code: int | None) -> tuple[Meaning, ...]:
        """What a client alert means from this stack at this step."""
        if code is None or self.phase is None:
            return ()
        version = self.tr.version
        name = label(ProtocolVersion, version) if version is not None else None
        return alert_meanings(self.client_family, "client", self.phase, code, name)

    # -- certificates ----------------------------------------------------------------

    @cached_property
    def server_chain(self) -> tuple[Certificate, ...] | None:
        """The first `MAX_CERTIFICATES` of the server's clear chain; None where not visible."""
        return self._read_chain(SERVER)

    @cached_property
    def client_chain(self) -> tuple[Certificate, ...] | None:
        """The same of the client's clear chain; () if it sent an empty one."""
        return self._read_chain(CLIENT)

    def _read_chain(self, direction: Direction) -> tuple[Certificate, ...] | None:
        chain = self.tr.certificates(direction)
        return None if chain is None else tuple(map(read_certificate, chain[:MAX_CERTIFICATES]))

    @cached_property
    def authorities(self) -> tuple[Name, ...]:
        """The first `MAX_AUTHORITIES` CAs that the server's CertificateRequest names.

        `EMPTY_NAME` stands for one that can't be read.
        """
        request = self.tr.certificate_request
        ders = request.authorities[:MAX_AUTHORITIES] if request else ()
        return tuple(map(read_distinguished_name, ders))

    @cached_property
    def server_judgement(self) -> ChainJudgement | None:
        """What is wrong with the server's chain, at the time of the connection."""
        if not self.server_chain:
            return None
        hello = self.tr.server_hello
        exchange = key_exchange(hello.cipher_suite) if hello else None
        return judge_chain(
            self.server_chain,
            at=self.started,
            role="server",
            name=self.checked_name,
            trust_anchors=self.context.trust_anchors,
            key_exchange="rsa" if exchange in ("RSA", "RSA_PSK") else "signature",
            stapled=self._stapled(),
        )

    def _stapled(self) -> bool | None:
        """Whether the server sent a CertificateStatus; None where the client did not ask."""
        hello = self.tr.client_hello
        if hello is None or STATUS_REQUEST not in hello.extension_types:
            return None
        return any(event.type == CERTIFICATE_STATUS for event in self.tr.of(HandshakeSeen, SERVER))

    @cached_property
    def client_judgement(self) -> ChainJudgement | None:
        """What is wrong with the client's chain."""
        if not self.client_chain:
            return None
        return judge_chain(
            self.client_chain,
            at=self.started,
            role="client",
            name=None,
            trust_anchors=None,
            authorities=self.authorities,
        )

    @cached_property
    def server_key_exchange_valid(self) -> bool | None:
        """Whether the ServerKeyExchange verifies under the leaf; None where unchecked."""
        exchange, chain = self.tr.server_key_exchange, self.server_chain
        client, server = self.tr.client_hello, self.tr.server_hello
        if exchange is None or not chain or client is None or server is None:
            return None
        if exchange.signature is None:
            return None
        return verify_server_key_exchange(
            chain[0],
            client.random,
            server.random,
            exchange.params,
            exchange.signature_scheme,
            exchange.signature,
            server.version,
        )

    @cached_property
    def server_refused(self) -> Refusal | None:
        """The client left with the server's certificate in hand."""
        end = self.ending
        if end is None or end.direction is not CLIENT or self.flights.resumed:
            return None
        if self.tr.server_hello is None or not self._certificate_arrived(end):
            return None
        silent = self.silent_client
        if self.phase in ("finished", "client_certificate", "after_handshake"):
            return self._late_refusal(end, silent)
        if self.phase != "server_flight":
            return None
        code = self.client_alert
        if code is not None:
            if code not in CERTIFICATE_ALERTS | _AMBIGUOUS_ALERTS:
                return None
            return Refusal(
                CLIENT, end, code, "alert", "certain" if code in CERTIFICATE_ALERTS else "likely"
            )
        if end.kind == "hidden":
            return Refusal(CLIENT, end, None, "hidden", "likely")
        if end.kind == "rst" and not silent:
            return None
        return Refusal(CLIENT, end, None, "silent", self._silence(silent))

    def _late_refusal(self, end: Ending, silent: bool) -> Refusal | None:
        """The client had answered the server's flight when it left.

        NSS checks the certificate beside the handshake and sends its alert, encrypted,
        after its own Finished; before the server's Finished nobody has reason to close.
        """
        done = self.flights.server_finished
        beside = done is None or end.index < done or self.client_family == "nss"
        if beside and end.kind == "hidden" and not self.tr.tls13 and not self.flights.data:
            return Refusal(CLIENT, end, None, "hidden", "likely")
        if self.phase != "after_handshake":
            return None
        if self.outcome.application.course != "closed_unused":
            return None
        return Refusal(CLIENT, end, None, "silent", self._silence(silent))

    def _certificate_arrived(self, end: Ending) -> bool:
        if not self.tr.tls13:
            return bool(self.tr.certificates(SERVER))
        if self.flights.server_finished is not None:
            return True
        # A client may refuse as soon as it has read the Certificate; the rest of the
        # flight can still be on its way.
        return self._certificate_record(end) and (end.is_alert or self._prompt())

    def _certificate_record(self, end: Ending) -> bool:
        """A protected record that can hold the server's Certificate came before the end."""
        return any(
            isinstance(event, ProtectedSeen)
            and event.direction is SERVER
            and event.record_length >= _CERTIFICATE_LEAST
            for event in self.tr.events[: end.index]
        )

    def _silence(self, silent_stack: bool) -> Sure:
        """How much a silent departure says: a proven fault or a known habit make it likely."""
        if silent_stack:
            return "likely"
        if self.phase == "server_flight" and self._prompt():
            return "likely"
        judged = self.server_judgement
        proven = judged is not None and any(d.certainty == "certain" for d in judged.defects)
        return "likely" if proven else "possible"

    def _prompt(self) -> bool:
        """A client on OpenSSL left the moment it had the certificate.

        OpenSSL itself sends an alert, but programs that look at the certificate afterwards
        do not: Node.js, Python's asyncio (which drops the alert with the transport) and
        Paho C. Who closes at once reacts to what it read; a timer or a user takes longer.
        """
        end = self.ending
        if end is None or end.kind != "fin" or self.waited > _AT_ONCE:
            return False
        if self.client_family not in ("openssl", "node"):
            return False
        return self._certificate_record(end) if self.tr.tls13 else bool(self.server_chain)

    @cached_property
    def client_refused(self) -> Refusal | None:
        """The server left with the client's certificate (or none) in hand."""
        end = self.ending
        if end is None or end.direction is not SERVER or not self.flights.requested:
            return None
        if self.phase == "after_handshake":
            course = self.outcome.application.course
            if course not in ("hung_up", "closed_unused"):
                return None
            return Refusal(SERVER, end, None, "silent", "likely")
        if self.phase != "client_certificate":
            return None
        if self.server_alert in _CRYPTO_ALERTS and self.flights.sent != "certificate":
            return None  # Where no certificate was sent, no signature of it can be wrong.
        if self.server_alert is not None:
            return Refusal(SERVER, end, self.server_alert, "alert", "certain")
        kind: Literal["hidden", "silent"] = "hidden" if end.is_alert else "silent"
        return Refusal(SERVER, end, None, kind, "likely")


def _is_local(name: str) -> bool:
    """Whether a name or an address means this machine (some clients put addresses in SNI)."""
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name.lower().rstrip(".") in _LOCAL_NAMES
