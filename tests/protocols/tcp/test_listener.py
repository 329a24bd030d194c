from __future__ import annotations

import copy
import pickle
from functools import partial

import pytest

from sansio_net.counters import Counters, DropReason
from sansio_net.entropy import Entropy
from sansio_net.errors import StateError
from sansio_net.packet import Packet, PacketInfo
from sansio_net.protocols.tcp import (
    Accepted,
    Connection,
    IsnGenerator,
    Listener,
    State,
    TcpOptions,
)
from sansio_net.protocols.tcp.cookies import SLOT
from sansio_net.protocols.tcp.listener import MAX_ANSWERS
from sansio_net.units import SECOND
from sansio_net.wire.tcp import ACK, CWR, ECE, FIN, RST, SYN, TcpHeader, parse_tcp
from sansio_net.wire.tcp_options import build_tcp_options, parse_tcp_options

from .dialogue import PEER, US, isn

NOW = SECOND


def listening(**kwargs: object) -> Listener:
    return Listener(b"", 80, isn=isn(), counters=Counters(), **kwargs)  # type: ignore[arg-type]


def says(
    listener: Listener, flags: int, sport: int = 4000, seq: int = 7, ack: int = 0
) -> Connection | Packet | None:
    return listener.segment_arrives(
        PEER, sport, US, seq, ack, flags, 1000, b"", b"", NOW
    )


def knock(listener: Listener, sport: int = 4000) -> Connection:
    child = says(listener, SYN, sport)
    assert isinstance(child, Connection)
    return child


def open_child(listener: Listener, sport: int = 4000) -> Connection:
    child = knock(listener, sport)
    child.transmit(NOW)
    ack = (child.sender.iss + 1) % 2**32
    child.segment_arrives(8, ack, ACK, 1000, 0, b"", b"", NOW)
    assert child.state is State.ESTABLISHED
    return child


def test_first_a_reset_is_ignored() -> None:
    assert says(listening(), RST) is None
    assert says(listening(), RST | ACK) is None


@pytest.mark.parametrize("flags", [ACK, SYN | ACK, FIN | ACK])
def test_second_an_ack_is_reset(flags: int) -> None:
    answer = says(listening(), flags, ack=99)
    assert isinstance(answer, Packet)
    header = parse_tcp(answer.head)
    assert (header.flags, header.seq, header.ack) == (RST, 99, 0)
    assert answer.info is not None
    assert (answer.info.src, answer.info.dst) == (US, PEER)


def test_third_a_syn_makes_a_child() -> None:
    listener = listening()
    child = knock(listener)
    assert child.state is State.SYN_RECEIVED
    assert child.listener is listener
    assert (child.laddr, child.lport, child.raddr, child.rport) == (US, 80, PEER, 4000)
    (packet,) = child.transmit(NOW)
    assert parse_tcp(packet.head).flags == SYN | ACK
    assert child.local == ("10.0.0.1", 80)
    assert child.peer == ("10.0.0.2", 4000)


def test_fourth_anything_else_is_dropped() -> None:
    listener = listening()
    assert says(listener, FIN) is None
    assert says(listener, 0) is None
    assert listener.counters is not None
    assert listener.counters.dropped(DropReason.TCP_NO_SOCKET) == 2


def completes(child: Connection) -> None:
    ack = (child.sender.iss + 1) % 2**32
    child.segment_arrives(8, ack, ACK, 1000, 0, b"", b"", NOW)


def dropped(listener: Listener, reason: DropReason) -> int:
    assert listener.counters is not None
    return listener.counters.dropped(reason)


def test_the_backlog_bounds_what_waits_to_be_accepted() -> None:
    listener = listening(backlog=2)
    first, third = open_child(listener, 1), knock(listener, 3)
    third.transmit(NOW)
    open_child(listener, 2)
    assert (listener.pending, listener.half_open) == (2, 1)
    assert says(listener, SYN, 4) is None
    assert dropped(listener, DropReason.TCP_BACKLOG_FULL) == 1
    # nor is a handshake completed: the client will say it again
    completes(third)
    assert third.state is State.SYN_RECEIVED
    assert dropped(listener, DropReason.TCP_BACKLOG_FULL) == 2
    # taken over: it no longer counts
    assert first.events() == [Accepted(listener, first)]
    assert listener.pending == 1
    completes(third)
    assert third.state is State.ESTABLISHED
    assert (listener.pending, listener.half_open) == (2, 0)
    listener.child_gone(first)
    assert listener.pending == 2


