"""`@scenario`: a failure that can be made to happen, with its lesson and its verdict.

A scenario is one function. Its name is the id (words with hyphens), its docstring the
lesson (the first line is the title), its file the family, and its last line the verdict
that the explanation must reach. What it does not state about certificates, broker and
client is sound.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Unpack

from proxy.lab.authority import BROKER_NAME, Authority, Identity
from proxy.lab.encrypted import EncryptedAlertClient, RenegotiatingClient
from proxy.lab.peers import (
    Peer,
    Script,
    Scripted,
    TlsBroker,
    TlsBrokerOptions,
    TlsClient,
    TlsClientOptions,
)

Side = Literal["client", "server", "network"]
Status = Literal["established", "failed", "not_tls", "incomplete", "no_data"]
Phase = Literal[
    "tcp",
    "before_server_hello",
    "server_flight",
    "client_certificate",
    "finished",
    "after_handshake",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The verdict that a scenario must get."""

    rule: str | None
    """The verdict's rule id; None: no cause is to be found."""
    status: Status
    failed_by: Side | None
    phase: Phase | None
    also: tuple[str, ...] = ()
    """Rules whose findings must be there too, in whatever role but "ruled_out"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a built scenario consists of."""

    at: float
    broker: Peer | None
    """None: nothing listens on the broker's port."""
    clients: tuple[Peer, ...]
    """Clients that come one after the other; the last one's connection is explained."""
    broker_name: str
    broker_address: str | None
    """Where the proxy looks for the broker; None: where this run's broker listens."""
    expected: Expected


class Lab(Authority):
    """The bench on which one scenario is built: certificates, a broker and a client.

    Args:
        at: the moment of the run, seconds since the epoch; certificates are sound then.
    """

    def __init__(self, at: float) -> None:
        super().__init__(at)
        self.broker_name = BROKER_NAME
        self.broker_address: str | None = None
        self._broker: Peer | None = None
        self._clients: list[Peer] = []

    def broker(self, identity: Identity, **options: Unpack[TlsBrokerOptions]) -> TlsBroker:
        """Run a real MQTT broker with this certificate."""
        self._broker = broker = TlsBroker(identity, **options)
        return broker

    def client(
        self, *, trust: Sequence[Identity] | None, **options: Unpack[TlsClientOptions]
    ) -> TlsClient:
        """Send a real MQTT client that trusts these CAs (None: verifies nothing)."""
        client = TlsClient(trust, **options)
        self._clients.append(client)
        return client

    def again(self, client: TlsClient) -> None:
        """Send the same client once more; it resumes its session."""
        self._clients.append(client)

    def scripted_broker(self, script: Script) -> None:
        """Let a script play the broker."""
        self._broker = Scripted(script)

    def scripted_client(self, script: Script) -> None:
        """Let a script play the client."""
        self._clients.append(Scripted(script))

    def encrypted_alert(self, alert: int, *, says: str) -> None:
        """Send a TLS 1.3 client that refuses the broker with this alert, encrypted."""
        self._clients.append(EncryptedAlertClient(alert=alert, says=says))

    def renegotiating_client(self) -> None:
        """Send a TLS 1.2 client that begins a second handshake inside the session."""
        self._clients.append(RenegotiatingClient())

    def established(self, *, also: Sequence[str] = ()) -> Expected:
        """The verdict "nothing is wrong"."""
        return Expected(
            rule=None, status="established", failed_by=None, phase=None, also=tuple(also)
        )

    def fails(
        self,
        rule: str | None,
        *,
        by: Side | None,
        phase: Phase,
        status: Status = "failed",
        also: Sequence[str] = (),
    ) -> Expected:
        """The verdict: this rule, given up by that side in that phase."""
        return Expected(rule=rule, status=status, failed_by=by, phase=phase, also=tuple(also))

    def plan(self, expected: Expected) -> Plan:
        """All of it, ready to run."""
        return Plan(
            at=self.at,
            broker=self._broker,
            clients=tuple(self._clients),
            broker_name=self.broker_name,
            broker_address=self.broker_address,
            expected=expected,
        )


Build = Callable[[Lab], Expected]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A catalogue entry."""

    id: str
    family: str
    title: str
    """One line without a full stop."""
    lesson: str
    """The rest of the docstring: what happens, why, and what to see on the wire."""
    near_miss: tuple[str, ...]
    """Rules that this scenario resembles and that must not be named as a likely cause."""
    build: Build

    def plan(self, at: float) -> Plan:
        """Make certificates and peers for a run at this moment (seconds since the epoch)."""
        lab = Lab(at)
        return lab.plan(self.build(lab))


class Registry:
    """Scenarios by id, in the order of their declaration."""

    def __init__(self) -> None:
        self._scenarios: dict[str, Scenario] = {}

    def scenario(
        self, *, near_miss: str | Sequence[str] = (), family: str | None = None
    ) -> Callable[[Build], Build]:
        """Declare a scenario.

        Args:
            near_miss: rule id(s) that this scenario resembles and must not fire.
            family: only for functions outside a family's file.

        Raises:
            ValueError: the id is taken, or there is no lesson.
        """

        def register(build: Build) -> Build:
            assert isinstance(build, types.FunctionType)
            name = build.__name__.replace("_", "-")
            if name in self._scenarios:
                raise ValueError(f"duplicate scenario name: {name} is already registered")
            title, _, lesson = inspect.cleandoc(build.__doc__ or "").partition("\n")
            if not title or not lesson.strip():
                raise ValueError(f"scenario {name} needs a title and a lesson in its docstring")
            self._scenarios[name] = Scenario(
                id=name,
                family=family or build.__module__.rpartition(".")[2].replace("_", "-"),
                title=title.rstrip("."),
                lesson=lesson.strip(),
                near_miss=(near_miss,) if isinstance(near_miss, str) else tuple(near_miss),
                build=build,
            )
            return build

        return register

    def catalogue(self) -> tuple[Scenario, ...]:
        """All scenarios, in the order of their declaration."""
        return tuple(self._scenarios.values())


_registry = Registry()
scenario = _registry.scenario
registered = _registry.catalogue
