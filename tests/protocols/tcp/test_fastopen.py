"""RFC 7413 from both sides: two stacks, or one and a scripted peer."""

from __future__ import annotations

import pickle

import pytest

from sansio_net.counters import Counters
from sansio_net.entropy import Entropy
from sansio_net.packet import Capabilities, Packet
from sansio_net.protocols.tcp import Connection, Listener, State, TcpOptions
from sansio_net.protocols.tcp.fastopen import (
    OPT_FAST_OPEN,
    RESET_PENALTY,
    ROTATION,
    CookieCache,
    FastOpen,
    FastOpenQueue,
    option_of,
)
from sansio_net.stack import DataReceived, Event, Stack, StackConfig
from sansio_net.testing import Link, Pair
from sansio_net.units import MILLISECOND, MINUTE, SECOND
from sansio_net.wire.tcp import ACK, RST, SYN, parse_tcp
from sansio_net.wire.tcp_options import (
    SegmentOptions,
    build_tcp_options,
    parse_tcp_options,
)

from .dialogue import PEER, PEER_PORT, US, US_PORT, Said, Talk, isn

NOW = SECOND
SERVER = (US, PEER, PEER_PORT)
COOKIE = b"8 bytes."


# The option ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", b""),
        (b"four", b"four"),
        (bytes(16), bytes(16)),
        (b"12", None),
        (b"12345", None),
        (bytes(18), None),
    ],
)
def test_options_of_invalid_length_are_ignored(data: bytes, found: bytes) -> None:
    """RFC 7413 4.1.1."""
    options = SegmentOptions(unknown=((99, b"x"), (OPT_FAST_OPEN, data)))
    assert option_of(options) == found


# The client's cache -------------------------------------------------------------------


def test_what_is_known_of_a_server() -> None:
    cache = CookieCache(10)
    asked = cache.look_up(SERVER, NOW)
    assert asked is not None
    assert (asked.cookie, len(cache)) == (b"", 0)
    cache.learn(SERVER, COOKIE, 1400)
    known = cache.look_up(SERVER, NOW)
    assert known is not None
    assert (known.cookie, known.mss) == (COOKIE, 1400)


def test_failures_are_remembered_longer_each_time() -> None:
    """RFC 7413 4.1.3.1."""
    cache = CookieCache(10)
    cache.learn(SERVER, COOKIE, 1400)
    now = NOW
    for patience in (1, 2, 4, 8, 16, 32, 60, 60):
        cache.fail(SERVER, now)
        assert cache.look_up(SERVER, now + patience * MINUTE - 1) is None
        now += patience * MINUTE
        again = cache.look_up(SERVER, now)
        assert again is not None
        assert again.cookie == b""
    cache.learn(SERVER, COOKIE, 1400)
    cache.fail(SERVER, now)
    assert cache.look_up(SERVER, now + MINUTE) is not None


def test_the_cache_is_bounded() -> None:
    counters = Counters()
    cache = CookieCache(3, counters)
    for port in (1, 2, 3, 1, 4, 5):
        cache.learn((US, PEER, port), COOKIE, 1000)
    assert len(cache) == 3
    assert counters.as_dict() == {"tcp.fast_open_forgotten": 2}
    kept = cache.look_up((US, PEER, 1), NOW)
    assert kept is not None
    assert kept.cookie == COOKIE


# The client ---------------------------------------------------------------------------


def client(cookie: bytes = COOKIE, mss: int = 1000, **options: object) -> Talk:
    """Ready to connect; with a cookie unless that is b""."""
    talk = Talk(**options)
    cache = CookieCache(10, talk.counters)
    if cookie:
        cache.learn(SERVER, cookie, mss)
    talk.conn.fast_open = FastOpen(SERVER, cache)
    talk.conn.connect()
    return talk


def fast_option(said: Said) -> bytes | None:
    return dict(said.options.unknown).get(OPT_FAST_OPEN)


def known(talk: Talk, cache: CookieCache | None) -> bytes | None:
    assert cache is not None
    found = cache.look_up(SERVER, talk.now)
    return None if found is None else found.cookie


