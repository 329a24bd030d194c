"""The parts of a connection against models that anybody can check by eye."""

from __future__ import annotations

import itertools
import pickle

from hypothesis import given
from hypothesis import strategies as st

from sansio_net.packet import Chunk
from sansio_net.protocols.tcp.receiver import Receiver
from sansio_net.protocols.tcp.reorder import Reorder
from sansio_net.protocols.tcp.sender import Sender
from sansio_net.protocols.tcp.seq import is_older, unwrap, wrap
from sansio_net.protocols.tcp.time_wait import TimeWaitRecord, TimeWaitTable
from sansio_net.protocols.tcp.timers import NAMES, Timers
from sansio_net.units import SECOND

numbers = st.integers(-(2**33), 2**40)
TEXT = bytes(range(256)) * 16


@given(numbers, st.integers(-(2**31), 2**31 - 1))
def test_unwrap_inverts_wrap_within_half_the_space(near: int, off: int) -> None:
    assert unwrap(wrap(near + off), near) == near + off


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**31 - 1))
def test_older_is_a_half_circle(stamp: int, later: int) -> None:
    assert is_older(stamp, wrap(stamp + later))
    assert not is_older(wrap(stamp + later), stamp)


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(NAMES) - 1),
            st.one_of(st.none(), st.integers(1, 30)),
            st.booleans(),
        )
    )
)
def test_timers_know_the_earliest(steps: list[tuple[int, int | None, bool]]) -> None:
    timers, model = Timers(), dict[int, int]()
    for slot, at, fire in steps:
        if at is None:
            timers.stop(slot)
            model.pop(slot, None)
        elif fire:
            due = sorted(slot for slot, then in model.items() if then <= at)
            assert timers.due(at) == due
            for slot in due:
                del model[slot]
        else:
            timers.set(slot, at)
            model[slot] = at
        assert timers.earliest() == min(model.values(), default=None)
        assert [timers.at(slot) for slot in range(len(NAMES))] == [
            model.get(slot) for slot in range(len(NAMES))
        ]


spans = st.tuples(st.integers(0, 4000), st.integers(1, 1500)).map(
    lambda span: (span[0], min(span[0] + span[1], len(TEXT)))
)


def view(left: int, right: int, as_view: bool) -> Chunk:
    return memoryview(TEXT)[left:right] if as_view else TEXT[left:right]


@given(st.lists(st.tuples(spans, st.booleans()), min_size=1))
def test_reorder_keeps_each_byte_once(
    pieces: list[tuple[tuple[int, int], bool]],
) -> None:
    reorder = Reorder()
    have: set[int] = set()
    for (left, right), as_view in pieces:
        twice = [n for n in range(left, right) if n in have]
        again = reorder.insert(left, view(left, right, as_view))
        assert (again is None) == (not twice)
        if again is not None:
            # the first part that came twice (RFC 2883 4.2)
            assert again[0] == twice[0]
            assert set(range(*again)) <= set(twice)
            assert again[1] not in twice
        have.update(range(left, right))
        ranges = reorder.ranges()
        assert sum(end - start for start, end in ranges) == len(have) == reorder.size
        assert all(set(range(start, end)) <= have for start, end in ranges)
        assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))
        # the piece that came last lies in the block that is reported first
        first = reorder.blocks(3)[0]
        assert first[0] <= left
        assert right <= first[1]
        assert reorder.pinned <= 2 * reorder.size + 4096
    assert reorder.end == max(have) + 1
    copied = pickle.loads(pickle.dumps(reorder))
    assert copied.ranges() == reorder.ranges()
    for start, end in reorder.ranges():
        assert reorder.start == start
        assert reorder.pop().take(len(TEXT)) == TEXT[start:end]
    assert reorder.start > len(TEXT)
    assert reorder.n_chunks == reorder.size == 0


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(spans, st.booleans(), st.integers(0, 3000))),
)
def test_receiver_gives_the_text_whatever_the_order(
    irs: int, pieces: list[tuple[tuple[int, int], bool, int]]
) -> None:
    receiver = Receiver(1 << 20, 10_000, 0)
    receiver.start(irs, 1000)
    receiver.advertise()
    base = irs + 1
    got = b""
    have: set[int] = set()
    for (left, right), as_view, reads in pieces:
        if receiver.acceptable(base + left, right - left):
            before = receiver.rcv_nxt
            moved = receiver.take_text(base + left, view(left, right, as_view), 1)
            assert moved == receiver.rcv_nxt - before >= 0
            have.update(range(left, right))
        expected = 0
        while expected in have:
            expected += 1
        assert receiver.rcv_nxt == base + expected
        assert (receiver.reorder is None) == (len(have) == expected)
        if reads and receiver.pending:
            got += receiver.read(reads)
        adv = receiver.rcv_adv
        receiver.advertise()
        assert receiver.rcv_adv >= adv
        assert got == TEXT[: len(got)]
    assert got + b"".join(receiver.read_chunks()) == TEXT[: receiver.rcv_nxt - base]


@given(
    st.lists(
        st.tuples(st.integers(1, 3000), st.integers(0, 3000), st.integers(0, 20_000))
    ),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_sender_stays_within_window_and_queue(
    steps: list[tuple[int, int, int]], iss: int, nodelay: bool
) -> None:
    sender = Sender(64_000)
    sender.start(iss)
    sender.snd_nxt = iss + 1
    sender.acknowledge(iss + 1)
    sender.mss = 536
    written, sent, acked = b"", b"", 0
    for size, ack, wnd in steps:
        text = TEXT[len(written) % 256 :][:size]
        written += text[: sender.write(text)]
        sender.set_window(0, sender.snd_una, wnd)
        n = sender.sendable(10_000, nodelay)
        assert 0 <= n <= sender.unsent
        assert not n or sender.in_flight + n <= wnd
        if n:
            parts = sender.parts(sender.snd_nxt, n)
            sent += b"".join(parts)
            sender.snd_nxt += sum(map(len, parts))
        assert sent == written[: len(sent)]
        new = min(ack, sender.in_flight)
        assert sender.acknowledge(sender.snd_una + new) == new
        acked += new
        assert sender.queued == len(written) - acked
        assert sender.unsent == len(written) - len(sent)
        assert (sender.queue is None) == (not sender.queued)
    # whatever was held back goes in the end
    while sender.unsent:
        sender.set_window(0, sender.snd_una, 60_000)
        n = sender.sendable(10_000, nodelay)
        assert n
        sender.snd_nxt += n
        sender.acknowledge(sender.snd_nxt)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5 * SECOND))))
def test_time_wait_is_bounded_and_forgets(steps: list[tuple[int, int]]) -> None:
    table = TimeWaitTable(4)
    now = SECOND
    model: dict[bytes, int] = {}
    for name, delay in steps:
        now += delay
        table.handle_timeout(now)
        model = {key: at for key, at in model.items() if at > now}
        assert len(table) == len(model)
        key = bytes([name])
        record = TimeWaitRecord(
            bytes(4), 1, bytes(4), 2, 0, 0, 0, None, 0, 10 * SECOND, now + 10 * SECOND
        )
        table.add(key, record)
        model.pop(key, None)
        if len(model) == 4:
            del model[next(iter(model))]
        model[key] = now + 10 * SECOND
        assert {bytes([n]) for n in range(10) if bytes([n]) in table} == set(model)
        assert table.deadline() == min(model.values())
    table.handle_timeout(now + 11 * SECOND)
    assert len(table) == 0
    assert table.deadline() is None
