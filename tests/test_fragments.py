from __future__ import annotations

import itertools
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from analyzers.capture.fragments import MAX_BYTES, MAX_DATAGRAMS, Fragments


def pieces_of(data: bytes, cuts: list[int]) -> list[tuple[int, bytes, bool]]:
    edges = [0, *sorted({cut * 8 for cut in cuts if cut * 8 < len(data)} - {0}), len(data)]
    return [(start, data[start:end], end < len(data)) for start, end in itertools.pairwise(edges)]


@given(
    st.binary(min_size=1, max_size=400),
    st.lists(st.integers(1, 49), max_size=6),
    st.randoms(use_true_random=False),
)
def test_any_order_with_repetitions_gives_the_datagram_once(
    data: bytes, cuts: list[int], random: Random
) -> None:
    pieces = pieces_of(data, cuts)
    order = pieces[:]
    random.shuffle(order)
    fragments = Fragments()
    results = []
    for piece in order:
        whole = fragments.add(b"k", piece[0], piece[1], more=piece[2])
        results.append(whole)
        if whole is None:
            # A repetition of what is not complete changes nothing.
            assert fragments.add(b"k", piece[0], piece[1], more=piece[2]) is None
    assert [whole for whole in results if whole is not None] == [data]
    fragments.finish()
    assert fragments.given_up == 0


def test_datagrams_are_kept_apart_and_may_overlap() -> None:
    fragments = Fragments()
    assert fragments.add(b"a", 0, b"A" * 8, more=True) is None
    assert fragments.add(b"b", 0, b"B" * 16, more=True) is None
    assert fragments.add(b"b", 8, b"C" * 16, more=False) == b"B" * 16 + b"C" * 8
    assert fragments.add(b"a", 16, b"!", more=False) is None
    assert fragments.add(b"a", 8, b"D" * 8, more=True) == b"A" * 8 + b"D" * 8 + b"!"


def test_what_stays_incomplete_is_counted_and_bounded() -> None:
    fragments = Fragments()
    for i in range(MAX_DATAGRAMS + 5):
        fragments.add(i.to_bytes(4, "big"), 0, b"x" * 8, more=True)
    assert fragments.given_up == 5
    for i in range(2 * MAX_BYTES // 60_000):
        fragments.add(b"big" + bytes([i]), 0, bytes(60_000), more=True)
    assert fragments.given_up > MAX_DATAGRAMS
    before = fragments.given_up
    fragments.finish()
    assert fragments.given_up > before
    # Longer than an IP datagram can be: not kept.
    assert fragments.add(b"long", 65_528, bytes(16), more=False) is None
    given_up = fragments.given_up
    fragments.finish()
    assert fragments.given_up == given_up
