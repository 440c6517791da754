"""Facts that rules share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzers.case import Case
from analyzers.context import Context
from analyzers.events import HandshakeSeen
from analyzers.messages import ClientHello
from analyzers.offline import read_connections
from analyzers.outcome import classify
from analyzers.transcript import Transcript
from tests.tools.record_captures import CAPTURES


def asking_for(name: bytes | None) -> Transcript:
    """A recorded handshake whose ClientHello names another host."""
    data = (CAPTURES / "healthy-tls12.pcapng").read_bytes()
    ((transcript, _),) = read_connections([data], name="healthy-tls12.pcapng")
    events = []
    for event in transcript.events:
        if isinstance(event, HandshakeSeen) and isinstance(event.body, ClientHello):
            extensions = replace(event.body.extensions, server_name=name)
            event = replace(event, body=replace(event.body, extensions=extensions))
        events.append(event)
    return replace(transcript, events=tuple(events))


def case(name: bytes | None, broker: str, kind: str = "proxy") -> Case:
    transcript = asking_for(name)
    assert kind in ("proxy", "capture")
    context = Context(
        kind="proxy" if kind == "proxy" else "capture", name="x", start=0, server_name=broker
    )
    return Case(transcript, classify(transcript), context)


@pytest.mark.parametrize("name", [b"localhost", b"LOCALHOST.", b"127.0.0.1", b"::1", None])
def test_a_client_behind_the_proxys_name_is_recognised(name: bytes | None) -> None:
    found = case(name, "broker.example.com")
    assert found.points_at_proxy
    assert found.checked_name == (name.decode() if name else "localhost")


@pytest.mark.parametrize(
    ("name", "broker", "kind"),
    [
        (b"broker.example.com", "broker.example.com", "proxy"),
        (b"192.0.2.7", "broker.example.com", "proxy"),
        (b"localhost", "localhost", "proxy"),
        (b"localhost", "127.0.0.1", "proxy"),
        (b"localhost", "broker.example.com", "capture"),
    ],
)
def test_others_are_not(name: bytes, broker: str, kind: str) -> None:
    found = case(name, broker, kind)
    assert not found.points_at_proxy
    assert found.checked_name == name.decode()