def cache_of(talk: Talk) -> CookieCache:
    assert talk.conn.fast_open is not None
    assert talk.conn.fast_open.cache is not None
    return talk.conn.fast_open.cache


def test_a_client_without_a_cookie_asks_for_one() -> None:
    talk = client(b"")
    cache = cache_of(talk)
    talk.conn.send(b"hello")
    assert fast_option(talk.us("S", data=b"")) == b""
    talk.peer("S.", seq=0, ack=1, mss=1000, unknown=((OPT_FAST_OPEN, COOKIE),))
    talk.us("P.", seq=1, data=b"hello")
    assert known(talk, cache) == COOKIE


def test_text_on_the_syn() -> None:
    talk = client()
    talk.conn.send(b"GET / HTTP/1.0\r\n\r\n")
    said = talk.us("S", seq=0, data=b"GET / HTTP/1.0\r\n\r\n")
    assert fast_option(said) == COOKIE
    talk.peer("S.", seq=0, ack=19, mss=1000)
    assert talk.conn.state is State.ESTABLISHED
    assert talk.conn.info().unacked == 0
    talk.us(".", seq=19, ack=1, data=b"")
    talk.events("Connected")
    assert talk.counters.as_dict() == {"tcp.fast_open_active": 1}


def test_as_much_as_the_mss_that_was_cached() -> None:
    """RFC 7413 4.1.3: cached, else 536, never more than 1460."""
    for mss, most in ((1000, 1000), (0, 536), (9000, 1460)):
        talk = client(mss=mss, mtu=9000)
        talk.conn.send(bytes(20_000))
        said = talk.us("S")
        options = len(said.packet.head) - 20
        assert len(said.data) == most - options
        talk.peer("S.", seq=0, ack=1 + len(said.data), mss=1000)
        talk.us(".", seq=1 + len(said.data), ack=1)


def test_text_that_the_server_did_not_take_goes_at_once() -> None:
    """RFC 7413 4.2.2: in the first ACK, and it is no sign of congestion."""
    talk = client()
    cache = cache_of(talk)
    talk.conn.send(b"hello")
    talk.us("S", data=b"hello")
    talk.peer("S.", seq=0, ack=1, mss=1000)
    talk.us("P.", seq=1, ack=1, data=b"hello")
    assert "tcp.retransmitted" not in talk.counters.as_dict()
    assert talk.conn.congestion.cwnd == 10_000
    # a negative response: not again for a while
    assert known(talk, cache) is None
    talk.now += MINUTE
    assert known(talk, cache) == b""
    assert talk.counters.as_dict()["tcp.fast_open_lost"] == 1


def test_a_server_with_a_new_key_sends_a_new_cookie() -> None:
    talk = client()
    cache = cache_of(talk)
    talk.conn.send(b"hello")
    talk.us("S")
    talk.peer("S.", seq=0, ack=1, mss=900, unknown=((OPT_FAST_OPEN, b"newer one"[:8]),))
    talk.us("P.", seq=1, data=b"hello")
    assert known(talk, cache) == b"newer on"


def test_part_of_it_may_be_taken() -> None:
    talk = client()
    talk.conn.send(b"hello world")
    talk.us("S", data=b"hello world")
    talk.peer("S.", seq=0, ack=6, mss=1000)
    talk.us("P.", seq=6, data=b" world")


def test_a_black_hole_is_gone_around() -> None:
    """RFC 7413 4.2.2: the SYN again, without text and option; and remembered."""
    talk = client()
    cache = cache_of(talk)
    talk.conn.send(b"hello")
    talk.us("S", data=b"hello")
    talk.wait_timer("retransmit")
    said = talk.us("S", seq=0, data=b"")
    assert fast_option(said) is None
    talk.peer("S.", seq=0, ack=1, mss=1000)
    talk.us("P.", seq=1, data=b"hello")
    assert known(talk, cache) is None


def test_the_first_syn_arrived_after_all() -> None:
    talk = client()
    cache = cache_of(talk)
    talk.conn.send(b"hello")
    talk.us("S", data=b"hello")
    talk.wait_timer("retransmit")
    talk.us("S", data=b"")
    talk.peer("S.", seq=0, ack=6, mss=1000)
    talk.us(".", seq=6, data=b"")
    assert known(talk, cache) == b""
    talk.silent()


