"""The `tls` part of a report."""

from __future__ import annotations

from analyzers import fingerprints
from analyzers import report as r
from analyzers.case import Case
from analyzers.codepoints import (
    CipherSuite,
    CompressionMethod,
    ExtensionType,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
    SignatureScheme,
    label,
    labels,
)
from analyzers.course_report import alerts, history, messages
from analyzers.events import (
    AlertSeen,
    ChangeCipherSpecSeen,
    HandshakeSeen,
    ProtectedSeen,
)
from analyzers.messages import (
    CERTIFICATE,
    SERVER_HELLO,
    SERVER_HELLO_DONE,
    ServerHello,
    changed_fields,
)
from analyzers.printable import printable_bytes
from analyzers.stacks import Stack
from analyzers.transcript import SERVER
from analyzers.x509.certificate import Certificate


def build_tls(case: Case) -> r.TlsReport | None:
    """All that is known of the handshake; None where neither side spoke TLS."""
    tr, flights = case.tr, case.flights
    spoken = any(
        isinstance(event, HandshakeSeen | AlertSeen | ProtectedSeen | ChangeCipherSpecSeen)
        for event in tr.events
    )
    if not spoken:
        return None
    hello, server = tr.client_hello, tr.server_hello
    return r.TlsReport(
        version=_version(server.version) if server else None,
        cipher=label(CipherSuite, server.cipher_suite) if server else None,
        group=_group(case),
        alpn=_first_alpn(server) if server else None,
        history=history(case),
        resumption=_resumption(case),
        psk=r.Psk(
            offered=bool(hello and hello.extensions.psk_identities),
            accepted=_psk_accepted(case),
            identities=len(hello.extensions.psk_identities) if hello else 0,
        ),
        client_auth=r.ClientAuth(
            requested=flights.requested,
            sent=flights.sent,
            certainty=_client_auth_certainty(case),
        ),
        client_hello=_client_hello(case),
        hello_retry_request=_retry(case),
        second_client_hello=_second(case),
        server_hello=_server_hello(case),
        server_key_exchange=_key_exchange(case),
        server_certificates=_chain(case, client=False),
        certificate_request=_request(case),
        client_certificates=_chain(case, client=True),
        inferred=r.Inferred(
            server_key=flights.server_key,
            alpn=_inferred_alpn(case),
            certificate_message_length=flights.server_certificate,
        ),
        alerts=alerts(case),
        messages=messages(case),
    )


def _version(number: int) -> str:
    return label(ProtocolVersion, number)


def _group(case: Case) -> str | None:
    server, exchange = case.tr.server_hello, case.tr.server_key_exchange
    if exchange is not None and exchange.group is not None:
        return label(NamedGroup, exchange.group)
    if server is not None and case.tr.tls13 and server.extensions.key_shares:
        return label(NamedGroup, server.extensions.key_shares[0])
    return None


def _first_alpn(server: ServerHello) -> str | None:
    names = server.extensions.alpn
    return printable_bytes(names[0]) if names else None


def _resumption(case: Case) -> r.ResumptionKind:
    tr, flights = case.tr, case.flights
    if tr.server_hello is None:
        return "unknown"
    if not flights.resumed:
        # Until the server's next message an abbreviated handshake looks the same.
        undecided = not tr.tls13 and tr.certificates(SERVER) is None
        more = any(event.type != SERVER_HELLO for event in tr.of(HandshakeSeen, SERVER))
        return "unknown" if undecided and not more else "none"
    if tr.tls13:
        return "psk"
    hello = tr.client_hello
    if hello is not None and hello.extensions.session_ticket:
        return "ticket"
    return "session_id"


def _client_auth_certainty(case: Case) -> r.Certainty:
    flights = case.flights
    if flights.sent is not None:
        return flights.sent_sure
    return flights.requested_sure if flights.requested is not None else "possible"


