"""Pre-shared keys, and handshakes inside a session."""

from __future__ import annotations

from proxy.lab import messages
from proxy.lab._scenario import Expected, Lab, scenario
from proxy.lab.authority import BROKER_NAME
from proxy.lab.messages import Hello
from proxy.lab.peers import Script
from proxy.lab.scripted import Wire

_PSK_SUITES = (0x00A8, 0x00A9, 0x00AE, 0x008C)
_BAD_RECORD_MAC, _UNKNOWN_PSK_IDENTITY = 20, 115
_IDENTITY = b"sensor-12"
_FINISHED = messages.record(messages.HANDSHAKE, messages.random_bytes("finished") + bytes(8))
"""A protected Finished as TLS_PSK_WITH_AES_128_GCM_SHA256 writes it: 40 bytes."""


def _psk_client(says: str) -> Script:
    async def script(wire: Wire) -> str:
        await wire.send(Hello(suites=_PSK_SUITES, server_name=BROKER_NAME).record)
        await wire.until_message(messages.SERVER_HELLO_DONE)
        await wire.send(
            messages.client_key_exchange(messages.vector(2, _IDENTITY)),
            messages.record(messages.CHANGE_CIPHER_SPEC, b"\x01"),
            _FINISHED,
        )
        await wire.until_end()
        return says

    return script


def _psk_broker(alert: int, log: str) -> Script:
    async def script(wire: Wire) -> str:
        await wire.until_message(messages.CLIENT_HELLO)
        await wire.send(messages.server_hello(suite=_PSK_SUITES[0]), messages.server_hello_done())
        for _ in range(3):
            await wire.record()
        await wire.send(messages.alert(alert))
        return log

    return script


@scenario(near_miss=("psk-wrong-key", "client-certificate-missing", "client-certificate-refused"))
def psk_unknown_identity(lab: Lab) -> Expected:
    """The broker has no key for the client's identity.

    With a pre-shared key nobody shows a certificate: the client names an identity, in
    clear in its ClientKeyExchange, and both look up the key. This identity is not in the
    broker's psk_file. Python's ssl has no such keys before 3.13, so both ends are
    scripted.
    """
    lab.scripted_broker(_psk_broker(_UNKNOWN_PSK_IDENTITY, "psk identity not found"))
    lab.scripted_client(_psk_client("Error: A TLS error occurred."))
    return lab.fails("psk-unknown-identity", by="server", phase="finished")


@scenario(near_miss=("psk-unknown-identity", "alert-misleads"))
def psk_wrong_key(lab: Lab) -> Expected:
    """Both ends know the identity and hold different keys.

    The first message that is protected with the key, the client's Finished, does not
    verify: bad_record_mac. RFC 4279 lets a broker answer so for an unknown identity too,
    hence likely and not certain.
    """
    lab.scripted_broker(_psk_broker(_BAD_RECORD_MAC, "decryption failed or bad record mac"))
    lab.scripted_client(_psk_client("sslv3 alert bad record mac"))
    return lab.fails("psk-wrong-key", by="server", phase="finished")


@scenario(near_miss=("no-shared-cipher", "psk-unknown-identity"))
def psk_instead_of_certificate(lab: Lab) -> Expected:
    """The client wants a pre-shared key, and the broker works with certificates.

    Every suite of the client needs a pre-shared key. The listener has a certificate and
    no keys, finds nothing in common and says handshake_failure.
    """
    lab.broker(lab.server(lab.root()), max_version="1.2")

    async def psk_only(wire: Wire) -> str:
        await wire.send(Hello(suites=_PSK_SUITES, server_name=BROKER_NAME).record)
        await wire.until_end()
        return "sslv3 alert handshake failure"

    lab.scripted_client(psk_only)
    return lab.fails("psk-instead-of-certificate", by="server", phase="before_server_hello")


@scenario(near_miss="mqtt-session-aborted")
def renegotiation_refused(lab: Lab) -> Expected:
    """The client begins a second handshake inside the session.

    TLS up to 1.2 allowed it, for example to change certificates; since an attack of 2009
    nearly every server refuses. On the wire: a protected handshake record after both
    Finished, answered with an alert.
    """
    root = lab.root()
    lab.broker(lab.server(root), max_version="1.2")
    lab.renegotiating_client()
    return lab.fails(
        "renegotiation-refused", by="client", phase="after_handshake", status="established"
    )