def test_a_refusal_is_remembered_too() -> None:
    talk = client()
    cache = cache_of(talk)
    talk.us("S")
    talk.peer("R.", seq=0, ack=1)
    talk.events("ConnectionLost")
    assert known(talk, cache) is None


def test_without_text_there_is_a_cookie_and_nothing_else() -> None:
    talk = client()
    assert fast_option(talk.us("S", data=b"")) == COOKIE
    talk.peer("S.", seq=0, ack=1, mss=1000)
    talk.us(".", seq=1)


def test_an_option_too_many_is_left_out() -> None:
    # 20 bytes of others, with timestamps, and 18
    talk = client(bytes(16), stamps=True)
    talk.conn.send(b"hello")
    said = talk.us("S")
    assert fast_option(said) == bytes(16)
    assert len(said.packet.head) == 60


def test_simultaneous_open_with_text() -> None:
    talk = client()
    talk.conn.send(b"hello")
    talk.us("S", data=b"hello")
    talk.peer("S", seq=0, mss=1000)
    talk.us("S.", seq=0, ack=1, data=b"")
    talk.peer(".", seq=1, ack=1)
    talk.us("P.", seq=1, data=b"hello")


# The server ---------------------------------------------------------------------------


class Service:
    """A listener, and clients that know how to make SYNs."""

    def __init__(self, limit: int = 128, **options: object) -> None:
        self.now = NOW
        self.counters = Counters()
        chosen = TcpOptions(fast_open=True, max_fast_open=limit, **options)  # type: ignore[arg-type]
        self.listener = Listener(
            US, US_PORT, isn=isn(), options=chosen, counters=self.counters
        )

    def syn(
        self, cookie: bytes | None, data: bytes = b"", port: int = 4000
    ) -> Connection:
        unknown = () if cookie is None else ((OPT_FAST_OPEN, cookie),)
        options = build_tcp_options(mss=1000, unknown=unknown)
        child = self.listener.segment_arrives(
            PEER, port, US, 99, 0, SYN, 65535, options, data, self.now
        )
        assert isinstance(child, Connection)
        return child

    def says(self, child: Connection) -> list[tuple[int, int, int, bytes]]:
        """Flags, ack and cookie-less text of all that the child sends."""
        found = []
        for packet in child.transmit(self.now):
            header = parse_tcp(packet.head)
            text = b"".join(map(bytes, packet.body))
            seq = (header.seq - child.sender.iss) % 2**32
            found.append((header.flags, seq, header.ack, text))
        return found

    def cookie(self) -> bytes:
        """As a client gets it."""
        child = self.syn(b"", port=1)
        (packet,) = child.transmit(self.now)
        options = parse_tcp_options(parse_tcp(packet.head).options)
        return dict(options.unknown)[OPT_FAST_OPEN]

    def hears(self, child: Connection, flags: int, seq: int, ack: int) -> None:
        iss = child.sender.iss
        child.segment_arrives(
            seq, (iss + ack) % 2**32, flags, 65535, 0, b"", b"", self.now
        )


def test_a_request_is_granted() -> None:
    service = Service()
    cookie = service.cookie()
    assert len(cookie) == 8
    assert service.cookie() == cookie


def test_text_reaches_the_application_before_the_handshake_is_over() -> None:
    service = Service()
    child = service.syn(service.cookie(), b"hello")
    assert child.state is State.SYN_RECEIVED
    assert [type(event).__name__ for event in child.events()] == [
        "Accepted",
        "DataReceived",
    ]
    assert child.recv(10) == b"hello"
    child.send(b"answer")
    assert service.says(child) == [
        (SYN | ACK, 0, 105, b""),
        (ACK | 8, 1, 105, b"answer"),
    ]
    assert service.listener.fast_open is not None
    assert service.listener.fast_open.pending == 1
    service.hears(child, ACK, 105, 7)
    assert child.state is State.ESTABLISHED
    assert child.info().unacked == 0
    assert service.listener.fast_open.pending == 0
    assert child.events() == []
    assert service.counters.as_dict()["tcp.fast_open_accepted"] == 1


