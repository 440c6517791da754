"""How to point a client at the proxy so that it still checks the broker's name.

A client checks the broker's certificate against the name that it connects to. One that
connects to `localhost` instead would refuse the right certificate because of us, so the
proxy says at its start how to keep the name, for each client in `data/clients.toml`.
"""

from __future__ import annotations

import functools
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template
from textwrap import wrap
from typing import Any

from proxy.endpoint import is_address
from proxy.tap import Endpoint

_LOOPBACK = "127.0.0.1"
_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # what "all interfaces" is called


@dataclass(frozen=True, slots=True)
class ClientHint:
    """What one client program needs."""

    id: str
    """As `--client` takes it."""
    name: str
    line: str | None
    """Code or a command for that client; None where only a hosts file helps."""
    note: str | None
    """The condition under which the line works."""
    own_hosts: str | None
    """How the client reads a hosts file of its own, without changing the machine's."""

    def is_called(self, word: str) -> bool:
        """Whether the user's word for a client means this one."""
        names = (self.id, self.name, *self.name.split(", "))
        return word.strip().casefold() in (name.casefold() for name in names)


@functools.cache
def _table() -> tuple[dict[str, Any], ...]:
    text = resources.files("proxy").joinpath("data/clients.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["client"])


def client_ids() -> tuple[str, ...]:
    """The clients with a hint, as `--client` takes them."""
    return tuple(entry["id"] for entry in _table())


def hosts_file(platform: str = sys.platform) -> str:
    """The path of the machine's hosts file."""
    if platform == "win32":
        return r"C:\Windows\System32\drivers\etc\hosts"
    return "/etc/hosts"


def hosts_line(listener: Endpoint, name: str) -> str:
    """The hosts file's line that sends connections for `name` to the proxy."""
    return f"{_reachable(listener)}  {name}"


def client_hints(listener: Endpoint, name: str) -> list[ClientHint]:
    """Each client's hint for a proxy on `listener` before the broker `name`."""
    address = _reachable(listener)
    values = {
        # Names and addresses of this machine are equal to a client that takes the name
        # from elsewhere; "localhost" reads better, but may mean ::1 first.
        "host": "localhost" if address == _LOOPBACK else address,
        "address": address,
        "port": str(listener.port),
        "name": name,
    }
    return [
        ClientHint(
            id=entry["id"],
            name=entry["name"],
            line=_fill(entry.get("line"), values),
            note=_fill(entry.get("note"), values),
            own_hosts=entry.get("own_hosts"),
        )
        for entry in _table()
    ]


def start_text(
    broker: Endpoint,
    listeners: Sequence[Endpoint],
    *,
    connect: Endpoint | None = None,
    resolved: str | None = None,
    client: str | None = None,
    platform: str = sys.platform,
) -> str:
    """What `tlswhy proxy` says when it listens; several lines without a final newline.

    Args:
        broker: the broker as the user named it.
        listeners: where the proxy listens.
        connect: the address given by --connect, if any.
        resolved: an address of the broker, where its name could be resolved.
        client: a client's id or name (as --client gives it) to show that one alone;
            any other word shows all.
        platform: as `sys.platform`.
    """
    where = ", ".join(str(listener) for listener in listeners)
    upstream = connect if connect is not None else _with_host(broker, resolved)
    through = f" at {upstream}" if upstream is not None and upstream != broker else ""
    lines = wrap(f"tlswhy listens on {where} and passes every byte on to {broker}{through}.", 80)
    listener = listeners[0]
    if broker.host.lower() == "localhost":
        lines += ["", f"Point your client at {_shown(listener)}; the name stays as it was."]
    elif is_address(broker.host):
        lines += ["", *_for_an_address(broker, listener)]
    else:
        lines += ["", *_for_a_name(broker, listener, connect, resolved, client, platform)]
    lines += ["", "Reports follow as clients connect. Ctrl-C stops."]
    return "\n".join(lines)


def _for_an_address(broker: Endpoint, listener: Endpoint) -> list[str]:
    return [
        f"Point your client at {_shown(listener)}. You gave the broker by its address: a client",
        "that checks this address in the certificate may refuse it when it connects elsewhere.",
        f"With the broker's name, tlswhy proxy NAME --connect {broker.host}, tlswhy says how to",
        "keep the name.",
    ]


def _for_a_name(
    broker: Endpoint,
    listener: Endpoint,
    connect: Endpoint | None,
    resolved: str | None,
    client: str | None,
    platform: str,
) -> list[str]:
    hints = client_hints(listener, broker.host)
    chosen = [hint for hint in hints if client is None or hint.is_called(client)] or hints
    without = [hint for hint in chosen if hint.line is None]
    lines = [
        f"Point your client at {_shown(listener)}, and let it go on checking the broker's name",
        f"({broker.host}), or it will refuse the certificate because of tlswhy:",
        "",
    ]
    for hint in chosen:
        if hint.line is not None:
            lines.append(f"  {hint.name}" + (f" ({hint.note})" if hint.note else ""))
            lines.append(f"    {hint.line}")
    who = ", ".join(hint.name for hint in without) or "Any other client"
    lines += wrap(f"{who}: by the hosts file", 80, initial_indent="  ", subsequent_indent="  ")
    lines += _hosts_steps(broker, listener, connect, resolved, platform)
    lines += [f"    {hint.own_hosts}" for hint in without if hint.own_hosts]
    return lines


def _hosts_steps(
    broker: Endpoint,
    listener: Endpoint,
    connect: Endpoint | None,
    resolved: str | None,
    platform: str,
) -> list[str]:
    how = "as administrator" if platform == "win32" else "as root"
    where = broker if listener.port == broker.port else Endpoint(broker.host, listener.port)
    lines = [
        f"    1. Add to {hosts_file(platform)}, {how}:",
        f"         {hosts_line(listener, broker.host)}",
    ]
    if connect is None:
        # With the line in place the name leads to this proxy, for the proxy as well.
        address = resolved if resolved is not None else "ADDRESS-OF-THE-BROKER"
        lines += [
            "    2. Now the name leads tlswhy to itself too, so start it with the address:",
            f"         tlswhy proxy {broker} --connect {address}",
        ]
    lines += [
        f"    {2 if connect is not None else 3}. Connect to {where}; remove the line afterwards.",
    ]
    return lines


def _shown(listener: Endpoint) -> str:
    address = _reachable(listener)
    host = "localhost" if address == _LOOPBACK else address
    return str(Endpoint(host, listener.port))


def _reachable(listener: Endpoint) -> str:
    """An address under which a client on this machine reaches the listener."""
    if listener.host == "localhost" or listener.host in _EVERYWHERE:
        return _LOOPBACK
    return listener.host


def _with_host(broker: Endpoint, host: str | None) -> Endpoint | None:
    return None if host is None else Endpoint(host, broker.port)


def _fill(template: str | None, values: dict[str, str]) -> str | None:
    return None if template is None else Template(template).substitute(values)
