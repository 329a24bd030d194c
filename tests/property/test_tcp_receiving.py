"""What a receiver says: marks echoed, windows that only grow, duplicates reported."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sansio_net import Capabilities, Entropy
from sansio_net.protocols.tcp import Connection, TcpOptions
from sansio_net.protocols.tcp.receiver import Receiver
from sansio_net.protocols.tcp.seq import unwrap
from sansio_net.stack import Event, Stack, StackConfig
from sansio_net.stack.events import Accepted, Connected, DataReceived, SpaceFreed
from sansio_net.testing import Link, Pair
from sansio_net.testing.link import LinkItem
from sansio_net.units import KIB, MILLISECOND
from sansio_net.wire.segment import flatten
from sansio_net.wire.tcp import ACK, CWR, ECE, RST, SYN, parse_tcp

TEXT = bytes(range(256)) * 16


class Watched(Link):
    """A link that marks and loses, and looks at every frame that is sent."""

    __slots__ = ("conns", "cwr", "ect", "highest", "pure", "violations")

    def __init__(self, seed: int, **conditions: int | str) -> None:
        super().__init__(seed, **conditions)
        self.conns: list[Connection | None] = [None, None]
        self.highest: list[int | None] = [None, None]
        self.ect = self.cwr = self.pure = 0
        self.violations: list[str] = []

    def receive(self, items: Sequence[LinkItem], now: int) -> None:
        for end, packet in items:
            for frame in flatten(packet.joined()):
                if frame[12:14] == b"\x08\x00":
                    self.look(end, frame)
        super().receive(items, now)

    def look(self, end: int, frame: bytes) -> None:
        header = parse_tcp(frame, 34)
        mark, flags = frame[15] & 3, header.flags
        size = int.from_bytes(frame[16:18], "big") - 20 - header.data_offset
        highest = self.highest[end]
        seq = header.seq if highest is None else unwrap(header.seq, highest)
        # RFC 3168 6.1.1, 6.1.4, 6.1.5: only new text may be marked
        if mark:
            self.ect += 1
            new = highest is not None and seq >= highest
            if mark != 2 or flags & (SYN | RST) or not size or not new:
                self.violations.append(f"ECT {mark} on {header} with {size} bytes")
        elif not size:
            self.pure += 1
        conn = self.conns[end]
        if flags & ACK and not flags & (SYN | RST) and conn is not None:
            # 6.1.3: on every ACK while a mark is unanswered, on no other
            echo = conn.ecn is not None and conn.ecn.echo
            if bool(flags & ECE) != echo:
                self.violations.append(f"echo {echo}: {header}")
        if flags & CWR and not flags & SYN:
            self.cwr += 1
            if not size or not mark:
                self.violations.append(f"CWR on {header} with {size} bytes")
        stop = seq + size + bool(flags & SYN)
        self.highest[end] = stop if highest is None else max(stop, highest)


class Conversation:
    """One end sends, the other reads; both stacks on one watched link."""

    def __init__(
        self, link: Watched, text: bytes, gso_max: int, modes: list[str]
    ) -> None:
        self.link, self.text = link, text
        self.sent = 0
        self.got = b""
        stacks = []
        for end, mode in enumerate(modes):
            config = StackConfig(tcp=TcpOptions(ecn=mode))
            stack = Stack(config, Entropy.of(end).bytes(32))
            stack.add_interface(
                addresses=[f"10.0.0.{1 + end}/24"],
                capabilities=Capabilities(gso_max=gso_max),
            )
            stacks.append(stack)
        stacks[1].tcp_listen(("", 80))
        self.pair = Pair(*stacks, link, app_a=self.sender, app_b=self.reader)
        link.conns[0] = stacks[0].tcp_connect(("10.0.0.2", 80))

    def sender(self, events: list[Event], now: int) -> None:
        for event in events:
            if isinstance(event, Connected | SpaceFreed):
                self.sent += event.conn.send(self.text[self.sent :])
                if self.sent == len(self.text):
                    event.conn.shutdown()

    def reader(self, events: list[Event], now: int) -> None:
        for event in events:
            if isinstance(event, Accepted):
                self.link.conns[1] = event.conn
            elif isinstance(event, DataReceived):
                self.got += event.conn.recv(1 << 22) or b""


modes = st.sampled_from(["on", "on", "passive", "off"])


@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0, 0, 10_000, 50_000]),
    reordering=st.sampled_from([0, 0, 20_000]),
    threshold=st.sampled_from([1, 3, 10]),
    rate=st.sampled_from([2_000_000, 20_000_000]),
    size=st.sampled_from([10_000, 100_000, 400_000]),
    gso_max=st.sampled_from([0, 65_535]),
    ends=st.lists(modes, min_size=2, max_size=2),
)
def test_only_new_text_is_marked_and_marks_are_echoed(
    seed: int,
    loss: int,
    reordering: int,
    threshold: int,
    rate: int,
    size: int,
    gso_max: int,
    ends: list[str],
) -> None:
    link = Watched(
        seed,
        loss=loss,
        reordering=reordering,
        latency=10 * MILLISECOND,
        rate=rate,
        ecn_threshold=threshold,
    )
    talk = Conversation(link, (TEXT * 200)[:size], gso_max, ends)
    assert talk.pair.run_until(lambda: len(talk.got) >= size)
    assert talk.got == (TEXT * 200)[:size]
    assert link.violations == []
    agreed = ends[0] == "on" and ends[1] != "off"
    if not loss:
        assert (link.ect > 0) == agreed
    if not agreed:
        assert link.ect == link.cwr == 0
        assert not link.counts(0).marked


rounds = st.lists(
    st.tuples(
        st.integers(0, 80),  # ms that pass
        st.integers(0, 40_000),  # bytes that come
        st.sampled_from([0, 1000, 1 << 22, 1 << 22]),  # bytes that are read
    ),
    max_size=30,
)


@given(
    steps=rounds,
    most=st.sampled_from([16 * KIB, 200 * KIB, 1 << 20]),
    fixed=st.sampled_from([None, None, 50_000]),
    stamps=st.booleans(),
)
def test_a_window_grows_to_its_bound_and_its_edge_never_moves_back(
    steps: list[tuple[int, int, int]], most: int, fixed: int | None, stamps: bool
) -> None:
    from tests.protocols.tcp.dialogue import Talk

    options = {"receive_buffer": fixed, "receive_buffer_max": most}
    talk = Talk(stamps=stamps, **options)
    talk.conn.connect()
    talk.all_said()
    talk.peer("S.", seq=0, ack=1, mss=1460, wscale=7)
    talk.all_said()
    receiver = talk.conn.receiver
    bound = most if fixed is None else fixed
    limit, edge, at = receiver.limit, 0, 1
    shift = receiver.wscale
    for delay, size, read in steps:
        talk.wait(delay * MILLISECOND)
        talk.peer_clock += delay
        room = receiver.rcv_adv - receiver.rcv_nxt
        size = min(size, room)
        if size:
            talk.peer(".", seq=at, ack=1, data=bytes(size), cuts=-(-size // 1460))
            at += size
        if read and talk.conn.pending:
            talk.conn.recv(read)
        for said in talk.all_said():
            # RFC 7323 2.4: but for what the scale cannot say
            assert said.ack + (said.wnd << shift) > edge - (1 << shift)
            edge = max(edge, said.ack + (said.wnd << shift))
        assert limit <= receiver.limit <= max(bound, limit)
        limit = receiver.limit
        assert receiver.pending <= limit
        assert fixed is None or limit == fixed
    assert receiver.rcv_nxt == receiver.irs + at


spans = st.tuples(st.integers(0, 4000), st.integers(1, 1500)).map(
    lambda span: (span[0], min(span[0] + span[1], len(TEXT)))
)


@given(
    irs=st.sampled_from([0, 2**32 - 2000, 2**33]),
    batches=st.lists(st.lists(spans, min_size=1, max_size=4), max_size=20),
)
def test_a_duplicate_is_reported_once_and_in_form(
    irs: int, batches: list[list[tuple[int, int]]]
) -> None:
    receiver = Receiver(1 << 20, 10_000, 0)
    receiver.start(irs, 1000)
    receiver.sack = True
    receiver.advertise()
    base = irs + 1
    times = [0] * len(TEXT)
    for batch in batches:
        before = list(times)
        for left, right in batch:
            if not receiver.acceptable(base + left, right - left):
                # what a connection does with text that is wholly old
                receiver.repeated(base + left, min(base + right, receiver.rcv_nxt))
            else:
                receiver.take_text(base + left, TEXT[left:right], 1)
            for n in range(left, right):
                times[n] += 1
        again = receiver.dsack is not None
        blocks = [
            (unwrap(left, base) - base, unwrap(right, base) - base)
            for left, right in receiver.sack_blocks(4)
        ]
        assert len(blocks) <= 4
        assert all(left < right for left, right in blocks)
        acked = receiver.rcv_nxt - base
        if again:
            left, right = blocks.pop(0)
            # RFC 2883 4: it came twice, at least once of that now
            inside = range(left, right)
            assert all(times[n] > max(before[n], 1) for n in inside)
            # (4): the block it belongs to is next, unless the ACK says it all
            assert right <= acked or blocks[0][0] <= left < right <= blocks[0][1]
        else:
            assert all(times[n] == before[n] or not before[n] for n in range(len(TEXT)))
        # RFC 2018 4: what lies beyond holes, each block once
        assert all(left > acked for left, _ in blocks)
        assert all(times[n] for left, right in blocks for n in range(left, right))
        assert len(set(blocks)) == len(blocks)
        receiver.ack_sent()
        assert receiver.dsack is None