def test_the_answer_is_sent_again_if_it_was_lost() -> None:
    service = Service()
    child = service.syn(service.cookie(), b"hello")
    child.send(b"answer")
    assert len(service.says(child)) == 2
    service.hears(child, ACK, 105, 1)
    assert child.state is State.ESTABLISHED
    due = child.deadline()
    assert due is not None
    for _ in range(4):
        service.now = child.deadline() or service.now
        child.handle_timeout(service.now)
        said = service.says(child)
        if said:
            break
    assert said == [(ACK | 8, 1, 105, b"answer")]


def test_a_lost_syn_ack_comes_again_without_cookie_or_text() -> None:
    service = Service()
    child = service.syn(b"bogus one"[:8], b"hello")
    child.transmit(service.now)
    due = child.deadline()
    assert due is not None
    child.handle_timeout(due)
    service.now = due
    (packet,) = child.transmit(due)
    header = parse_tcp(packet.head)
    assert header.flags == SYN | ACK
    assert parse_tcp_options(header.options).unknown == ()

    child = service.syn(service.cookie(), b"hello", port=7)
    child.send(b"answer")
    service.says(child)
    service.now = child.deadline() or 0
    child.handle_timeout(service.now)
    assert service.says(child) == [(SYN | ACK, 0, 105, b"")]
    service.hears(child, ACK, 105, 7)
    assert child.info().unacked == 0


def test_the_syn_again_changes_nothing() -> None:
    service = Service()
    child = service.syn(service.cookie(), b"hello")
    service.says(child)
    child.segment_arrives(99, 0, SYN, 65535, 0, b"", b"hello", service.now)
    assert service.says(child) == [(SYN | ACK, 0, 105, b"")]
    assert child.recv(100) == b"hello"


def test_a_cookie_that_is_not_ours_gets_an_ordinary_handshake_and_a_new_one() -> None:
    service = Service()
    child = service.syn(b"bogus one"[:8], b"hello")
    assert child.pending == 0
    (packet,) = child.transmit(service.now)
    header = parse_tcp(packet.head)
    assert (header.flags, header.ack) == (SYN | ACK, 100)
    options = parse_tcp_options(header.options)
    assert dict(options.unknown)[OPT_FAST_OPEN] == service.cookie()
    assert child.events() == []
    assert service.counters.as_dict()["tcp.fast_open_refused"] == 1


def test_without_the_option_text_on_a_syn_is_not_kept() -> None:
    service = Service()
    child = service.syn(None, b"hello")
    assert child.fast_open is None
    assert service.says(child) == [(SYN | ACK, 0, 100, b"")]
    # nor where the application did not ask for it: MUST ignore all cookie options
    plain = Listener(US, US_PORT, isn=isn())
    syn = build_tcp_options(unknown=((OPT_FAST_OPEN, service.cookie()),))
    child2 = plain.segment_arrives(
        PEER, 9, US, 99, 0, SYN, 65535, syn, b"hello", service.now
    )
    assert isinstance(child2, Connection)
    (packet,) = child2.transmit(service.now)
    header = parse_tcp(packet.head)
    assert header.ack == 100
    assert parse_tcp_options(header.options).unknown == ()


def test_a_cookie_is_for_one_pair_of_hosts_and_two_keys() -> None:
    queue = FastOpenQueue(isn(), 10)
    cookie = queue.cookie(PEER, US, 0)
    assert cookie != queue.cookie(US, PEER, 0)
    assert cookie != queue.cookie(PEER, US, 1)
    service = Service()
    first = service.cookie()
    service.now += ROTATION
    child = service.syn(first, b"hello")
    assert child.pending == 5
    assert service.cookie() != first
    service.now += ROTATION
    assert service.syn(first, b"hello", port=9).pending == 0


