"""RFC 9293 3.9.2: between TCP and IP."""

from __future__ import annotations

import pytest

from sansio_net.errors import Unreachable
from sansio_net.protocols.tcp import State
from sansio_net.testing import Script
from sansio_net.testing.craft import ip_packet, tcp_packet, tcp_segment
from sansio_net.wire.ipv4 import PROTO_TCP
from sansio_net.wire.tcp import ACK, PSH, SYN
from tests.conformance.peers import MS, accepted, connected, lost, plain
from tests.conformance.requirements import requirement

RFC = "RFC 9293"

UNREACHABLE, QUENCH, EXCEEDED, PROBLEM = 3, 4, 11, 12

SOFT = [(UNREACHABLE, 0), (UNREACHABLE, 1), (UNREACHABLE, 5)]
SOFT += [(EXCEEDED, 0), (EXCEEDED, 1), (PROBLEM, 0), (PROBLEM, 1), (PROBLEM, 2)]
HARD = [(UNREACHABLE, 2), (UNREACHABLE, 3)]


@requirement(RFC, "MUST-49", "The TTL MUST be configurable")
@pytest.mark.parametrize("ttl", [1, 64, 255])
def test_ttl(ttl: int) -> None:
    t = connected(ttl=ttl)
    t.conn.send(b"x")
    t.us("P.")
    assert t.last is not None
    assert t.last.ttl == ttl
    t.conn.set(ttl=33)
    t.peer(".")
    t.conn.send(b"y")
    t.us("P.")
    assert t.last.ttl == 33


@requirement(RFC, "MUST-50", "MUST ignore IP options that TCP does not understand")
def test_ip_options() -> None:
    t = accepted()
    segment = tcp_segment(
        (t.peer_address, t.peer_port),
        (t.address, t.port),
        seq=t.peer_isn + 1,
        ack=(t.our_isn or 0) + 1,
        flags=ACK | PSH,
        payload=b"text",
    )
    options = b"\x07\x07\x04\x00\x00\x00\x00\x00"  # record route
    options += b"\x44\x0c\x05\x00" + bytes(8)  # time stamp
    t.arrive(ip_packet(t.peer_address, t.address, PROTO_TCP, segment, options=options))
    assert t.conn.recv(10) == b"text"


# ICMP


@requirement(RFC, "MUST-54", "MUST act on ICMP errors, directed to their connection")
def test_an_error_finds_its_connection() -> None:
    t = Script()
    other = t.stack.tcp_connect((t.peer_address, 81), local=(t.address, 81))
    t.us("S")
    t.connect()
    t.us("S")
    t.router(UNREACHABLE, 3)
    assert t.happened() == ["ConnectionLost"]
    assert t.conn.state is State.CLOSED
    assert other.state is State.SYN_SENT


@requirement(RFC, "MUST-55", "MUST silently discard Source Quench")
def test_source_quench() -> None:
    t = connected()
    cwnd = t.conn.congestion.cwnd
    t.conn.send(b"x")
    t.us("P.")
    t.router(QUENCH, 0)
    t.silent()
    assert (t.happened(), t.conn.congestion.cwnd) == ([], cwnd)


@requirement(RFC, "MUST-56", "MUST NOT abort on soft errors")
@requirement(RFC, "SHLD-25", "SHOULD make them available to the application")
@pytest.mark.parametrize(("kind", "code"), SOFT)
def test_soft_errors(kind: int, code: int) -> None:
    t = connected(retries2=1)
    t.conn.send(b"x")
    t.us("P.")
    t.router(kind, code)
    assert t.conn.state is State.ESTABLISHED
    t.wait(1000 * MS)
    assert t.happened()[-1] == "ConnectionLost"
    assert isinstance(lost(t), Unreachable)


@requirement(RFC, "SHLD-26", "SHOULD abort on hard errors")
@pytest.mark.parametrize(("kind", "code"), HARD)
def test_hard_errors_while_opening(kind: int, code: int) -> None:
    t = Script()
    t.connect()
    t.us("S")
    t.router(kind, code)
    assert t.happened() == ["ConnectionLost"]


@requirement(RFC, "SHLD-26", "SHOULD abort on hard errors")
@pytest.mark.parametrize(("kind", "code"), HARD)
def test_hard_errors_of_a_connection_that_stands_are_soft(kind: int, code: int) -> None:
    t = connected()
    t.conn.send(b"x")
    t.us("P.")
    t.router(kind, code)
    assert t.conn.state is State.ESTABLISHED


@requirement(RFC, "MUST-54", "MUST act on ICMP errors, directed to their connection")
@requirement(RFC, "MUST-56", "MUST NOT abort on soft errors")
@pytest.mark.parametrize(("kind", "code"), [(1, 0), (1, 3), (3, 0), (4, 0), (4, 1)])
def test_soft_errors_of_icmpv6(kind: int, code: int) -> None:
    t = Script(us="fd00::2/64", peer="fd00::1", options=plain(retries2=1))
    t.connect()
    t.us("S")
    t.peer("S.")
    t.us(".")
    t.conn.send(b"x")
    t.us("P.")
    t.router(kind, code)
    assert t.conn.state is State.ESTABLISHED
    t.wait(1000 * MS)
    assert isinstance(lost(t), Unreachable)


# Addresses


def syn(t: Script, source: str, destination: str) -> bytes:
    return tcp_packet((source, 4000), (destination, t.port), flags=SYN)


@requirement(RFC, "MUST-63", "A SYN from an invalid address MUST be ignored")
@pytest.mark.parametrize(
    "source", ["255.255.255.255", "224.0.0.1", "127.0.0.1", "10.0.0.255", "10.0.0.2"]
)
def test_a_syn_from_nowhere(source: str) -> None:
    t = Script()
    listener = t.listen()
    t.arrive(syn(t, source, t.address))
    t.silent()
    assert listener.half_open == 0


@requirement(RFC, "MUST-57", "MUST silently discard a SYN to a broadcast or multicast")
@pytest.mark.parametrize("to", ["255.255.255.255", "10.0.0.255", "224.0.0.1"])
def test_a_syn_to_everybody(to: str) -> None:
    t = Script()
    listener = t.listen()
    t.arrive(syn(t, t.peer_address, to))
    t.silent()
    assert listener.half_open == 0
