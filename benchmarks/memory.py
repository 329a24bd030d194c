"""What an idle connection costs: thousands established between two stacks in memory."""

from __future__ import annotations

import gc
import sys
import tracemalloc

from sansio_net.entropy import Entropy
from sansio_net.packet import Capabilities, Medium, Packet
from sansio_net.stack import Stack
from sansio_net.units import SECOND
from sansio_net.wire.segment import flatten


def stack_pair() -> tuple[Stack, Stack]:
    """Two stacks that carry bare IP packets."""
    stacks = []
    for n in (1, 2):
        stack = Stack(seed=Entropy.of(n).bytes(32))
        capabilities = Capabilities(medium=Medium.IP)
        stack.add_interface(addresses=[f"10.0.0.{n}/24"], capabilities=capabilities)
        stacks.append(stack)
    return stacks[0], stacks[1]


def exchange(one: Stack, other: Stack, now: int) -> None:
    """Carry packets both ways until neither has any."""
    quiet = False
    while not quiet:
        quiet = True
        for source, target in ((one, other), (other, one)):
            source.handle_timeout(now)
            source.events()
            packets = source.transmit(now)
            if packets:
                quiet = False
                frames = [Packet.received(f) for p in packets for f in flatten(p)]
                target.receive(frames, now)


def idle_connection_bytes(n: int) -> float:
    """Bytes of one end of an established connection, tables and all."""
    one, other = stack_pair()
    other.tcp_listen(("", 80), backlog=512)
    now = SECOND
    exchange(one, other, now)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for start in range(0, n, 256):
        for _ in range(min(256, n - start)):
            one.tcp_connect(("10.0.0.2", 80))
        exchange(one, other, now)
        # what an ACK owes is sent, and then nothing is left to do
        now += SECOND
        exchange(one, other, now)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    established = [
        conn
        for stack in (one, other)
        for conn in stack.connections()
        if conn.state.name == "ESTABLISHED"
    ]
    if len(established) != 2 * n:
        raise RuntimeError(f"{len(established)} of {2 * n} ends established")
    del established
    return (after - before) / (2 * n)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(f"{idle_connection_bytes(count):,.0f} bytes per end of {count} connections")