def test_half_open_connections_are_bounded_of_their_own() -> None:
    options = TcpOptions(max_half_open=2, syn_cookies="off")
    listener = listening(backlog=1, options=options)
    first, _ = knock(listener, 1), knock(listener, 2)
    assert says(listener, SYN, 3) is None
    assert dropped(listener, DropReason.TCP_HALF_OPEN_FULL) == 1
    # died half open
    first.segment_arrives(8, 0, RST, 0, 0, b"", b"", NOW)
    assert listener.half_open == 1
    knock(listener, 3)


def test_a_land_attack_finds_nobody() -> None:
    listener = listening()
    assert listener.segment_arrives(US, 80, US, 7, 0, SYN, 1000, b"", b"", NOW) is None
    assert dropped(listener, DropReason.TCP_LAND) == 1
    assert listener.half_open == 0


CLIENT = build_tcp_options(mss=1400, wscale=7, sack_permitted=True, ts_val=5, ts_ecr=0)


def flooded(**options: object) -> Listener:
    """With no room for a handshake."""
    return listening(options=TcpOptions(max_half_open=0, **options))  # type: ignore[arg-type]


def cookie_for(listener: Listener, options: bytes = CLIENT) -> TcpHeader:
    answer = listener.segment_arrives(
        PEER, 4000, US, 7, 0, SYN, 1000, options, b"text", NOW
    )
    assert isinstance(answer, Packet)
    header = parse_tcp(answer.head)
    assert (header.flags, header.ack) == (SYN | ACK, 8)
    assert answer.info is not None
    assert (answer.info.src, answer.info.dst) == (US, PEER)
    assert listener.half_open == 0
    return header


def brings(
    listener: Listener,
    cookie: int,
    *,
    ts_ecr: int | None = None,
    body: bytes = b"",
    seq: int = 8,
    flags: int = ACK,
    now: int = NOW,
) -> Connection | Packet | None:
    options = b"" if ts_ecr is None else build_tcp_options(ts_val=9, ts_ecr=ts_ecr)
    ack = (cookie + 1) % 2**32
    return listener.segment_arrives(
        PEER, 4000, US, seq, ack, flags, 500, options, body, now
    )


def test_a_full_table_answers_with_a_cookie_that_opens_the_connection() -> None:
    listener = flooded()
    header = cookie_for(listener)
    offered = parse_tcp_options(header.options)
    assert (offered.sack_permitted, offered.wscale is not None) == (True, True)
    assert offered.ts_ecr == 5
    child = brings(listener, header.seq, ts_ecr=offered.ts_val, body=b"hello")
    assert isinstance(child, Connection)
    assert child.state is State.ESTABLISHED
    assert (listener.half_open, listener.pending) == (0, 1)
    agreed = child.agreed
    assert agreed is not None
    assert (agreed.mss, agreed.snd_wscale, agreed.sack) == (1400, 7, True)
    assert agreed.timestamps
    assert child.sender.snd_wnd == 500 << 7
    assert [type(event).__name__ for event in child.events()] == [
        "Accepted",
        "DataReceived",
    ]
    assert child.recv(100) == b"hello"
    child.send(b"answer")
    (packet,) = child.transmit(NOW)
    said = parse_tcp(packet.head)
    assert (said.seq, said.ack) == ((header.seq + 1) % 2**32, 13)
    assert listener.counters is not None
    assert listener.counters.as_dict() == {
        "tcp.syn_cookies_received": 1,
        "tcp.syn_cookies_sent": 1,
    }


def test_without_timestamps_a_cookie_keeps_the_mss_alone() -> None:
    listener = flooded()
    client = build_tcp_options(mss=1460, wscale=7, sack_permitted=True)
    header = cookie_for(listener, client)
    offered = parse_tcp_options(header.options)
    assert offered.mss is not None
    assert (offered.sack_permitted, offered.wscale, offered.ts_val) == (
        False,
        None,
        None,
    )
    child = brings(listener, header.seq)
    assert isinstance(child, Connection)
    assert child.agreed is not None
    assert (child.agreed.mss, child.agreed.sack) == (1460, False)


