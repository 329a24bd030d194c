from __future__ import annotations

from itertools import pairwise

import pytest

from sansio_net.entropy import Entropy
from sansio_net.errors import AddressInUseError
from sansio_net.protocols.tcp import State, TcpOptions
from sansio_net.stack import StackConfig
from sansio_net.stack.ports import STRIDE, EphemeralPorts
from sansio_net.units import SECOND
from sansio_net.wire.tcp import ACK, FIN, SYN, parse_tcp
from sansio_net.wire.tcp_options import build_tcp_options

from .bench import PEER, US, Bench, ethernet, tcp_packet

FREE = 2


def ports(seed: int = 1, first: int = 1000, last: int = 1999) -> EphemeralPorts:
    return EphemeralPorts(first, last, Entropy.of(seed))


def towards(made: EphemeralPorts, n: int, rport: int = 80) -> list[int]:
    return [made.towards(US, PEER, rport, lambda port: FREE) for _ in range(n)]


def test_a_port_comes_back_only_after_a_round() -> None:
    """RFC 6056 3.3.4."""
    taken = towards(ports(), 3000)
    assert min(taken) >= 1000
    assert max(taken) <= 1999
    steps = [(b - a) % 1000 for a, b in pairwise(taken)]
    assert set(steps) == set(range(1, STRIDE + 1))
    for n in range(0, 3000 - 1000 // STRIDE, 97):
        ahead = taken[n : n + 1000 // STRIDE]
        assert len(set(ahead)) == len(ahead)


def test_destinations_and_stacks_have_ways_of_their_own() -> None:
    made = ports()
    firsts = {towards(made, 1, rport)[0] for rport in range(1, 200)}
    assert len(firsts) > 150
    assert towards(ports(1), 1) != towards(ports(2), 1)


def test_what_one_destination_sees_says_nothing_about_another() -> None:
    """Connections elsewhere leave gaps in at most one of 256 sequences."""
    quiet, busy = ports(), ports()
    for rport in range(1000, 1100):
        towards(busy, 1, rport)
    apart = [
        (a - b) % 1000 for a, b in zip(towards(quiet, 5), towards(busy, 5), strict=True)
    ]
    assert all(each < 50 or each > 950 for each in apart)


def test_the_second_choice_and_none() -> None:
    made = ports(first=10, last=19)
    assert made.towards(US, PEER, 80, lambda port: 2 * (port == 13)) == 13
    assert made.towards(US, PEER, 80, lambda port: int(port == 14)) == 14
    assert made.towards(US, PEER, 80, lambda port: 1 + (port == 15)) == 15
    with pytest.raises(AddressInUseError):
        made.towards(US, PEER, 80, lambda port: 0)
    with pytest.raises(AddressInUseError):
        made.random(lambda port: False)
    assert made.random(lambda port: port == 17) == 17


def stamps(ts_val: int, ts_ecr: int = 0) -> bytes:
    return build_tcp_options(ts_val=ts_val, ts_ecr=ts_ecr)


def finished(bench: Bench, *, stamped: bool) -> tuple[int, int]:
    """A connection of ours in TIME-WAIT: its port and its last sequence number."""
    options = TcpOptions(timestamps=stamped)
    connection = bench.stack.tcp_connect(("10.0.0.1", 80), options=options)
    (syn,) = bench.settle()
    header = parse_tcp(syn, 34)
    lport = header.source_port
    extra = stamps(5) if stamped else b""

    def peer(seq: int, ack: int, flags: int) -> list[bytes]:
        ack = (header.seq + ack) % 2**32
        packet = tcp_packet(80, lport, seq, ack, flags, options=extra)
        return bench.settle(ethernet(packet))

    peer(1000, 1, SYN | ACK)
    connection.close()
    bench.settle()
    peer(1001, 2, FIN | ACK)
    assert connection.state is State.TIME_WAIT
    return lport, header.seq + 2


ONE_PORT = StackConfig(ephemeral_ports=(40_000, 40_000))


def test_a_connect_takes_the_place_of_time_wait_where_stamps_tell_them_apart() -> None:
    """RFC 6191, seen from the end that opens."""
    bench = Bench(ONE_PORT)
    lport, last = finished(bench, stamped=True)
    assert len(bench.stack.time_wait) == 1
    again = bench.stack.tcp_connect(("10.0.0.1", 80))
    assert again.local[1] == lport == 40_000
    assert len(bench.stack.time_wait) == 0
    (syn,) = bench.settle()
    iss = parse_tcp(syn, 34).seq
    assert 0 < (iss - last) % 2**32 < 2**31
    assert bench.stack.counters()["tcp.time_wait_reused"] == 1


@pytest.mark.parametrize(("before", "after"), [(False, True), (True, False)])
def test_without_stamps_time_wait_keeps_its_port(before: bool, after: bool) -> None:
    bench = Bench(ONE_PORT)
    lport, _ = finished(bench, stamped=before)
    options = TcpOptions(timestamps=after)
    with pytest.raises(AddressInUseError):
        bench.stack.tcp_connect(("10.0.0.1", 80), options=options)
    with pytest.raises(AddressInUseError):
        bench.stack.tcp_connect(("10.0.0.1", 80), local=("", lport), options=options)
    bench.wait(61 * SECOND)
    assert len(bench.stack.time_wait) == 0
    assert bench.stack.tcp_connect(("10.0.0.1", 80), options=options)


def test_a_free_port_is_better_than_one_in_time_wait() -> None:
    bench = Bench(StackConfig(ephemeral_ports=(40_000, 40_003)))
    used = finished(bench, stamped=True)[0]
    taken = [bench.stack.tcp_connect(("10.0.0.1", 80)).local[1] for _ in range(4)]
    assert sorted(taken) == [40_000, 40_001, 40_002, 40_003]
    assert taken[3] == used


def test_listeners_that_are_closed_are_forgotten() -> None:
    """Also those of ports that nobody asks for again."""
    bench = Bench()
    stack = bench.stack
    kept = [stack.tcp_listen(("", 0)) for _ in range(5)]
    for _ in range(500):
        stack.tcp_listen(("", 0)).close()
    assert len(stack.socket_table.listeners) <= 2 * len(kept) + 16
    assert len(stack.sockets()) == len(kept)
