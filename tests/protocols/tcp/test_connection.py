"""The verbs, the five methods, and what a connection costs."""

from __future__ import annotations

import copy
import gc
import pickle
import tracemalloc
import weakref

import pytest

from sansio_net.counters import Counters, DropReason
from sansio_net.entropy import Entropy
from sansio_net.errors import ConnectionReset, StateError
from sansio_net.packet import Packet
from sansio_net.protocols.tcp import (
    Accepted,
    Connection,
    DataReceived,
    IsnGenerator,
    Listener,
    State,
    TcpOptions,
)
from sansio_net.units import MILLISECOND, SECOND

from .dialogue import PEER, US, Talk, isn


def pair(now: int = SECOND) -> tuple[Connection, Connection]:
    made = IsnGenerator(Entropy.of(1))
    listener = Listener(PEER, 80, isn=made)
    client = Connection(US, 4000, PEER, 80, isn=made, counters=Counters())
    client.connect()
    for _ in range(2):
        listener.receive(client.transmit(now), now)
        client.receive(listener.transmit(now), now)
    (accepted,) = listener.events()
    client.events()
    assert isinstance(accepted, Accepted)
    return client, accepted.conn


def test_two_connections_talk() -> None:
    client, server = pair()
    client.send(b"ping")
    server.receive(client.transmit(SECOND), SECOND)
    assert server.events() == [DataReceived(server, 4)]
    assert server.recv(100) == b"ping"
    assert server.recv(100) is None
    server.send(b"pong")
    client.receive(server.transmit(SECOND), SECOND)
    assert client.recv_chunks() == [b"pong"]
    assert client.recv_chunks() == []


def test_send_takes_what_fits() -> None:
    talk = Talk.active(send_buffer=5000)
    assert talk.conn.send(bytes(3000)) == 3000
    assert talk.conn.send(bytes(3000)) == 2000
    assert talk.conn.send(b"") == 0
    assert talk.conn.unsent == 5000
    talk.us(".")
    assert talk.conn.unsent == 4000


def test_send_keeps_bytes_and_copies_what_may_change() -> None:
    talk = Talk.active()
    data = bytes(range(250)) * 20
    talk.conn.send(data)
    changing = bytearray(data)
    talk.conn.send(changing)
    talk.conn.send(memoryview(data)[100:200])
    changing[:] = bytes(5000)
    text = b"".join(said.data for said in talk.all_said())
    assert text == (data + data + data[100:200])[: len(text)]
    assert talk.conn.sender.queue is not None
    assert next(iter(talk.conn.sender.queue)) is data


def test_send_before_the_handshake_is_over() -> None:
    talk = Talk()
    talk.conn.connect()
    talk.conn.send(b"early")
    talk.us("S", seq=0, data=b"")
    talk.silent()
    assert talk.conn.unsent == 5
    talk.peer("S.", seq=0, ack=1, mss=1000)
    talk.us("P.", seq=1, ack=1, data=b"early")


def test_recv_limits() -> None:
    talk = Talk.active()
    talk.peer("F.", seq=1, ack=1, data=b"abcdef")
    assert talk.conn.recv(4) == b"abcd"
    assert talk.conn.pending == 2
    with pytest.raises(StateError):
        talk.conn.recv(0)
    assert talk.conn.recv(4) == b"ef"
    assert talk.conn.recv(4) == b""
    talk.conn.close()
    with pytest.raises(StateError):
        talk.conn.recv(4)


def test_events_come_once_a_batch() -> None:
    talk = Talk.active()
    for seq in (1, 2, 3):
        talk.peer(".", seq=seq, ack=1, data=b"x")
    assert talk.events("DataReceived") == [DataReceived(talk.conn, 3)]
    talk.events()
    talk.peer(".", seq=4, ack=1, data=b"x")
    assert talk.events("DataReceived") == [DataReceived(talk.conn, 4)]
    # who read everything before he drained is not told again
    talk.peer(".", seq=5, ack=1, data=b"x")
    talk.conn.recv(100)
    talk.events()


def test_set() -> None:
    talk = Talk.active()
    shared = talk.conn.options
    talk.conn.set(nodelay=True, send_buffer=4000, receive_buffer=100_000)
    assert talk.conn.options.nodelay
    assert talk.conn.sender.limit == 4000
    assert talk.conn.receiver.limit == 100_000
    assert not shared.nodelay
    with pytest.raises(StateError, match="timestamps, wrong"):
        talk.conn.set(timestamps=False, wrong=1)
    with pytest.raises(StateError):
        talk.conn.set(delayed_ack=SECOND)


def test_shutdown_after_the_end() -> None:
    talk = Talk.active()
    talk.peer("R", seq=1)
    with pytest.raises(ConnectionReset):
        talk.conn.shutdown()


def test_connect_once() -> None:
    talk = Talk.active()
    with pytest.raises(StateError):
        talk.conn.connect()


