"""Opening under attack: cookies come back whole, guesses open nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sansio_net.entropy import Entropy
from sansio_net.packet import Capabilities, Packet
from sansio_net.protocols.tcp import Connection, IsnGenerator, Listener, TcpOptions
from sansio_net.protocols.tcp.cookies import MSS4, MSS6, SLOT, SynCookies
from sansio_net.stack import (
    Closed,
    ConnectionLost,
    DataReceived,
    EofReceived,
    Event,
    Stack,
    StackConfig,
)
from sansio_net.testing import Conditions, Link, Pair
from sansio_net.testing.strategies import conditions, seeds
from sansio_net.units import SECOND
from sansio_net.wire.tcp import ACK, SYN, parse_tcp
from sansio_net.wire.tcp_options import build_tcp_options, parse_tcp_options

U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
ADDRESSES = st.sampled_from((4, 16)).flatmap(
    lambda n: st.tuples(
        st.binary(min_size=n, max_size=n), st.binary(min_size=n, max_size=n)
    )
)
COOKIES = SynCookies(bytes(range(32)))


@given(ADDRESSES, U16, U16, U32, st.integers(48, 65535), st.integers(0, 2**60))
def test_every_mss_comes_back_as_the_largest_not_above_it(
    ends: tuple[bytes, bytes], lport: int, rport: int, irs: int, mss: int, now: int
) -> None:
    place = (ends[0], lport, ends[1], rport)
    cookie = COOKIES.make(*place, irs, mss, now)
    assert 0 <= cookie < 2**32
    table = MSS4 if len(ends[0]) == 4 else MSS6
    kept = max(entry for entry in table if entry <= mss)
    assert COOKIES.check(*place, irs, cookie, now) == kept
    assert COOKIES.check(*place, irs, cookie, now + SLOT) == kept
    assert COOKIES.check(*place, irs, cookie, now + 2 * SLOT) is None


@given(
    U32,
    st.integers(48, 65535),
    st.none() | st.integers(0, 14),
    st.booleans(),
    st.none() | U32,
    st.integers(0, 2**50),
    st.integers(0, SLOT),
)
def test_a_handshake_by_cookie_agrees_on_what_one_with_memory_does(
    irs: int,
    mss: int,
    wscale: int | None,
    sack: bool,
    ts_val: int | None,
    now: int,
    later: int,
) -> None:
    """With timestamps on all of it but the MSS, without them on the MSS alone."""
    isn = IsnGenerator(Entropy.of(1))
    us, peer = b"\x0a\0\0\1", b"\x0a\0\0\2"
    stamps = ts_val is not None
    syn = build_tcp_options(
        mss=mss,
        wscale=wscale,
        sack_permitted=sack,
        ts_val=ts_val,
        ts_ecr=0 if stamps else None,
    )
    keeps = Listener(us, 80, isn=isn)
    forgets = Listener(us, 80, isn=isn, options=TcpOptions(syn_cookies="always"))
    kept = keeps.segment_arrives(peer, 4, us, irs, 0, SYN, 9, syn, b"", now)
    answer = forgets.segment_arrives(peer, 4, us, irs, 0, SYN, 9, syn, b"", now)
    assert isinstance(kept, Connection)
    assert isinstance(answer, Packet)
    header = parse_tcp(answer.head)
    offered = parse_tcp_options(header.options)
    ack = (header.seq + 1) % 2**32
    seq = (irs + 1) % 2**32
    last = b""
    if offered.ts_val is not None:
        last = build_tcp_options(ts_val=ts_val, ts_ecr=offered.ts_val)
    made = forgets.segment_arrives(
        peer, 4, us, seq, ack, ACK, 9, last, b"text", now + later
    )
    assert isinstance(made, Connection)
    assert made.recv(9) == b"text"
    assert made.agreed is not None
    assert kept.agreed is not None
    assert made.agreed.mss <= max(mss, MSS4[0])
    if stamps:
        made.agreed.mss = kept.agreed.mss
        assert made.agreed == kept.agreed
        assert made.sender.wscale == (wscale or 0)
    else:
        assert not made.agreed.sack
        assert not made.agreed.timestamps
        assert made.sender.wscale == made.receiver.wscale == 0


@given(st.integers(0, 2**64 - 1), st.sampled_from((b"", b"\1\1\x08\x0a" + bytes(8))))
def test_blind_guesses_open_nothing(seed: int, options: bytes) -> None:
    """One in 2**28 would; hypothesis does not try so many."""
    isn = IsnGenerator(Entropy.of(2))
    us, peer = b"\x0a\0\0\1", b"\x0a\0\0\2"
    listener = Listener(us, 80, isn=isn, options=TcpOptions(syn_cookies="always"))
    listener.segment_arrives(peer, 4, us, 7, 0, SYN, 9, b"", b"", 1)
    dice = Entropy.of(seed)
    for _ in range(20):
        seq, ack = dice.below(1 << 32), dice.below(1 << 32)
        answer = listener.segment_arrives(
            peer, 5, us, seq, ack, ACK, 9, options, b"text", 1
        )
        assert isinstance(answer, Packet)
    assert listener.pending == listener.half_open == 0


def test_the_right_numbers_are_as_rare_as_is_said() -> None:
    """Of all the numbers that share 20 bits of one that is right, only that one is."""
    place = (b"\x0a\0\0\1", 80, b"\x0a\0\0\2", 4000)
    cookie = COOKIES.make(*place, 7, 1460, SLOT)
    right = [
        low
        for low in range(1 << 12)
        if COOKIES.check(*place, 7, cookie & ~0xFFF | low, SLOT) is not None
    ]
    assert right == [cookie & 0xFFF]


class Client:
    """Requests one after another, each given to `send` before its SYN leaves."""

    def __init__(self, stack: Stack, requests: list[bytes]) -> None:
        self.stack = stack
        self.left = list(requests)
        self.said: list[tuple[bytes, bytearray, str]] = []
        self.next()

    def next(self) -> None:
        if self.left:
            request = self.left.pop(0)
            self.conn = self.stack.tcp_connect(("10.0.0.2", 80))
            self.said.append((request, bytearray(), ""))
            assert self.conn.send(request) == len(request)
            self.conn.shutdown()

    def __call__(self, events: list[Event], now: int) -> None:
        for event in events:
            if isinstance(event, DataReceived | EofReceived):
                self.said[-1][1].extend(event.conn.recv(1 << 20) or b"")
            elif isinstance(event, Closed | ConnectionLost):
                request, answer, _ = self.said[-1]
                self.said[-1] = (request, answer, type(event).__name__)
                self.next()


def echo(events: list[Event], now: int) -> None:
    for event in events:
        if isinstance(event, DataReceived):
            event.conn.send(event.conn.recv(1 << 20) or b"")
        elif isinstance(event, EofReceived):
            event.conn.shutdown()


@given(
    seeds(),
    conditions(max_loss=100_000),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["full", "always"]),
    st.sampled_from([0, 1, 1024]),
    st.lists(st.integers(1, 4000), min_size=1, max_size=4),
)
def test_requests_are_answered_however_they_are_opened(
    seed: int,
    bad: Conditions,
    here_fast: bool,
    there_fast: bool,
    stamps: bool,
    cookies: str,
    half_open: int,
    sizes: list[int],
) -> None:
    """Exactly the answer, or an error; on a link that keeps its packets the answer."""
    data = Entropy.of(seed)
    hosts = []
    for number, fast in ((1, here_fast), (2, there_fast)):
        options = TcpOptions(
            fast_open=fast,
            timestamps=stamps,
            syn_cookies=cookies,
            max_half_open=half_open,
        )
        stack = Stack(StackConfig(tcp=options), data.bytes(32))
        stack.add_interface(
            addresses=[f"10.0.0.{number}/24"], capabilities=Capabilities(mtu=1500)
        )
        hosts.append(stack)
    link = Link(seed)
    for name in Conditions.__slots__:
        link.set(None, **{name: getattr(bad, name)})
    hosts[1].tcp_listen(("", 80))
    client = Client(hosts[0], [data.bytes(size) for size in sizes])
    pair = Pair(hosts[0], hosts[1], link, app_a=client, app_b=echo)
    pair.run_for(8 * 3600 * SECOND)
    assert not client.left
    for request, answer, end in client.said:
        if end == "Closed":
            assert answer == request
        else:
            assert end == "ConnectionLost"
            assert request.startswith(bytes(answer))
            assert bad.loss or bad.reordering or bad.duplication
    assert not hosts[0].connections()
