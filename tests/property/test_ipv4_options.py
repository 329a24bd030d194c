"""IPv4 options: any bytes end in a problem or in options of the same length."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from sansio_net.wire.ipv4_options import (
    OptionProblem,
    check_options,
    find_options,
    for_the_way_back,
    record,
)

US = bytes((10, 0, 0, 2))

KINDS = st.sampled_from((0, 1, 7, 7, 68, 68, 130, 131, 136, 137, 148, 255))
FILLED = st.one_of(
    st.tuples(KINDS, st.integers(0, 40), st.integers(0, 41), st.binary(max_size=36)),
    st.tuples(
        st.sampled_from((7, 68)),
        st.integers(3, 12).map(lambda n: 4 * n - 1),
        st.integers(1, 10).map(lambda n: 4 * n),
        st.binary(max_size=36),
    ),
).map(lambda one: bytes(one[:3]) + one[3])


@given(st.one_of(st.binary(max_size=40), FILLED).map(lambda data: data[:40]))
@example(bytes((7, 39, 4)) + bytes(37))
def test_any_bytes(options: bytes) -> None:
    try:
        found = find_options(options)
        written = record(options, found, US, {US}, 7)
    except OptionProblem as caught:
        pointer = caught.pointer
    else:
        pointer = 0
    if pointer:
        assert 20 <= pointer <= 20 + len(options)
        return
    assert len(written) == len(options)
    assert find_options(written) == found
    back = for_the_way_back(written)
    assert len(back) % 4 == 0
    assert len(back) <= len(written) + 3
    # what stands there is kept, up to where the pointer was
    pairs = zip(options, written, strict=True)
    changed = [i for i, (before, after) in enumerate(pairs) if before != after]
    assert all(found and min(found.values()) < i for i in changed)


@given(st.binary(max_size=44))
def test_what_may_be_sent_is_well_formed(options: bytes) -> None:
    try:
        padded = check_options(options)
    except ValueError:
        return
    assert padded.startswith(options)
    record(padded, find_options(padded), US, {US}, 0)
