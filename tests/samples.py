"""Reports made by hand: every required field filled, each part replaceable.

`report(...)` fills what a test does not care about; the named samples below are the
situations whose rendering the snapshots hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from analyzers import report as shape


def client_hello(**change: Any) -> shape.ClientHelloReport:
    """A TLS 1.2 hello as SChannel sends it, roughly."""
    fields: dict[str, Any] = {
        "record_version": "TLS 1.2",
        "legacy_version": "TLS 1.2",
        "versions": ["TLS 1.2"],
        "cipher_suites": [
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        ],
        "compression_methods": ["NULL"],
        "extensions": ["server_name", "supported_groups", "signature_algorithms"],
        "groups": ["x25519", "secp256r1"],
        "key_shares": [],
        "signature_algorithms": ["rsa_pss_rsae_sha256", "rsa_pkcs1_sha256"],
        "signature_algorithms_cert": [],
        "server_name": "broker.example.com",
        "alpn": [],
        "psk_modes": [],
        "early_data": False,
        "ech": None,
        "max_fragment_length": None,
        "record_size_limit": None,
        "length": 189,
        "fragments": shape.Fragments(records=1, segments=1),
        "ja3": "28a2c9bd18a11de089ef85a160da29e4",
        "ja3_string": "771,49200-49199,0-10-13,29-23,",
        "ja4": "t12d020300_0123456789ab_0123456789ab",
        "stack": shape.StackGuess(name="SChannel", certainty="likely"),
    }
    return shape.ClientHelloReport(**{**fields, **change})


def server_hello(**change: Any) -> shape.ServerHelloReport:
    """A TLS 1.2 answer as Erlang sends it, roughly."""
    fields: dict[str, Any] = {
        "record_version": "TLS 1.2",
        "legacy_version": "TLS 1.2",
        "version": "TLS 1.2",
        "cipher": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "compression": "NULL",
        "extensions": ["renegotiation_info", "ec_point_formats"],
        "group": None,
        "alpn": None,
        "downgrade": None,
        "ja3s": "f6618ef0d3bd33f4f8a0bd3cd27d3f5f",
        "stack": shape.StackGuess(name="Erlang/OTP", certainty="likely"),
    }
    return shape.ServerHelloReport(**{**fields, **change})


def certificate(**change: Any) -> shape.CertificateReport:
    """A leaf for broker.example.com."""
    fields: dict[str, Any] = {
        "subject": "CN=broker.example.com",
        "issuer": "CN=Example Root",
        "serial": "0x1001",
        "not_before": "2026-01-01T00:00:00Z",
        "not_after": "2027-01-01T00:00:00Z",
        "san": ["DNS:broker.example.com"],
        "key": shape.Key(type="RSA", bits=2048, curve=None),
        "signature_algorithm": "sha256WithRSAEncryption",
        "version": 3,
        "is_ca": False,
        "key_usage": ["digital_signature"],
        "extended_key_usage": ["serverAuth"],
        "self_signed": False,
        "sha256": "00" * 32,
        "signature_valid": True,
    }
    return shape.CertificateReport(**{**fields, **change})


def message(
    sender: str, name: str, at_ms: float, length: int = 40, *, encrypted: bool = False
) -> shape.MessageReport:
    """A handshake message; "application_data" and "alert" make their own record types."""
    record = name if name in ("alert", "application_data", "change_cipher_spec") else "handshake"
    return msgspec.convert(
        {
            "from": sender,
            "record": record,
            "name": name,
            "length": length,
            "at_ms": at_ms,
            "encrypted": encrypted,
        },
        shape.MessageReport,
    )


def alert(
    sender: str, code: int | None, name: str | None, at_ms: float, **change: Any
) -> shape.AlertReport:
    """A fatal alert in clear unless changed."""
    fields: dict[str, Any] = {
        "from": sender,
        "level": None if code is None else "fatal",
        "code": code,
        "name": name,
        "kind": "unknown" if code is None else "error",
        "encrypted": code is None,
        "record_length": 19 if code is None else 2,
        "reaction": False,
        "certainty": "likely" if code is None else "certain",
        "at_ms": at_ms,
    }
    return msgspec.convert({**fields, **change}, shape.AlertReport)


def close(sender: str, how: str, at_ms: float) -> shape.Close:
    """The end of one direction."""
    return msgspec.convert({"from": sender, "how": how, "at_ms": at_ms}, shape.Close)


def evidence(
    sender: str | None, name: str | None, says: str, **change: Any
) -> shape.EvidenceReport:
    """A proof without a place unless changed."""
    fields: dict[str, Any] = {
        "from": sender,
        "message": name,
        "offset": None,
        "length": None,
        "stream_offset": None,
        "frame": None,
        "says": says,
        "wireshark": None,
    }
    return msgspec.convert({**fields, **change}, shape.EvidenceReport)


def fix(program: str, text: str) -> shape.FixReport:
    """What to change in `program`."""
    return msgspec.convert({"for": program, "text": text}, shape.FixReport)


def finding(rule: str, title: str, explanation: str = "", **change: Any) -> shape.FindingReport:
    """A certain cause unless changed."""
    fields: dict[str, Any] = {
        "rule": rule,
        "role": "cause",
        "certainty": "certain",
        "title": title,
        "explanation": explanation,
        "evidence": [],
        "fixes": [],
        "references": [],
    }
    return shape.FindingReport(**{**fields, **change})


def tls(**change: Any) -> shape.TlsReport:
    """A TLS 1.2 handshake of which nothing was seen unless changed."""
    fields: dict[str, Any] = {
        "version": "TLS 1.2",
        "cipher": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "group": "x25519",
        "alpn": None,
        "history": "",
        "resumption": "none",
        "psk": shape.Psk(offered=False, accepted=None, identities=0),
        "client_auth": shape.ClientAuth(requested=False, sent=None, certainty="certain"),
        "client_hello": client_hello(),
        "hello_retry_request": None,
        "second_client_hello": None,
        "server_hello": server_hello(),
        "server_key_exchange": None,
        "server_certificates": None,
        "certificate_request": None,
        "client_certificates": None,
        "inferred": shape.Inferred(server_key=None, alpn=None, certificate_message_length=None),
        "alerts": [],
        "messages": [],
    }
    return shape.TlsReport(**{**fields, **change})


def report(**change: Any) -> shape.Report:
    """An established TLS connection through the proxy unless changed."""
    fields: dict[str, Any] = {
        "schema": shape.SCHEMA,
        "tool_version": "0.1.0",
        "id": "c1",
        "community_id": "1:wCb3OG7yAFWelaUydu0D+125CLM=",
        "source": shape.Source(kind="proxy", name="127.0.0.1:8883", stream=None, first_frame=None),
        "client": shape.Client(address="127.0.0.1", port=53212, process=None),
        "server": shape.Server(address="192.0.2.7", port=8883, name="broker.example.com"),
        "start": "2026-10-03T14:05:11.123456Z",
        "duration_ms": 12.3,
        "bytes": shape.PerDirection(client=517, server=3121),
        "records_skipped": shape.PerDirection(client=0, server=0),
        "complete": shape.Complete(client_start=True, server_start=True, gaps=0, truncated=False),
        "analysis": shape.Analysis(stopped=False, reason=None, warnings=[]),
        "closes": [],
        "protocol": "tls",
        "server_protocol": "tls",
        "outcome": outcome(),
        "verdict": None,
        "tls": tls(),
        "mqtt": shape.MqttReport(
            connect_sent=None, connack=None, connect_refused=None, websocket=None, certainty=None
        ),
        "related": [],
        "findings": [],
    }
    filled = {**fields, **change}
    causes = [found for found in filled["findings"] if found.role == "cause"]
    if causes and "verdict" not in change:
        filled["verdict"] = shape.Verdict(rule=causes[0].rule, certainty=causes[0].certainty)
    return shape.Report(**filled)


def outcome(**change: Any) -> shape.OutcomeReport:
    """Established unless changed."""
    fields: dict[str, Any] = {
        "status": "established",
        "handshake": "complete",
        "failed_by": None,
        "phase": None,
        "certainty": "certain",
    }
    return shape.OutcomeReport(**{**fields, **change})


def misleading_alert() -> shape.Report:
    """The client answers a certificate that does not verify with `protocol_version`."""
    return report(
        outcome=outcome(
            status="failed", handshake="partial", failed_by="client", phase="server_flight"
        ),
        client=shape.Client(address="127.0.0.1", port=53212, process="MqttApp.exe"),
        closes=[close("client", "fin", 10.4), close("server", "fin", 10.9)],
        tls=tls(
            server_certificates=[
                certificate(signature_algorithm="sha512WithRSAEncryption", signature_valid=False),
                certificate(subject="CN=Example Root", is_ca=True, self_signed=True, san=[]),
            ],
            server_key_exchange=shape.ServerKeyExchangeReport(
                group="x25519", signature_scheme="rsa_pss_rsae_sha256", signature_valid=True
            ),
            messages=[
                message("client", "client_hello", 0.3, 189),
                message("server", "server_hello", 1.9, 85),
                message("server", "certificate", 1.9, 2104),
                message("server", "server_key_exchange", 2.0, 300),
                message("server", "server_hello_done", 2.0, 4),
                message("client", "alert", 9.8, 2),
            ],
            alerts=[alert("client", 70, "protocol_version", 9.8)],
        ),
        findings=[
            finding(
                "certificate-bad-signature",
                "The broker certificate's signature does not verify",
                'The certificate says that it was signed by "CN=Example Root", and that CA is in '
                "the chain, but the signature does not verify under that CA's key. The CA was "
                "probably created anew under its old name, or the certificate was damaged. Every "
                "client that checks certificates must refuse it.",
                evidence=[
                    evidence(
                        "server",
                        "Certificate",
                        "certificate 1 (CN=broker.example.com) does not verify under "
                        "certificate 2 (CN=Example Root)",
                        offset=1204,
                        length=256,
                        wireshark="tls.handshake.type == 11",
                    ),
                    evidence(
                        "client",
                        "Alert",
                        "protocol_version came after the certificate, not after the ServerHello",
                        stream_offset=194,
                    ),
                ],
                fixes=[
                    fix(
                        "MQTTnet",
                        "Nothing to change: the certificate is at fault. To see the reason on "
                        "the client, log sslPolicyErrors in WithCertificateValidationHandler.",
                    ),
                    fix(
                        "RabbitMQ",
                        "Issue the broker's certificate again with the CA of "
                        "ssl_options.cacertfile, put both in place and run: "
                        "rabbitmqctl eval 'ssl:clear_pem_cache().'",
                    ),
                ],
                references=["RFC 5280 section 6.1.3"],
            ),
            finding(
                "version-server-too-old",
                "Not a version problem, although the alert says protocol_version",
                "The broker chose TLS 1.2, and the client had offered TLS 1.2.",
                role="ruled_out",
            ),
            finding(
                "certificate-expired",
                "Not expired",
                "All certificates were valid on 2026-10-03.",
                role="ruled_out",
            ),
        ],
    )


def missing_client_certificate() -> shape.Report:
    """TLS 1.3: the client believes that it is connected, then the refusal comes."""
    flight = [32, 118, 1301, 281, 53]
    return report(
        server=shape.Server(
            address="198.51.100.20", port=8883, name="ns.westeurope-1.ts.eventgrid.azure.net"
        ),
        outcome=outcome(
            status="failed",
            handshake="client_complete",
            failed_by="server",
            phase="client_certificate",
            certainty="likely",
        ),
        closes=[close("server", "fin", 61.2), close("client", "fin", 61.9)],
        tls=tls(
            version="TLS 1.3",
            cipher="TLS_AES_256_GCM_SHA384",
            client_auth=shape.ClientAuth(requested=True, sent="empty", certainty="likely"),
            client_hello=client_hello(
                versions=["GREASE(0x1A1A)", "TLS 1.3", "TLS 1.2"],
                server_name="ns.westeurope-1.ts.eventgrid.azure.net",
                length=512,
                stack=shape.StackGuess(name="OpenSSL 3", certainty="likely"),
            ),
            server_hello=server_hello(
                version="TLS 1.3", cipher="TLS_AES_256_GCM_SHA384", group="x25519", stack=None
            ),
            messages=[
                message("client", "client_hello", 0.1, 512),
                message("server", "server_hello", 20.4, 122),
                message("server", "change_cipher_spec", 20.4, 1),
                *(
                    message("server", "application_data", 20.6, size, encrypted=True)
                    for size in flight
                ),
                message("client", "change_cipher_spec", 22.8, 1),
                message("client", "application_data", 22.8, 25, encrypted=True),
                message("client", "application_data", 22.8, 69, encrypted=True),
                message("client", "application_data", 23.3, 61, encrypted=True),
                message("server", "application_data", 61.2, 19, encrypted=True),
            ],
            alerts=[alert("server", None, None, 61.2)],
        ),
        findings=[
            finding(
                "client-certificate-missing",
                "The broker asked for a client certificate and the client sent none",
                "In TLS 1.3 the client believes that it is connected before the broker has "
                "looked at its certificate, so the program sees the refusal only on its first "
                "read. The broker's flight has five encrypted records, so it holds a "
                "CertificateRequest; the client's answer of 25 bytes has just the size of a "
                "Certificate message without a certificate.",
                certainty="likely",
                evidence=[
                    evidence(
                        "client",
                        "encrypted record",
                        "25 bytes: an empty Certificate message",
                        stream_offset=528,
                        length=25,
                        frame=9,
                        wireshark="tcp.stream == 3 && tls.record.length == 25",
                    )
                ],
                fixes=[fix("paho-mqtt", "client.tls_set(certfile=..., keyfile=...)")],
            ),
            finding(
                "client-certificate-refused",
                "The broker refused the client's certificate",
                "An alert hides in the last record; its name is encrypted.",
                certainty="possible",
            ),
            finding(
                "client-hello-large",
                "The ClientHello is large",
                "It takes two packets; some firewalls drop it.",
                role="note",
                certainty="certain",
            ),
        ],
        source=shape.Source(kind="capture", name="broker.pcapng", stream=3, first_frame=4),
    )


def plaintext() -> shape.Report:
    """MQTT without TLS to the TLS port."""
    return report(
        protocol="mqtt",
        server_protocol="none",
        outcome=outcome(
            status="not_tls", handshake="none", failed_by="server", phase="before_server_hello"
        ),
        tls=None,
        closes=[close("server", "fin", 1.2), close("client", "fin", 1.4)],
        findings=[
            finding(
                "plaintext-to-tls-port",
                "The client speaks MQTT without TLS to a TLS port",
                "The first byte is 0x10, an MQTT CONNECT; a TLS client begins with 0x16.",
                evidence=[evidence("client", None, "MQTT CONNECT in clear", stream_offset=0)],
                fixes=[fix("mosquitto_pub", "add --cafile FILE, or --tls-use-os-certs")],
            )
        ],
    )


def silent_server() -> shape.Report:
    """The server accepts the connection and never answers."""
    return report(
        outcome=outcome(
            status="failed", handshake="none", failed_by="client", phase="before_server_hello"
        ),
        duration_ms=30004.0,
        closes=[close("client", "fin", 30004.0), close("server", "timeout", 31000.0)],
        server_protocol="none",
        tls=tls(
            version=None,
            cipher=None,
            group=None,
            server_hello=None,
            messages=[message("client", "client_hello", 0.2, 1602)],
        ),
        findings=[
            finding(
                "server-silent",
                "The broker never answered the ClientHello",
                "TCP works, so something accepts connections on this port. It may wait for "
                "another protocol, be overloaded, or never have got the whole hello.",
                certainty="likely",
            )
        ],
    )


def established() -> shape.Report:
    """A success, MQTT included."""
    return report(
        duration_ms=1530.4,
        closes=[close("client", "fin", 1530.1), close("server", "fin", 1530.4)],
        tls=tls(version="TLS 1.3", cipher="TLS_AES_256_GCM_SHA384", alpn="mqtt"),
        mqtt=shape.MqttReport(
            connect_sent=True,
            connack=True,
            connect_refused=False,
            websocket=False,
            certainty="likely",
        ),
    )


def port_check() -> shape.Report:
    """A TCP connection without a byte."""
    return report(
        protocol="none",
        server_protocol="none",
        tls=None,
        outcome=outcome(status="no_data", handshake="none", phase="tcp"),
        closes=[close("client", "fin", 0.4), close("server", "fin", 0.6)],
        duration_ms=0.6,
    )


def cut_off() -> shape.Report:
    """A capture that ends in the middle, and says so."""
    return report(
        outcome=outcome(
            status="incomplete", handshake="partial", phase="server_flight", certainty="possible"
        ),
        complete=shape.Complete(client_start=True, server_start=False, gaps=2, truncated=True),
        analysis=shape.Analysis(stopped=True, reason="the record cap was reached", warnings=[]),
        closes=[close("client", "open", 3.0), close("server", "open", 3.0)],
        tls=tls(
            messages=[
                message("client", "client_hello", 0.3, 189),
                message("server", "server_hello", 2.0, 85),
            ]
        ),
        source=shape.Source(kind="capture", name="cut.pcap", stream=0, first_frame=1),
    )


HOSTILE = "evil\x1b]0;owned\x07\u202e\u200bname\r\n\x9b31m" + "a" * 200


def hostile() -> shape.Report:
    """Every text that a stranger can choose tries to escape from its line."""
    base = missing_client_certificate()
    assert base.tls is not None
    return msgspec.structs.replace(
        base,
        client=shape.Client(address="127.0.0.1", port=1, process=HOSTILE),
        server=shape.Server(address="192.0.2.7", port=8883, name=HOSTILE),
        source=shape.Source(kind="capture", name=HOSTILE, stream=1, first_frame=1),
        tls=msgspec.structs.replace(
            base.tls,
            alpn=HOSTILE,
            client_hello=client_hello(server_name=HOSTILE, alpn=[HOSTILE, "mqtt"]),
            alerts=[alert("server", 48, HOSTILE, 61.2, encrypted=True, record_length=19)],
        ),
        findings=[
            finding(
                "client-certificate-refused",
                HOSTILE,
                HOSTILE,
                evidence=[evidence("client", HOSTILE, HOSTILE, wireshark=HOSTILE)],
                fixes=[fix(HOSTILE, HOSTILE)],
            ),
            finding("alert-misleads", HOSTILE, HOSTILE, role="note"),
            finding("certificate-expired", HOSTILE, HOSTILE, role="ruled_out"),
            finding("certificate-refused", HOSTILE, HOSTILE, certainty="possible"),
        ],
        analysis=shape.Analysis(stopped=True, reason=HOSTILE, warnings=[HOSTILE]),
    )


SAMPLES: dict[str, Callable[[], shape.Report]] = {
    "misleading-alert": misleading_alert,
    "missing-client-certificate": missing_client_certificate,
    "plaintext": plaintext,
    "silent-server": silent_server,
    "established": established,
    "port-check": port_check,
    "cut-off": cut_off,
    "hostile": hostile,
}
