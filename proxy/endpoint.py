"""HOST[:PORT], as users write it."""

from __future__ import annotations

import ipaddress
import re

from proxy.limits import UsageError
from proxy.tap import Endpoint

MQTTS_PORT = 8883
"""MQTT over TLS (IANA "secure-mqtt")."""

# The schemes that MQTT clients accept for TLS: people paste the URL they already have.
_TLS_SCHEMES = frozenset({"mqtts", "ssl", "tls", "wss", "mqtt+ssl", "tcps"})
# Internationalised names must be given in their A-label form, as TLS sends them.
_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,254}}$){_LABEL}(?:\.{_LABEL})*\.?")


def is_address(host: str) -> bool:
    """Tell whether `host` is an IPv4 or IPv6 address (an IPv6 zone is allowed)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def read_endpoint(
    text: str, *, what: str, default_port: int = MQTTS_PORT, port_zero: bool = False
) -> Endpoint:
    """Read `HOST`, `HOST:PORT`, `[IPV6]:PORT`, a bare IPv6 address or an mqtts:// URL.

    `what` names the argument in the message ("BROKER", "--listen"); `port_zero` allows
    port 0, "any free port".

    Raises:
        UsageError: the text is none of these.
    """
    rest = _without_scheme(text.strip(), what)
    host, port_text = _split(rest, what)
    if not is_address(host) and not _NAME.fullmatch(host):
        raise UsageError(
            f"{what} {text!r} has no valid host name or address: write HOST[:PORT], for example "
            f"broker.example.com:{default_port}"
        )
    return Endpoint(host.rstrip("."), _read_port(port_text, what, default_port, port_zero))


def _without_scheme(text: str, what: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    if scheme.lower() not in _TLS_SCHEMES:
        raise UsageError(
            f"{what} has the scheme {scheme}://, which is not TLS: write HOST[:PORT] of the "
            "broker's TLS listener"
        )
    # User names and passwords in URLs are dropped here: they must not reach any output.
    return rest.partition("/")[0].rpartition("@")[2]


def _split(text: str, what: str) -> tuple[str, str | None]:
    """Take host and port text apart; the port is None where none was given."""
    if text.startswith("["):
        host, bracket, after = text[1:].partition("]")
        if not bracket or (after and not after.startswith(":")) or ":" not in host:
            raise UsageError(f"{what} {text!r}: write an IPv6 address as [2001:db8::1]:8883")
        return host, after[1:] if after else None
    if text.count(":") > 1:
        # More than one colon without brackets is an IPv6 address and has no port.
        return text, None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _read_port(text: str | None, what: str, default: int, zero: bool) -> int:
    if text is None:
        return default
    lowest = 0 if zero else 1
    if text.isascii() and text.isdigit() and lowest <= int(text) <= 65535:
        return int(text)
    raise UsageError(f"{what}: port {text!r} is not a number from {lowest} to 65535")