def test_names() -> None:
    talk = Talk.active()
    assert talk.conn.local == ("10.0.0.1", 4000)
    assert talk.conn.peer == ("10.0.0.2", 80)


def test_info() -> None:
    talk = Talk.active(stamps=True)
    info = talk.conn.info()
    assert info.state is State.ESTABLISHED
    assert (info.timestamps, info.sack) == (True, True)
    assert (info.snd_mss, info.rcv_mss, info.pmtu) == (988, 1460, 1500)
    assert (info.snd_cwnd, info.ca_state) == (9880, "open")


def test_receive_drops_what_is_not_for_it() -> None:
    client, server = pair()
    client.send(b"x")
    (packet,) = client.transmit(SECOND)
    flipped = bytearray(packet.join())
    flipped[16:18] = b"\0\0"
    assert client.counters is not None
    server.counters = counters = Counters()
    server.receive([Packet(bytes(flipped))], SECOND)
    server.receive([Packet(b"short")], SECOND)
    assert counters.as_dict() == {"drop.tcp_bad_checksum": 1, "drop.tcp_malformed": 1}
    other = Connection(US, 4001, PEER, 80, isn=isn())
    other.connect()
    server.receive(other.transmit(SECOND), SECOND)
    assert counters.dropped(DropReason.TCP_NO_SOCKET) == 1
    assert server.pending == 0
    server.receive([packet], SECOND)
    assert server.pending == 1


def test_challenges_are_limited() -> None:
    talk = Talk.active()
    sent = 0
    for _ in range(100):
        talk.peer("R", seq=500)
        sent += len(talk.all_said())
    assert 5 <= sent <= 10
    assert talk.counters.as_dict()["tcp.challenge_ack_limited"] == 100 - sent
    talk.now += 5 * SECOND
    talk.peer("R", seq=500)
    talk.us(".", seq=1, ack=1)


def test_two_ends_that_lost_their_way_stop_talking() -> None:
    client, server = pair()
    client.sender.snd_nxt += 100_000
    client.sender.snd_una += 100_000
    client.sender.queue_end += 100_000
    server.receiver.rcv_adv += 1
    client.owe_ack()
    said = 0
    for _ in range(200):
        packets = client.transmit(SECOND)
        server.receive(packets, SECOND)
        said += len(packets)
        client.receive(server.transmit(SECOND), SECOND)
    assert said < 30


def test_a_copy_goes_on_like_the_original() -> None:
    client, server = pair()
    server.send(bytes(100_000))
    client.receive(server.transmit(SECOND), SECOND)
    client.receive(server.transmit(SECOND)[1:], SECOND)
    twins = [client, copy.deepcopy(client), pickle.loads(pickle.dumps(client))]
    outputs = [[packet.join() for packet in twin.transmit(SECOND)] for twin in twins]
    assert outputs[0] == outputs[1] == outputs[2]
    assert twins[0].recv(200_000) == twins[1].recv(200_000) == twins[2].recv(200_000)
    state = list(client.__getstate__())
    state[0] = 99
    with pytest.raises(StateError):
        Connection.__new__(Connection).__setstate__(tuple(state))  # type: ignore[arg-type]
    listener = Listener(US, 80, isn=isn())
    with pytest.raises(StateError):
        listener.__setstate__((99, {}))


def test_a_closed_connection_is_in_no_cycle() -> None:
    gc.disable()
    try:
        client, server = pair()
        server.send(bytes(10_000))
        client.receive(server.transmit(SECOND), SECOND)
        client.events()
        client.abort()
        client.transmit(SECOND)
        client.events()
        with pytest.raises(StateError):
            client.recv(1)
        with pytest.raises(TypeError):
            weakref.ref(client)
        receiver = weakref_to(client)
        del client
        assert receiver() is None
    finally:
        gc.enable()


class Tracked(Counters):
    """Dies with the connection that alone holds it."""

    __slots__ = ("__weakref__",)


def weakref_to(conn: Connection) -> weakref.ref[Tracked]:
    conn.counters = tracked = Tracked()
    return weakref.ref(tracked)


def test_an_idle_connection_is_small() -> None:
    options = TcpOptions()
    pair()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = []
        for _ in range(50):
            client, server = pair()
            client.send(b"x" * 64)
            server.receive(client.transmit(SECOND), SECOND)
            server.recv(64)
            client.receive(server.transmit(SECOND), SECOND)
            later = SECOND + 50 * MILLISECOND
            server.handle_timeout(later)
            client.receive(server.transmit(later), later)
            client.events(), server.events()
            client.transmit(later), server.transmit(later)
            client.next_timeout(), server.next_timeout()
            client.options = server.options = options
            client.counters = server.listener = None
            kept += [client, server]
        gc.collect()
        size = (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    finally:
        tracemalloc.stop()
    assert size <= 2.5 * 1024