@pytest.mark.parametrize("ecn", ["off", "passive"])
def test_a_cookie_keeps_ecn_in_the_timestamp(ecn: str) -> None:
    listener = flooded(ecn=ecn)
    answer = listener.segment_arrives(
        PEER, 4000, US, 7, 0, SYN | ECE | CWR, 1000, CLIENT, b"", NOW
    )
    assert isinstance(answer, Packet)
    header = parse_tcp(answer.head)
    assert header.flags == SYN | ACK | (0 if ecn == "off" else ECE)
    stamp = parse_tcp_options(header.options).ts_val
    child = brings(listener, header.seq, ts_ecr=stamp)
    assert isinstance(child, Connection)
    assert (child.ecn is not None) == (ecn == "passive")


def test_cookies_always_or_never() -> None:
    always = listening(options=TcpOptions(syn_cookies="always"))
    assert brings(always, cookie_for(always).seq) is not None
    with pytest.raises(StateError):
        TcpOptions(syn_cookies="sometimes")


@pytest.mark.parametrize(
    ("change", "is_child"),
    [
        ({}, True),
        ({"now": NOW + SLOT}, True),
        ({"now": NOW + 2 * SLOT}, False),
        ({"seq": 9}, False),
        ({"flags": SYN | ACK}, False),
        ({"flags": FIN | ACK}, True),
    ],
)
def test_a_cookie_is_good_for_its_peer_and_its_time(
    change: dict[str, int], is_child: bool
) -> None:
    listener = flooded()
    answer = brings(listener, cookie_for(listener, b"").seq, **change)  # type: ignore[arg-type]
    assert isinstance(answer, Connection) == is_child
    if not is_child:
        assert isinstance(answer, Packet)
        assert parse_tcp(answer.head).flags == RST


def test_a_cookie_counts_only_after_cookies_were_sent() -> None:
    # the same keys, but this listener never had a flood
    cookie = cookie_for(flooded()).seq
    calm = listening()
    assert isinstance(brings(calm, cookie), Packet)
    assert calm.counters is not None
    assert "tcp.syn_cookies_failed" not in calm.counters.as_dict()


def test_a_wrong_cookie_is_counted() -> None:
    listener = flooded()
    cookie = cookie_for(listener).seq
    assert isinstance(brings(listener, cookie ^ 1), Packet)
    assert listener.counters is not None
    assert listener.counters.as_dict()["tcp.syn_cookies_failed"] == 1
    assert listener.pending == 0


def test_a_cookie_waits_for_room_in_the_backlog() -> None:
    listener = flooded()
    listener.backlog = 1
    cookie = cookie_for(listener).seq
    other = listener.segment_arrives(PEER, 4001, US, 7, 0, SYN, 1000, b"", b"", NOW)
    assert isinstance(other, Packet)
    child = brings(listener, cookie)
    assert isinstance(child, Connection)
    ack = parse_tcp(other.head).seq + 1
    late = partial(
        listener.segment_arrives, PEER, 4001, US, 8, ack, ACK, 1000, b"", b"", NOW
    )
    assert late() is None
    assert dropped(listener, DropReason.TCP_BACKLOG_FULL) == 1
    child.events()
    assert isinstance(late(), Connection)


def test_a_listener_alone_opens_by_cookie() -> None:
    listener = Listener(US, 80, isn=isn(), options=TcpOptions(syn_cookies="always"))
    client = Connection(PEER, 4000, US, 80, isn=isn(9))
    client.connect()
    for now in range(NOW, NOW + 3):
        listener.receive(client.transmit(now), now)
        client.receive(listener.transmit(now), now)
        client.send(b"x")
    assert [type(event).__name__ for event in listener.events()] == [
        "Accepted",
        "DataReceived",
    ]


def test_lost_before_it_was_taken_over() -> None:
    listener = listening()
    child = open_child(listener)
    child.segment_arrives(8, 0, RST, 0, 0, b"", b"", NOW)
    names = [type(event).__name__ for event in child.events()]
    assert names == ["Accepted", "ConnectionLost"]
    assert listener.pending == 0


def test_pause_and_resume() -> None:
    listener = listening()
    listener.pause()
    assert says(listener, SYN) is None
    listener.resume()
    knock(listener)


def test_paused_nobody_gets_in_who_is_half_open() -> None:
    listener = listening()
    child = knock(listener)
    child.transmit(NOW)
    listener.pause()
    ack = (child.sender.iss + 1) % 2**32
    child.segment_arrives(8, ack, ACK, 1000, 0, b"", b"", NOW)
    assert child.state is State.SYN_RECEIVED
    assert listener.pending == 0
    listener.resume()
    child.segment_arrives(8, ack, ACK, 1000, 0, b"", b"", NOW)
    assert child.state is State.ESTABLISHED
    assert listener.pending == 1