def _inferred_alpn(case: Case) -> str | None:
    """The protocol that the length of EncryptedExtensions gives away (TLS 1.3).

    An EncryptedExtensions message is 6 bytes when empty, an acknowledged server_name adds
    4, and an ALPN answer adds 7 and the name (RFC 7301 section 3.1).
    """
    hello, length = case.tr.client_hello, case.flights.encrypted_extensions
    if hello is None or length is None:
        return None
    acknowledged = (0, 4) if hello.extensions.server_name else (0,)
    if length in (6 + extra for extra in acknowledged):
        return None
    fitting = {
        name
        for name in hello.extensions.alpn
        for extra in acknowledged
        if length == 6 + extra + 7 + len(name)
    }
    return printable_bytes(fitting.pop()) if len(fitting) == 1 else None


def _psk_accepted(case: Case) -> bool | None:
    server, hello = case.tr.server_hello, case.tr.client_hello
    if hello is None or not hello.extensions.psk_identities or server is None:
        return None
    return server.extensions.psk_selected is not None


def _client_hello(case: Case) -> r.ClientHelloReport | None:
    hello, event = case.tr.client_hello, case.tr.client_hello_event
    if hello is None or event is None:
        return None
    read = hello.extensions
    ja3, ja3_string = fingerprints.ja3(
        hello.legacy_version,
        hello.cipher_suites,
        hello.extension_types,
        read.groups,
        read.point_formats,
    )
    return r.ClientHelloReport(
        record_version=_version(event.record_version),
        legacy_version=_version(hello.legacy_version),
        versions=labels(ProtocolVersion, hello.versions),
        cipher_suites=labels(CipherSuite, hello.cipher_suites),
        compression_methods=labels(CompressionMethod, hello.compression_methods),
        extensions=labels(ExtensionType, hello.extension_types),
        groups=labels(NamedGroup, read.groups),
        key_shares=labels(NamedGroup, read.key_shares),
        signature_algorithms=labels(SignatureScheme, read.signature_algorithms),
        signature_algorithms_cert=labels(SignatureScheme, read.signature_algorithms_cert),
        server_name=printable_bytes(read.server_name) if read.server_name else None,
        alpn=[printable_bytes(name) for name in read.alpn],
        psk_modes=labels(PskKeyExchangeMode, read.psk_modes),
        early_data=read.early_data,
        ech=hello.ech or None,
        max_fragment_length=read.max_fragment_length,
        record_size_limit=read.record_size_limit,
        length=len(event.raw),
        fragments=r.Fragments(records=event.records, segments=event.segments),
        ja3=ja3,
        ja3_string=ja3_string,
        ja4=fingerprints.ja4(
            hello.legacy_version,
            hello.cipher_suites,
            hello.extension_types,
            versions=read.versions,
            signature_algorithms=read.signature_algorithms,
            alpn=read.alpn,
        ),
        stack=_stack(case.client_stack),
    )


def _stack(guess: Stack | None) -> r.StackGuess | None:
    return r.StackGuess(name=guess.name, certainty=guess.certainty) if guess else None


def _retry(case: Case) -> r.HelloRetryRequestReport | None:
    retry = case.tr.hello_retry_request
    if retry is None:
        return None
    asked = retry.extensions.key_shares
    return r.HelloRetryRequestReport(
        group=label(NamedGroup, asked[0]) if asked else None,
        cipher=label(CipherSuite, retry.cipher_suite),
        cookie=retry.extensions.cookie,
    )


def _second(case: Case) -> r.SecondClientHello | None:
    first, second = case.tr.client_hello, case.tr.second_client_hello
    if first is None or second is None:
        return None
    changed = []
    for name in changed_fields(first, second):
        _, _, number = name.partition("extension:")
        changed.append(label(ExtensionType, int(number)) if number else name)
    return r.SecondClientHello(changed=changed)


