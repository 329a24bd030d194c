"""What a stack does for strangers, and for connections that nobody waits for."""

from __future__ import annotations

from sansio_net.entropy import Entropy
from sansio_net.protocols.tcp import State, TcpOptions
from sansio_net.stack import StackConfig
from sansio_net.units import SECOND
from sansio_net.wire.tcp import ACK, RST, SYN, parse_tcp

from .bench import Bench, ethernet, tcp_packet

MSS = b"\x02\x04\x05\xb4"


def test_resets_for_no_connection_are_limited() -> None:
    bench = Bench(StackConfig(resets_per_second=20))
    bench.settle(ethernet(tcp_packet(1, 9, 0, 0, ACK)))
    answers = 0
    for port in range(1, 200):
        answers += len(bench.settle(ethernet(tcp_packet(port, 9, 0, 0, SYN))))
    assert 14 <= answers < 20
    assert bench.stack.counters()["tcp.resets_limited"] == 199 - answers
    bench.now += SECOND
    (reset,) = bench.settle(ethernet(tcp_packet(1, 9, 0, 0, SYN)))
    assert parse_tcp(reset, 34).flags == RST | ACK


def test_orphans_are_bounded() -> None:
    bench = Bench(StackConfig(max_orphans=2))
    connections = [bench.established() for _ in range(4)]
    for connection in connections:
        connection.close()
    flags = [parse_tcp(frame, 34).flags for frame in bench.settle()]
    assert sum(bool(each & RST) for each in flags) == 2
    assert [each.state for each in connections] == [
        State.FIN_WAIT_1,
        State.FIN_WAIT_1,
        State.CLOSED,
        State.CLOSED,
    ]
    assert bench.stack.counters()["tcp.orphans_refused"] == 2
    assert bench.kinds()[-2:] == ["Closed", "Closed"]
    # the first two are gone: there is room again
    bench.wait(300 * SECOND)
    assert len(bench.stack.orphans) == 0
    another = bench.established()
    another.close()
    assert another.state is State.FIN_WAIT_1


def test_a_stack_that_closes_resets_nobody_for_that() -> None:
    bench = Bench(StackConfig(max_orphans=1))
    connections = [bench.established() for _ in range(4)]
    bench.stack.close(SECOND)
    assert {each.state for each in connections} == {State.FIN_WAIT_1}


def test_guesses_under_a_flood_open_nothing() -> None:
    bench = Bench()
    bench.stack.tcp_listen(("", 80), options=TcpOptions(max_half_open=0))
    bench.settle(ethernet(tcp_packet(9, 80, 0, 0, SYN, options=MSS)))
    dice = Entropy.of(6)
    for n in range(2000):
        guess = tcp_packet(1 + n, 80, dice.below(1 << 32), dice.below(1 << 32), ACK)
        bench.turn(ethernet(guess))
    assert bench.stack.connections() == []
    assert bench.stack.counters()["tcp.syn_cookies_failed"] == 2000