def test_pending_fast_opens_are_bounded() -> None:
    """RFC 7413 5.1: beyond it, an ordinary handshake."""
    service = Service(limit=2)
    cookie = service.cookie()
    opened = [service.syn(cookie, b"hello", port) for port in (10, 11, 12)]
    assert [child.pending for child in opened] == [5, 5, 0]
    service.says(opened[0])
    service.hears(opened[0], ACK, 105, 1)
    assert service.syn(cookie, b"hello", 13).pending == 5
    # one that is reset counts on for a while
    service.says(opened[1])
    service.hears(opened[1], RST, 105, 0)
    assert opened[1].done
    assert service.syn(cookie, b"hello", 14).pending == 0
    service.now += RESET_PENALTY
    assert service.syn(cookie, b"hello", 15).pending == 5


def test_one_that_the_application_has_is_lost_aloud() -> None:
    service = Service()
    child = service.syn(service.cookie(), b"hello")
    child.events()
    service.says(child)
    service.hears(child, RST, 105, 0)
    (lost,) = child.events()
    assert type(lost).__name__ == "ConnectionLost"
    # and one that it never heard of is not
    other = service.syn(service.cookie(), b"hello", port=5)
    service.says(other)
    service.hears(other, RST, 105, 0)
    assert other.events() == []
    assert service.listener.pending == 0


def test_it_waits_in_the_backlog() -> None:
    service = Service()
    service.listener.backlog = 1
    child = service.syn(service.cookie(), b"hello")
    assert (service.listener.pending, service.listener.half_open) == (1, 1)
    # whose handshake is completed although the backlog is full: of itself
    service.says(child)
    service.hears(child, ACK, 105, 1)
    assert child.state is State.ESTABLISHED


def test_shutdown_before_the_handshake_is_over() -> None:
    service = Service()
    child = service.syn(service.cookie(), b"hello")
    child.recv(10)
    child.send(b"bye")
    child.shutdown()
    said = service.says(child)
    assert said[-1] == (ACK | 8 | 1, 1, 105, b"bye")
    service.hears(child, ACK, 105, 5)
    assert child.state is State.FIN_WAIT_2


def test_text_beyond_the_buffer_is_left_to_the_client() -> None:
    service = Service(receive_buffer=2048)
    child = service.syn(service.cookie(), bytes(5000))
    assert child.pending == 2048
    ((_, _, ack, _),) = service.says(child)
    assert ack == 100 + 2048


def test_pickles_between_turns() -> None:
    service = Service()
    child = service.syn(service.cookie(), b"hello")
    copied = pickle.loads(pickle.dumps(child))
    assert copied.recv(10) == b"hello"
    assert isinstance(copied.transmit(NOW)[0], Packet)


# Both ---------------------------------------------------------------------------------


def host(number: int) -> Stack:
    config = StackConfig(tcp=TcpOptions(fast_open=True))
    stack = Stack(config, Entropy.of(number).bytes(32))
    stack.add_interface(
        addresses=[f"10.0.0.{number}/24"], capabilities=Capabilities(mtu=1500)
    )
    return stack


@pytest.mark.parametrize("loss", [False, True])
def test_the_second_request_is_answered_after_one_round_trip(loss: bool) -> None:
    link = Link(1)
    link.set(None, latency=50 * MILLISECOND)
    here, there = host(1), host(2)

    def echo(events: list[Event], now: int) -> None:
        for event in events:
            if isinstance(event, DataReceived):
                event.conn.send(event.conn.recv(100) or b"")

    pair = Pair(here, there, link, app_b=echo)
    there.tcp_listen(("", 80))
    took = []
    for _ in range(2):
        conn = here.tcp_connect(("10.0.0.2", 80))
        conn.send(b"hello")
        if loss and took:
            link.lose_next(0, 1)
        began = pair.now
        assert pair.run_until(lambda conn=conn: conn.pending == 5)  # type: ignore[misc]
        took.append((pair.now - began) // MILLISECOND)
        conn.recv(10)
        conn.close()
        pair.run_for(10 * SECOND)
    # two round trips (and ARP's), then one; or a SYN that is repeated without
    assert took[1] == (1200 if loss else 100)
    assert here.counters().get("tcp.fast_open_active", 0) == (not loss)
