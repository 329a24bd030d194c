"""LAND (CVE-1999-0016), 1997.

Elsewhere: a SYN from a host's own address and port to itself made Windows, BSD and
routers answer themselves until they froze; again in Windows XP SP2 (CVE-2005-0688).

Here: a packet from outside with one of our own addresses is dropped and counted before
TCP sees it; a connection to oneself is a simultaneous open that comes to rest.
"""

from __future__ import annotations

import pytest

from sansio_net.testing.craft import tcp_packet
from sansio_net.wire.tcp import ACK, SYN

from .arena import PORT, VICTIM, Arena


@pytest.mark.parametrize("source", [VICTIM, "127.0.0.1", "10.255.255.255", "224.0.0.1"])
@pytest.mark.parametrize("flags", [SYN, SYN | ACK, ACK])
def test_from_an_address_that_nobody_outside_has(source: str, flags: int) -> None:
    arena = Arena()
    listener = arena.listen()
    for port in (PORT, 4000):
        packet = tcp_packet((source, port), (VICTIM, PORT), flags=flags, seq=7)
        assert arena.turn(packet) == []
    assert arena.count("drop.ip_bad_source") == 2
    assert listener.pending == 0
    assert arena.stack.next_timeout() is None


def test_a_connection_to_oneself_comes_to_rest() -> None:
    """Same address and port on both sides: its SYN crosses itself."""
    arena = Arena()
    conn = arena.stack.tcp_connect((VICTIM, 7000), local=(VICTIM, 7000))
    assert arena.wait(10**9) == []
    assert arena.told() == ["Connected"]
    conn.send(b"echo")
    arena.wait(10**9)
    assert conn.recv(100) == b"echo"
    conn.close()
    arena.wait(200 * 10**9)
    assert arena.stack.connections() == []
