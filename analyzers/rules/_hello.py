"""What rules ask of a ClientHello."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case
from analyzers.extensions import SUPPORTED_VERSIONS as VERSIONS
from analyzers.finding import Evidence
from analyzers.offer import Offer
from analyzers.rules._words import (
    at_extension,
    listed,
    version,
)


def offer_of(case: Case) -> Offer | None:
    return case.offer


def versions_evidence(case: Case, says: str) -> Iterator[Evidence]:
    hello, event = case.tr.client_hello, case.tr.client_hello_event
    if hello is None or event is None:
        return
    if hello.extensions.versions:
        yield at_extension(event, hello, VERSIONS, says)
    else:
        yield Evidence(says=says, event=event, offset=3 if hello.sslv2 else 4, length=2)


def refused_hello(case: Case) -> int | None:
    """The clear alert with which the server refused the first hello, if it did."""
    if case.phase != "before_server_hello" or case.tr.hello_retry_request is not None:
        return None
    return case.server_alert


def offered_words(offer: Offer) -> str:
    names = [version(number) for number in offer.versions]
    if not offer.listed and offer.versions:
        return f"{names[0]} at most"
    return listed(names)


def pre_shared(case: Case) -> bool:
    hello = case.tr.client_hello
    return hello is not None and bool(hello.extensions.psk_identities)
