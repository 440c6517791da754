"""Community ids against the specification's values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.community_id import community_id

# From the baseline of corelight/community-id-spec (also in Suricata's and Zeek's tests).
BASELINE = [
    ("128.232.110.120", 34855, "66.35.250.204", 80, 0, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
    ("128.232.110.120", 34855, "66.35.250.204", 80, 1, "1:3V71V58M3Ksw/yuFALMcW0LAHvc="),
    (
        "2001:470:e5bf:dead:4957:2174:e82c:4887",
        63943,
        "2607:f8b0:400c:c03::1a",
        25,
        0,
        "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
    ),
    # As Wireshark 4.0.17 computes it for one host talking to itself.
    ("127.0.0.1", 52236, "127.0.0.1", 8883, 0, "1:++Xibisc8vK/GGMHlxyja8u4Y6k="),
]


@pytest.mark.parametrize(("source", "port", "target", "target_port", "seed", "expected"), BASELINE)
def test_baseline_from_either_end(
    source: str, port: int, target: str, target_port: int, seed: int, expected: str
) -> None:
    assert community_id(source, port, target, target_port, seed=seed) == expected
    assert community_id(target, target_port, source, port, seed=seed) == expected


def test_a_zone_is_not_part_of_an_address() -> None:
    assert community_id("fe80::1%eth0", 1, "fe80::2", 2) == community_id("fe80::1", 1, "fe80::2", 2)


@pytest.mark.parametrize(
    ("source", "port", "target", "seed", "fault"),
    [
        ("broker.example.com", 1, "127.0.0.1", 0, "does not appear to be"),
        ("127.0.0.1", 65536, "127.0.0.1", 0, "port 65536"),
        ("127.0.0.1", -1, "127.0.0.1", 0, "port -1"),
        ("127.0.0.1", 1, "::1", 0, "different kinds"),
        ("127.0.0.1", 1, "127.0.0.1", 65536, "seed 65536"),
    ],
)
def test_what_has_no_id(source: str, port: int, target: str, seed: int, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        community_id(source, port, target, 8883, seed=seed)


@given(st.ip_addresses(v=4), st.integers(0, 65535), st.ip_addresses(v=4), st.integers(0, 65535))
def test_both_directions_are_one_flow(a: object, p: int, b: object, q: int) -> None:
    assert community_id(str(a), p, str(b), q) == community_id(str(b), q, str(a), p)
