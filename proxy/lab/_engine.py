"""TLS over a trio socket, with what went wrong put on the wire as real programs do it.

trio's own SSLStream drops the alert of a failed handshake, and the alert is what the
lab is about. Two engines serve here: Python's `ssl`, which is what MQTT clients in
Python use, and pyOpenSSL, which takes keys from memory and is the same OpenSSL on
every machine.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from typing import Protocol, TypeVar

import trio
from OpenSSL import SSL

_T = TypeVar("_T")
_CHUNK = 65536


class WantInput(Exception):
    """The engine cannot go on before it gets bytes."""


class TlsFailure(Exception):
    """The TLS session is over; the text is what a program would log."""


class Engine(Protocol):
    """One TLS session between memory buffers."""

    def handshake(self) -> None:
        """Go on with the handshake; raises WantInput or TlsFailure."""

    def read(self) -> bytes:
        """Decrypted bytes, empty after close_notify; raises WantInput or TlsFailure."""

    def write(self, data: bytes) -> None:
        """Encrypt bytes; raises TlsFailure."""

    def goodbye(self) -> None:
        """Say close_notify."""

    def feed(self, data: bytes) -> None:
        """Take bytes from the network; none means end of file."""

    def pending(self) -> bytes:
        """Bytes for the network."""

    @property
    def version(self) -> str:
        """The agreed version as the library spells it."""


class SslEngine:
    """Python's `ssl`."""

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_name: str | None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.object = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=server_name, session=session
        )

    def handshake(self) -> None:
        """See Engine."""
        try:
            self._call(self.object.do_handshake)
        except ssl.SSLZeroReturnError as error:  # some Python versions say so at an early end
            raise TlsFailure("unexpected eof while reading") from error

    def read(self) -> bytes:
        """See Engine."""
        try:
            return self._call(lambda: self.object.read(_CHUNK))
        except ssl.SSLZeroReturnError:
            return b""

    def write(self, data: bytes) -> None:
        """See Engine."""
        self._call(lambda: self.object.write(data))

    def goodbye(self) -> None:
        """See Engine."""
        # unwrap says close_notify and then wants the peer's, which nobody waits for.
        with contextlib.suppress(WantInput, TlsFailure, ssl.SSLZeroReturnError):
            self._call(self.object.unwrap)

    def feed(self, data: bytes) -> None:
        """See Engine."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def pending(self) -> bytes:
        """See Engine."""
        return self._outgoing.read()

    @property
    def version(self) -> str:
        """See Engine."""
        return self.object.version() or "no version"

    def _call(self, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except ssl.SSLWantReadError:
            raise WantInput from None
        except ssl.SSLZeroReturnError:
            raise
        except ssl.SSLCertVerificationError as error:
            raise TlsFailure(f"certificate verify failed: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise TlsFailure(_words(error.reason or str(error))) from error


class OpenSslEngine:
    """pyOpenSSL."""

    def __init__(self, context: SSL.Context, *, server: bool) -> None:
        self.connection = SSL.Connection(context, None)
        if server:
            self.connection.set_accept_state()
        else:
            self.connection.set_connect_state()

    def handshake(self) -> None:
        """See Engine."""
        self._call(self.connection.do_handshake)

    def read(self) -> bytes:
        """See Engine."""
        try:
            return self._call(lambda: self.connection.recv(_CHUNK))
        except SSL.ZeroReturnError:
            return b""

    def write(self, data: bytes) -> None:
        """See Engine."""
        self._call(lambda: self.connection.sendall(data))

    def goodbye(self) -> None:
        """See Engine."""
        with contextlib.suppress(WantInput, TlsFailure, SSL.ZeroReturnError):
            self._call(self.connection.shutdown)

    def feed(self, data: bytes) -> None:
        """See Engine."""
        if data:
            self.connection.bio_write(data)
        else:
            self.connection.bio_shutdown()

    def pending(self) -> bytes:
        """See Engine."""
        found = bytearray()
        with contextlib.suppress(SSL.WantReadError):
            while True:
                found += self.connection.bio_read(_CHUNK)
        return bytes(found)

    @property
    def version(self) -> str:
        """See Engine."""
        return self.connection.get_protocol_version_name()

    def _call(self, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except SSL.WantReadError:
            raise WantInput from None
        except SSL.ZeroReturnError:
            raise
        except SSL.SysCallError as error:
            raise TlsFailure(_words(str(error.args[-1]))) from error
        except SSL.Error as error:
            reasons = error.args[0] if error.args else []
            raise TlsFailure("; ".join(reason for _, _, reason in reasons) or "closed") from error


class TlsStream:
    """An engine on a trio stream.

    Resource handling: the stream stays the caller's; `ending` closes nothing.
    Error handling: TlsFailure for TLS, trio.BrokenResourceError for the network. What
    the engine wants to say of a failure is sent before the exception leaves.
    """

    def __init__(self, stream: trio.SocketStream, engine: Engine) -> None:
        self.stream = stream
        self.engine = engine

    async def handshake(self, *, send_last_flight: bool = True) -> None:
        """Shake hands.

        Args:
            send_last_flight: False keeps back what the engine says last, as a program
                does that decides against the peer at the last moment.
        """
        await self._drive(self.engine.handshake, flush=send_last_flight)

    async def read(self) -> bytes:
        """Decrypted bytes; none after close_notify."""
        return await self._drive(self.engine.read)

    async def write(self, data: bytes) -> None:
        """Encrypt and send."""
        await self._drive(lambda: self.engine.write(data))

    async def goodbye(self) -> None:
        """Say close_notify without waiting for the peer's."""
        await self._drive(self.engine.goodbye)

    async def _drive(self, action: Callable[[], _T], *, flush: bool = True) -> _T:
        while True:
            try:
                result = action()
            except WantInput:
                await self._flush()
                self.engine.feed(bytes(await self.stream.receive_some(_CHUNK)))
            except TlsFailure:
                # The peer may be gone already; the failure is the news, not that.
                with contextlib.suppress(trio.BrokenResourceError):
                    await self._flush()
                raise
            else:
                if flush:
                    await self._flush()
                return result

    async def _flush(self) -> None:
        if data := self.engine.pending():
            await self.stream.send_all(data)


def _words(reason: str) -> str:
    return reason.replace("_", " ").lower() if reason.isupper() else reason
