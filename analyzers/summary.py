"""Case and findings to the report's structs: selection and spelling, no judgement."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version

from analyzers import report as r
from analyzers.case import MAX_AUTHORITIES, MAX_CERTIFICATES, Case
from analyzers.codepoints import HandshakeType, label
from analyzers.community_id import community_id
from analyzers.events import ClosedSeen, HandshakeSeen, How, NotConnectedSeen
from analyzers.finding import Evidence, Finding
from analyzers.fixes import fixes_for
from analyzers.handshake_report import build_tls
from analyzers.printable import printable
from analyzers.rules import Rule, catalogue
from analyzers.transcript import CLIENT, SERVER


def build_report(case: Case, findings: tuple[Finding, ...]) -> r.Report:
    """Put a report together."""
    tr, context, outcome = case.tr, case.context, case.outcome
    causes = [finding for finding in findings if finding.role == "cause"]
    verdict = r.Verdict(rule=causes[0].rule, certainty=causes[0].certainty) if causes else None
    last = max((event.at for event in tr.events), default=context.start)
    name = context.server_name or case.sni
    return r.Report(
        schema=r.SCHEMA,
        tool_version=tool_version(),
        id=_identifier(case),
        community_id=_community(case),
        source=r.Source(
            kind=context.kind,
            name=printable(context.name),
            stream=context.stream,
            first_frame=context.first_frame,
        ),
        client=r.Client(
            address=context.client_address,
            port=context.client_port,
            process=printable(context.client_process) if context.client_process else None,
        ),
        server=r.Server(
            address=context.server_address,
            port=context.server_port,
            name=printable(name) if name else None,
        ),
        start=r.timestamp(context.start),
        duration_ms=r.milliseconds(last - context.start),
        bytes=r.PerDirection(client=tr.client_bytes, server=tr.server_bytes),
        records_skipped=r.PerDirection(client=tr.client_skipped, server=tr.server_skipped),
        complete=r.Complete(
            client_start=tr.client_start,
            server_start=tr.server_start,
            gaps=tr.gaps,
            truncated=not outcome.endings and any(close.how is How.OPEN for close in tr.closes),
        ),
        analysis=r.Analysis(
            stopped=tr.stopped is not None,
            # An internal error's words may quote what strangers sent.
            reason=printable(tr.stopped.reason) if tr.stopped else None,
            warnings=_warnings(case),
        ),
        closes=[_close(case, close) for close in tr.closes],
        protocol=_protocol(case),
        server_protocol=_server_protocol(case),
        outcome=r.OutcomeReport(
            status=outcome.status,
            handshake=outcome.handshake,
            failed_by=outcome.failed_by,
            phase=outcome.phase,
            certainty=outcome.certainty,
        ),
        verdict=verdict,
        tls=build_tls(case),
        mqtt=_mqtt(case),
        related=[],
        findings=[_finding(case, finding, finding in causes[:1]) for finding in findings],
    )


@cache
def tool_version() -> str:
    """The installed version of tlswhy."""
    try:
        return package_version("tlswhy")
    except PackageNotFoundError:
        return "0"


def _identifier(case: Case) -> str:
    """Stable for a connection however it was observed: ends and the client's random."""
    context, hello = case.context, case.tr.client_hello
    random = hello.random if hello else str(context.start).encode()
    text = f"{context.client_address}|{context.client_port}|".encode() + random
    return sha256(text).hexdigest()[:16]


def _community(case: Case) -> str | None:
    context = case.context
    if context.client_address is None or context.server_address is None:
        return None
    if context.client_port is None or context.server_port is None:
        return None
    try:
        return community_id(
            context.client_address,
            context.client_port,
            context.server_address,
            context.server_port,
        )
    except ValueError:
        return None


def _close(case: Case, close: ClosedSeen) -> r.Close:
    return r.Close(
        from_="client" if close.direction is CLIENT else "server",
        how=close.how.value,
        at_ms=r.milliseconds(close.at - case.context.start),
    )


def _warnings(case: Case) -> list[str]:
    found = [f"{event.direction.sender}: {event.error}" for event in case.tr.faults]
    for event in case.tr.of(HandshakeSeen):
        if event.fault is not None:
            found.append(f"{event.direction.sender}: {event.fault}")
        found += [
            f"{event.direction.sender}: {fault}" for fault in getattr(event.body, "faults", ())
        ]
    if case.tr.gaps:
        found.append(f"{case.tr.gaps} hole{'s' * (case.tr.gaps > 1)} in the capture")
    for side in (SERVER, CLIENT):
        sent = len(case.tr.certificates(side) or ())
        if sent > MAX_CERTIFICATES:
            found.append(
                f"{side.sender}: {sent} certificates, of which {MAX_CERTIFICATES} were read"
            )
    request = case.tr.certificate_request
    if request is not None and len(request.authorities) > MAX_AUTHORITIES:
        found.append(
            f"server: names {len(request.authorities)} CAs, of which {MAX_AUTHORITIES} were read"
        )
    for chain in (case.server_chain, case.client_chain):
        found += [f"certificate: {fault}" for item in chain or () for fault in item.faults]
    return [printable(text) for text in found[:32]]


