from __future__ import annotations

import copy
import pickle

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
from sansio_net.protocols.tcp.listener import MAX_RESETS
from sansio_net.units import SECOND
from sansio_net.wire.tcp import ACK, FIN, RST, SYN, parse_tcp

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


def test_the_backlog_bounds_half_open_and_undrained() -> None:
    listener = listening(backlog=2)
    taken = open_child(listener, 1)
    half_open = knock(listener, 2)
    assert listener.pending == 2
    assert says(listener, SYN, 3) is None
    assert listener.counters is not None
    assert listener.counters.dropped(DropReason.TCP_BACKLOG_FULL) == 1
    # taken over: it no longer counts
    assert taken.events() == [Accepted(listener, taken)]
    assert listener.pending == 1
    knock(listener, 3)
    assert says(listener, SYN, 4) is None
    # died half open
    half_open.segment_arrives(8, 0, RST, 0, 0, b"", b"", NOW)
    assert listener.pending == 1
    listener.child_gone(half_open)
    listener.child_gone(taken)
    assert listener.pending == 1


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
    for _ in range(MAX_RESETS + 10):
        stranger.owe_ack()
        listener.receive(stranger.transmit(NOW), NOW)
    assert len(listener.transmit(NOW, 1000)) == MAX_RESETS
