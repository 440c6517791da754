"""Clients that do under encryption what Python's `ssl` cannot be made to do.

Go, Java, rustls and most others encrypt their alerts in TLS 1.3. OpenSSL's own clients
send the alert about a bad certificate in clear even there, so OpenSSL shakes hands here
and the alert is encrypted beside it.
"""

from __future__ import annotations

import contextlib
import hmac
from dataclasses import dataclass

import trio
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from OpenSSL import SSL

from proxy.lab import messages
from proxy.lab._engine import OpenSslEngine, TlsFailure, TlsStream
from proxy.lab.authority import BROKER_NAME
from proxy.lab.peers import PATIENCE
from proxy.lab.scripted import end

_SECRET = b"CLIENT_HANDSHAKE_TRAFFIC_SECRET"
_CHANGE_CIPHER_SPEC = messages.record(messages.CHANGE_CIPHER_SPEC, b"\x01")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedAlertClient:
    """Reads the broker's flight in TLS 1.3 and answers with an encrypted alert."""

    alert: int
    """AlertDescription."""
    says: str
    """What its user would read."""
    server_name: str = BROKER_NAME

    async def __call__(self, stream: trio.SocketStream) -> str:
        """Use one connection; see `proxy.lab.peers.Peer`."""
        secrets: list[bytes] = []
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_tls13_ciphersuites(b"TLS_AES_128_GCM_SHA256")
        context.set_keylog_callback(lambda _connection, line: secrets.append(line))
        engine = OpenSslEngine(context, server=False)
        engine.connection.set_tlsext_host_name(self.server_name.encode("idna"))
        tls = TlsStream(stream, engine)
        try:
            with trio.fail_after(PATIENCE):
                await tls.handshake(send_last_flight=False)
        except TlsFailure as failure:
            return str(failure)
        except trio.BrokenResourceError:
            return "connection reset by peer"
        except trio.TooSlowError:
            return "timed out"
        fatal = bytes((messages.FATAL, self.alert))
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(_CHANGE_CIPHER_SPEC + protect(_secret(secrets), fatal))
        await end(stream, patience=PATIENCE)
        return self.says


@dataclass(frozen=True, slots=True)
class RenegotiatingClient:
    """Asks for a second handshake inside a TLS 1.2 session."""

    server_name: str = BROKER_NAME

    async def __call__(self, stream: trio.SocketStream) -> str:
        """Use one connection; see `proxy.lab.peers.Peer`."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        engine = OpenSslEngine(context, server=False)
        engine.connection.set_tlsext_host_name(self.server_name.encode("idna"))
        tls = TlsStream(stream, engine)
        try:
            with trio.fail_after(PATIENCE):
                await tls.handshake()
                await tls.write(messages.connect("lab"))
                await tls.read()
                engine.connection.renegotiate()
                await tls.handshake()
                said = "renegotiated"
        except TlsFailure as failure:
            said = str(failure)
        except trio.BrokenResourceError:
            return "connection reset by peer"
        except trio.TooSlowError:
            said = "timed out"
        await end(stream, patience=PATIENCE)
        return said


def protect(secret: bytes, alert: bytes) -> bytes:
    """An alert as the first record under a handshake traffic secret.

    TLS_AES_128_GCM_SHA256 only (RFC 8446 sections 5.2 and 7.3).
    """
    key = _expand_label(secret, b"key", 16)
    nonce = _expand_label(secret, b"iv", 12)  # xor the sequence number, which is 0
    inner = alert + bytes((messages.ALERT,))
    size = len(inner) + 16
    header = bytes((messages.APPLICATION_DATA, 3, 3)) + size.to_bytes(2, "big")
    return header + AESGCM(key).encrypt(nonce, inner, header)


def _secret(lines: list[bytes]) -> bytes:
    for line in lines:
        label, _, rest = line.partition(b" ")
        if label == _SECRET:
            return bytes.fromhex(rest.split()[1].decode())
    raise LookupError("OpenSSL gave no handshake traffic secret")


def _expand_label(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label with an empty context, one block (RFC 8446 section 7.1)."""
    info = length.to_bytes(2, "big") + messages.vector(1, b"tls13 " + label) + b"\x00"
    return hmac.digest(secret, info + b"\x01", "sha256")[:length]