def _protocol(case: Case) -> str:
    plain = case.tr.plaintext(CLIENT)
    if case.tr.client_hello is not None or (plain is None and _speaks_tls(case, client=True)):
        return "tls"
    if plain is not None:
        return plain.kind
    return "unknown" if case.tr.client_bytes else "none"


def _server_protocol(case: Case) -> str:
    plain = case.tr.plaintext(SERVER)
    if plain is not None:
        return plain.kind
    if _speaks_tls(case, client=False):
        return "tls"
    return "unknown" if case.tr.server_bytes else "none"


def _speaks_tls(case: Case, *, client: bool) -> bool:
    way = CLIENT if client else SERVER
    pending = case.tr.pending.get(way)
    if pending is not None and pending.content_type in (20, 21, 22, 23):
        return True
    return any(
        event.direction is way and not isinstance(event, ClosedSeen)
        for event in case.tr.events
        if type(event).__name__
        in ("HandshakeSeen", "AlertSeen", "ProtectedSeen", "ChangeCipherSpecSeen")
    )


def _mqtt(case: Case) -> r.MqttReport:
    found = case.outcome.application
    plain = case.tr.plaintext(CLIENT)
    if plain is not None and plain.kind == "mqtt":
        return r.MqttReport(
            connect_sent=True,
            connack=case.tr.plaintext(SERVER) is not None,
            connect_refused=None,
            websocket=False,
            certainty="certain",
        )
    return r.MqttReport(
        connect_sent=found.connect_sent,
        connack=found.connack,
        connect_refused=found.refused,
        websocket=found.websocket,
        certainty=found.certainty,
    )


# -- findings --------------------------------------------------------------------------


@cache
def _rules() -> dict[str, Rule]:
    return {rule.id: rule for rule in catalogue()}


def _finding(case: Case, finding: Finding, verdict: bool) -> r.FindingReport:
    declared = _rules().get(finding.rule)
    wanted = verdict or finding.role in ("cause", "contributing")
    fixes = _fixes(case, finding) if wanted else []
    return r.FindingReport(
        rule=finding.rule,
        role=finding.role,
        certainty=finding.certainty,
        title=printable(finding.title),
        explanation=printable(finding.explanation),
        evidence=[_evidence(case, item) for item in finding.evidence],
        fixes=fixes,
        references=list(finding.references or (declared.references if declared else ())),
    )


def _fixes(case: Case, finding: Finding) -> list[r.FixReport]:
    context = case.context
    # A mismatch that we caused is mended on our side, not in the broker's certificate.
    ours = case.points_at_proxy and finding.rule == "certificate-name-mismatch"
    found = fixes_for(
        "client-points-at-proxy-name" if ours else finding.rule,
        client=context.client_hint,
        broker=context.broker_hint,
        client_family=case.client_family,
        client_stack=case.client_stack.name if case.client_stack else None,
        server_family=case.server_family,
        server_name=context.server_name or case.sni,
        port=context.server_port,
    )
    return [r.FixReport(for_=fix.for_, text=printable(fix.text)) for fix in found]


def _evidence(case: Case, item: Evidence) -> r.EvidenceReport:
    event = item.event
    message = wireshark = None
    if isinstance(event, HandshakeSeen):
        message = label(HandshakeType, event.type)
        wireshark = f"tls.handshake.type == {event.type}"
    elif event is not None:
        message = _EVENT_NAMES.get(type(event).__name__)
        wireshark = _EVENT_FILTERS.get(type(event).__name__)
    if isinstance(event, NotConnectedSeen) and event.why == "name":
        wireshark = None  # a question to the name server, and no packet to the broker
    stream = case.context.stream
    if wireshark and stream is not None:
        wireshark = f"tcp.stream == {stream} && {wireshark}"
    if event is not None and event.frame is not None:
        wireshark = f"frame.number == {event.frame}"
    return r.EvidenceReport(
        from_=None if event is None else "client" if event.direction is CLIENT else "server",
        message=message,
        offset=item.offset,
        length=item.length,
        stream_offset=None
        if event is None or isinstance(event, NotConnectedSeen)
        else event.stream_offset,
        frame=event.frame if event is not None else None,
        says=printable(item.says),
        wireshark=wireshark,
    )


_EVENT_NAMES = {
    "AlertSeen": "alert",
    "ProtectedSeen": "protected record",
    "ChangeCipherSpecSeen": "change_cipher_spec",
    "ClosedSeen": "close",
    "PlaintextSeen": "plaintext",
    "FaultSeen": "malformed bytes",
    "NotConnectedSeen": "connect",
}
_EVENT_FILTERS = {
    "AlertSeen": "tls.alert_message",
    "ProtectedSeen": "(tls.record.opaque_type == 23 || tls.app_data)",
    "ClosedSeen": "(tcp.flags.fin == 1 || tcp.flags.reset == 1)",
    "NotConnectedSeen": "tcp.flags.syn == 1",
}
