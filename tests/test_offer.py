"""A ClientHello's offer against what nearly every server accepts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from analyzers.messages import ClientHello
from analyzers.offer import Offer, group_names, rank, scheme_names
from proxy.lab import messages
from proxy.lab.messages import Hello
from tests.transcripts import BOTH, ONLY_12, ONLY_13, ladder


def offer(hello: Hello) -> Offer:
    found = ladder(("C", hello.record)).client_hello
    assert isinstance(found, ClientHello)
    return Offer.of(found)


def test_versions_come_highest_first_and_without_grease() -> None:
    found = offer(Hello(versions=(0x1A1A, messages.TLS_1_2, messages.TLS_1_3), key_share=True))
    assert found.versions == (messages.TLS_1_3, messages.TLS_1_2)
    assert (found.listed, found.tls13, found.only_tls13, found.allows_tls12) == (
        True,
        True,
        False,
        True,
    )
    assert offer(ONLY_13).only_tls13


def test_without_supported_versions_only_the_highest_is_known() -> None:
    found = offer(Hello(version=messages.TLS_1_1))
    assert (found.highest, found.listed) == (messages.TLS_1_1, False)
    assert found.has_version(messages.TLS_1_1) is True
    assert found.has_version(messages.TLS_1_0) is None
    assert found.has_version(messages.TLS_1_2) is False


def test_a_list_says_exactly_what_is_offered() -> None:
    assert offer(BOTH).has_version(messages.TLS_1_1) is False
    assert offer(BOTH).has_version(messages.TLS_1_2) is True


def test_drafts_count_as_tls13() -> None:
    assert rank(0x7F1C) == messages.TLS_1_3
    assert rank(messages.TLS_1_2) < rank(0x7F1C)


@pytest.mark.parametrize(
    ("suites", "usual"),
    [
        ((0xC02F,), True),
        ((0xC02B,), True),
        ((0x1301,), False),  # of use in TLS 1.3 only, which is not offered here
        ((0x0005, 0x000A), False),
        ((0x00FF, 0x5600), False),
        ((0x0084,), False),
    ],
)
def test_usual_suites(suites: Sequence[int], usual: bool) -> None:
    assert offer(Hello(suites=suites)).usual_suites is usual


def test_tls13_needs_its_own_suites() -> None:
    only = Hello(versions=(messages.TLS_1_3,), key_share=True, suites=(0xC02F,))
    assert not offer(only).usual_suites
    assert offer(ONLY_13).usual_suites


def test_usual_groups() -> None:
    assert offer(Hello(groups=(0x0017,))).usual_groups
    assert not offer(Hello(groups=(0x0019, 0x0100))).usual_groups
    assert offer(Hello(groups=())).usual_groups, "TLS 1.2 without the extension leaves it open"


def test_keys_that_the_client_can_verify() -> None:
    both = offer(ONLY_12)
    assert (both.rsa_possible, both.ecdsa_possible) == (True, True)
    rsa = offer(Hello(schemes=(0x0401, 0x0804)))
    assert (rsa.rsa_possible, rsa.ecdsa_possible) == (True, False)
    pkcs1 = offer(Hello(versions=(messages.TLS_1_3,), key_share=True, schemes=(0x0401, 0x0403)))
    assert not pkcs1.rsa_possible, "TLS 1.3 signs with RSA-PSS only"
    assert offer(Hello(schemes=())).rsa_possible, "without the extension SHA-1 is meant"


def test_suites_bind_the_type_of_certificate() -> None:
    assert offer(Hello(suites=(0xC02F,))).certificate_suites == {"RSA"}
    assert offer(Hello(suites=(0xC02B,))).certificate_suites == {"EC"}
    assert offer(ONLY_12).certificate_suites == {"RSA", "EC"}


def test_only_pre_shared_keys() -> None:
    assert offer(Hello(suites=(0x00A8, 0x008C))).only_psk
    assert not offer(Hello(suites=(0x00A8, 0xC02F))).only_psk
    assert not offer(ONLY_13).only_psk


def test_names_are_the_registrys() -> None:
    assert group_names((0x001D, 0x1234)) == ["x25519", "0x1234"]
    assert scheme_names((0x0804,)) == ["rsa_pss_rsae_sha256"]