def _server_hello(case: Case) -> r.ServerHelloReport | None:
    hello, event = case.tr.server_hello, case.tr.server_hello_event
    if hello is None or event is None:
        return None
    shares = hello.extensions.key_shares
    ja3s, _ = fingerprints.ja3s(hello.legacy_version, hello.cipher_suite, hello.extension_types)
    return r.ServerHelloReport(
        record_version=_version(event.record_version),
        legacy_version=_version(hello.legacy_version),
        version=_version(hello.version),
        cipher=label(CipherSuite, hello.cipher_suite),
        compression=label(CompressionMethod, hello.compression_method),
        extensions=labels(ExtensionType, hello.extension_types),
        group=label(NamedGroup, shares[0]) if shares else None,
        alpn=_first_alpn(hello),
        downgrade=_downgrade(hello),
        ja3s=ja3s,
        stack=_stack(case.server_stack),
    )


def _downgrade(hello: ServerHello) -> r.DowngradeKind | None:
    sentinel = hello.downgrade
    return "TLS 1.2" if sentinel == "TLS 1.2" else "TLS 1.1" if sentinel else None


def _key_exchange(case: Case) -> r.ServerKeyExchangeReport | None:
    exchange = case.tr.server_key_exchange
    if exchange is None:
        return None
    return r.ServerKeyExchangeReport(
        group=label(NamedGroup, exchange.group) if exchange.group is not None else None,
        signature_scheme=(
            label(SignatureScheme, exchange.signature_scheme)
            if exchange.signature_scheme is not None
            else None
        ),
        signature_valid=case.server_key_exchange_valid,
    )


def _chain(case: Case, *, client: bool) -> list[r.CertificateReport] | None:
    chain = case.client_chain if client else case.server_chain
    if chain is None:
        if client:
            return [] if not case.tr.tls13 and case.flights.sent == "none" else None
        return [] if _sent_no_chain(case) else None
    judged = case.client_judgement if client else case.server_judgement
    valid = judged.signatures if judged else ()
    return [
        certificate_report(item, valid[place] if place < len(valid) else None)
        for place, item in enumerate(chain)
    ]


def _sent_no_chain(case: Case) -> bool:
    """Whether the server provably sent no Certificate: it resumed, or uses a shared key.

    TLS 1.3 has none where a PSK was accepted (RFC 8446 section 4.4.2), TLS 1.2 none in an
    abbreviated handshake (RFC 5246 section 7.3) or where ServerHelloDone came without it
    (RFC 4279 section 2). A hole in the capture may hide one.
    """
    tr = case.tr
    if tr.server_hello is None or not tr.server_start or tr.gaps:
        return False
    sent = {event.type for event in tr.of(HandshakeSeen, SERVER)}
    return CERTIFICATE not in sent and (case.flights.resumed or SERVER_HELLO_DONE in sent)


def certificate_report(item: Certificate, valid: bool | None) -> r.CertificateReport:
    """A certificate in the report's words."""
    return r.CertificateReport(
        subject=item.subject,
        issuer=item.issuer,
        serial=item.serial,
        not_before=r.timestamp(item.not_before) if item.not_before is not None else None,
        not_after=r.timestamp(item.not_after) if item.not_after is not None else None,
        san=list(item.san),
        key=r.Key(type=item.key.type, bits=item.key.bits, curve=item.key.curve),
        signature_algorithm=item.signature_algorithm.name,
        version=item.version,
        is_ca=item.is_ca,
        key_usage=list(item.key_usage or ()),
        extended_key_usage=list(item.extended_key_usage or ()),
        self_signed=item.self_signed,
        sha256=item.sha256,
        signature_valid=valid,
    )


def _request(case: Case) -> r.CertificateRequestReport | None:
    request = case.tr.certificate_request
    if request is None:
        return None
    return r.CertificateRequestReport(
        signature_algorithms=labels(SignatureScheme, request.signature_algorithms),
        authorities=[name.text if name else "unreadable" for name in case.authorities],
    )
