"""RFC 5927 4 to 7: ICMP errors that anybody can send."""

from __future__ import annotations

import pytest

from sansio_net.protocols.tcp import State
from sansio_net.testing import Script
from tests.conformance.peers import MS, connected, plain
from tests.conformance.requirements import requirement

RFC = "RFC 5927"


def busy() -> Script:
    """Two segments in flight, the first of them seen last; one acknowledged."""
    t = connected(mss=1460)
    t.conn.send(bytes(1460))
    t.us("P.")
    t.peer(".")
    t.conn.send(bytes(2920))
    t.us(".")
    t.sent()
    return t


@requirement(RFC, "4.1-1", "What is quoted has to be in flight")
@pytest.mark.parametrize("seq", [-5000, 1, 4381, 1 << 30])
def test_a_guessed_sequence_number(seq: int) -> None:
    t = Script(options=plain())
    t.connect()
    t.us("S")
    assert t.last is not None
    syn = bytearray(t.last.packet)
    syn[24:28] = ((t.our_isn or 0) + seq).to_bytes(8, "big", signed=True)[4:]
    t.router(3, 3, about=bytes(syn))
    assert t.conn.state is State.SYN_SENT
    assert t.stack.counters()["drop.icmp_not_concerning"] == 1
    t.router(3, 3)
    assert t.conn.state is State.CLOSED


@requirement(RFC, "5.2-1", "Hard errors are soft for connections that stand")
@pytest.mark.parametrize("code", [2, 3])
def test_a_blind_connection_reset(code: int) -> None:
    t = busy()
    t.router(3, code)
    assert t.conn.state is State.ESTABLISHED
    assert t.happened() == []


@requirement(RFC, "6.2-1", "Source Quench is ignored")
def test_a_blind_throughput_reduction() -> None:
    t = busy()
    cwnd = t.conn.congestion.cwnd
    t.router(4, 0)
    assert t.conn.congestion.cwnd == cwnd


@requirement(RFC, "7.2-1", "Too Big: at once for sizes that never were acknowledged")
def test_a_path_that_is_not_known_yet() -> None:
    t = connected(mss=1460)
    t.conn.send(bytes(1460))
    t.us("P.")
    t.router(3, 4, mtu=1000)
    assert {len(seen.packet) for seen in t.sent()} == {1000, 540}


@requirement(RFC, "7.2-2", "Too Big: else only once what it quotes has timed out")
def test_a_blind_performance_attack() -> None:
    t = busy()
    t.router(3, 4, mtu=600)
    t.silent()
    assert t.conn.info().pmtu == 1500
    t.wait(300 * MS)
    assert t.conn.info().pmtu == 600


@requirement(RFC, "7.2-3", "Too Big: an ACK of what it quotes clears the claim")
def test_a_claim_that_progress_refutes() -> None:
    t = busy()
    t.router(3, 4, mtu=600)
    t.peer(".")
    t.conn.send(bytes(1460))
    t.sent()
    t.wait(300 * MS)
    assert t.conn.info().pmtu == 1500


@requirement(RFC, "7.2-4", "Too Big: an MTU larger than what was sent is discarded")
def test_a_claim_that_cannot_be() -> None:
    t = connected(mss=1460)
    t.conn.send(bytes(100))
    t.us("P.")
    t.router(3, 4, mtu=1400)
    t.wait(300 * MS)
    assert t.conn.info().pmtu == 1500