def test_close_aborts_what_nobody_has() -> None:
    listener = listening()
    half_open, undrained, taken = (
        knock(listener, 1),
        open_child(listener, 2),
        open_child(listener, 3),
    )
    taken.events()
    half_open.transmit(NOW)
    listener.close()
    assert half_open.done
    assert undrained.done
    assert not taken.done
    assert half_open.events() == undrained.events() == []
    assert parse_tcp(undrained.transmit(NOW)[0].head).flags == RST | ACK
    assert listener.pending == 0
    # and the port answers as if nobody listened
    answer = says(listener, SYN)
    assert isinstance(answer, Packet)
    assert parse_tcp(answer.head).flags == RST | ACK
    assert parse_tcp(answer.head).ack == 8


def test_options_are_inherited() -> None:
    options = TcpOptions(nodelay=True)
    child = knock(listening(options=options))
    assert child.options is options
    child.set(nodelay=False)
    assert options.nodelay


def test_a_backlog_of_nothing() -> None:
    with pytest.raises(StateError):
        listening(backlog=0)
    assert listening().local == ("", 80)


def test_a_listener_alone() -> None:
    made = IsnGenerator(Entropy.of(3))
    listener, client = (
        Listener(US, 80, isn=made, counters=Counters()),
        Connection(PEER, 4000, US, 80, isn=made),
    )
    assert listener.next_timeout() is None
    client.connect()
    listener.receive(client.transmit(NOW), NOW)
    assert listener.next_timeout() == 0
    lost = listener.transmit(NOW)
    assert len(lost) == 1
    assert listener.transmit(NOW) == []
    # the SYN-ACK is lost: the listener keeps its child's time
    due = listener.next_timeout()
    assert due == NOW + SECOND
    copied = pickle.loads(pickle.dumps(copy.deepcopy(listener)))
    for each in (listener, copied):
        each.handle_timeout(due)
    (again,) = listener.transmit(due)
    assert again.join() == copied.transmit(due)[0].join()
    client.receive([again], due)
    client.send(b"hello")
    listener.receive(client.transmit(due), due)
    accepted, data = listener.events()
    assert isinstance(accepted, Accepted)
    assert data == type(data)(accepted.conn, 5)  # type: ignore[call-arg]
    assert listener.next_timeout() is None
    # from now on the connection stands alone, with what it had to say
    child = accepted.conn
    assert child.recv(100) == b"hello"
    client.receive(child.transmit(due), due)
    assert client.info().send_queue == 0


def test_a_listener_alone_answers_and_drops() -> None:
    listener = listening()
    client = Connection(PEER, 4000, US, 80, isn=isn())
    client.connect()
    (syn,) = client.transmit(NOW)
    listener.receive([Packet(b"short", info=PacketInfo(src=PEER, dst=US))], NOW)
    listener.receive([Packet(syn.head)], NOW)
    wrong = Connection(PEER, 4000, US, 81, isn=isn())
    wrong.connect()
    listener.receive(wrong.transmit(NOW), NOW)
    assert listener.counters is not None
    assert listener.counters.dropped() == 3
    assert listener.transmit(NOW) == []
    # an ACK out of nowhere
    client.state = State.ESTABLISHED
    client.owed = 0
    client.owe_ack()
    listener.receive(client.transmit(NOW), NOW)
    assert listener.next_timeout() == 0
    (reset,) = listener.transmit(NOW)
    assert parse_tcp(reset.head).flags == RST


def test_a_limit_cuts_between_children() -> None:
    listener = listening()
    for sport in (1, 2, 3):
        client = Connection(PEER, sport, US, 80, isn=isn())
        client.connect()
        listener.receive(client.transmit(NOW), NOW)
    sizes = []
    while packets := listener.transmit(NOW, 2):
        sizes.append(len(packets))
    assert sizes == [2, 1]


def test_answers_to_strangers_are_bounded() -> None:
    listener = listening()
    stranger = Connection(PEER, 4000, US, 80, isn=isn())
    stranger.state = State.ESTABLISHED
    for _ in range(MAX_ANSWERS + 10):
        stranger.owe_ack()
        listener.receive(stranger.transmit(NOW), NOW)
    assert len(listener.transmit(NOW, 1000)) == MAX_ANSWERS
