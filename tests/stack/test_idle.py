"""What connections keep once they wait for nothing."""

from __future__ import annotations

import gc
import tracemalloc

from sansio_net.entropy import Entropy
from sansio_net.packet import Capabilities, Medium
from sansio_net.protocols.tcp import Connection
from sansio_net.stack import Stack
from sansio_net.stack.events import DataReceived
from sansio_net.units import SECOND
from sansio_net.wire.segment import flatten


def host(n: int) -> Stack:
    stack = Stack(seed=Entropy.of(n).bytes(32))
    stack.add_interface(
        addresses=[f"10.0.0.{n}/24"], capabilities=Capabilities(medium=Medium.IP)
    )
    return stack


def talk(client: Stack, server: Stack, now: int) -> None:
    """Until nobody has anything to say; the server echoes."""
    for _ in range(10):
        for one, other in ((client, server), (server, client)):
            one.handle_timeout(now)
            for event in one.events():
                if isinstance(event, DataReceived) and one is server:
                    event.conn.send(event.conn.recv(1 << 10) or b"")
            other.receive([f for p in one.transmit(now, 512) for f in flatten(p)], now)
    for one in (client, server):
        one.next_timeout()


def test_an_idle_connection_that_has_talked_is_small() -> None:
    """With its place in the tables, and whatever it needed while it talked."""
    client, server = host(1), host(2)
    server.tcp_listen(("", 80), backlog=200)
    talk(client, server, SECOND)
    conns: list[Connection] = []

    def meet(n: int, now: int) -> None:
        for _ in range(n):
            conns.append(client.tcp_connect(("10.0.0.2", 80)))
            conns[-1].send(b"x" * 64)
        talk(client, server, now)
        talk(client, server, now + SECOND)
        for conn in conns[-n:]:
            assert conn.recv(1 << 10) == b"x" * 64
        talk(client, server, now + 2 * SECOND)

    meet(10, 2 * SECOND)  # tables and what is kept of hosts
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        meet(100, 9 * SECOND)
        gc.collect()
        size = (tracemalloc.get_traced_memory()[0] - before) / 200
    finally:
        tracemalloc.stop()
    assert client.next_timeout() is None
    assert server.next_timeout() is None
    for conn in (*client.connections(), *server.connections()):
        assert conn.recovery.scoreboard is None
    assert size <= 2.5 * 1024
