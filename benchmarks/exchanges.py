"""What an exchange costs a server inside the process: datagrams echoed, requests
answered, whole connections. Frames over Ethernet, checksums verified and made.
"""

from __future__ import annotations

import time

from sansio_net.addresses import format_mac
from sansio_net.entropy import Entropy
from sansio_net.packet import Packet
from sansio_net.stack import Interface, Stack
from sansio_net.stack.events import DataReceived, EofReceived
from sansio_net.testing.craft import udp_packet
from sansio_net.units import MICROSECOND, SECOND
from sansio_net.wire.segment import flatten

from .memory import exchange

SIZE = 64


def host(n: int) -> tuple[Stack, Interface]:
    stack = Stack(seed=Entropy.of(n).bytes(32))
    return stack, stack.add_interface(addresses=[f"10.0.0.{n}/24"])


def neighbours() -> tuple[Stack, Stack]:
    """A client and a server that know each other's link address."""
    (client, one), (server, other) = host(1), host(2)
    assert one.arp is not None
    assert other.arp is not None
    one.arp.add_static("10.0.0.2", format_mac(other.mac))
    other.arp.add_static("10.0.0.1", format_mac(one.mac))
    exchange(client, server, 0)
    return client, server


def low(costs: list[int]) -> float:
    """The fifth part that was least disturbed ends here."""
    return sorted(costs)[len(costs) // 5]


def cut(packets: list[Packet]) -> list[bytes]:
    return [frame for packet in packets for frame in flatten(packet)]


def udp_echo(batch: int) -> float:
    """Nanoseconds per datagram of 64 bytes that comes and goes back."""
    client, server = neighbours()
    (_, one), (_, other) = client.interfaces(), server.interfaces()
    sock = server.udp_bind(("", 7))
    link = other.mac + one.mac + b"\x08\x00"
    frame = link + udp_packet(("10.0.0.1", 1000), ("10.0.0.2", 7), bytes(SIZE))
    frames, now, costs = [frame] * batch, SECOND, []
    for _ in range(400):
        now += 100 * MICROSECOND
        start = time.process_time_ns()
        server.receive(frames, now)
        server.handle_timeout(now)
        server.events()
        while (datagram := sock.receive()) is not None:
            sock.send_to(datagram.data, datagram.source)
        packets = server.transmit(now)
        server.next_timeout()
        costs.append(time.process_time_ns() - start)
        assert len(packets) == batch
    return low(costs) / batch


def serve(server: Stack, now: int, frames: list[bytes]) -> list[bytes]:
    """A turn of a server that answers what it gets, and closes when its peer does."""
    server.receive(frames, now)
    server.handle_timeout(now)
    for event in server.events():
        if isinstance(event, DataReceived):
            event.conn.send(event.conn.recv(1 << 16) or b"")
        elif isinstance(event, EofReceived):
            event.conn.close()
    packets = server.transmit(now)
    server.next_timeout()
    return cut(packets)


def tcp_echo() -> float:
    """Nanoseconds per request of 64 bytes, its answer of as many with its ACK."""
    client, server = neighbours()
    server.tcp_listen(("", 80))
    conn = client.tcp_connect(("10.0.0.2", 80))
    exchange(client, server, SECOND)
    now, costs, answers = SECOND, [], 0
    for _ in range(400):
        now += 100 * MICROSECOND
        conn.send(bytes(SIZE))
        frames = cut(client.transmit(now))
        start = time.process_time_ns()
        back = serve(server, now, frames)
        costs.append(time.process_time_ns() - start)
        client.receive(back, now)
        client.handle_timeout(now)
        client.events()
        answers += len(conn.recv(1 << 16) or b"")
    assert answers == 400 * SIZE
    return low(costs)


def tcp_connection() -> float:
    """Nanoseconds per connection: SYN, a byte and its echo, both FINs."""
    client, server = neighbours()
    server.tcp_listen(("", 80))
    now, costs = SECOND, []
    for _ in range(200):
        conn = client.tcp_connect(("10.0.0.2", 80))
        conn.send(b"x")
        cost, back = 0, []
        while True:
            now += 20 * MICROSECOND
            client.receive(back, now)
            client.handle_timeout(now)
            client.events()
            if conn.pending:
                conn.recv(1)
                conn.shutdown()
            frames = cut(client.transmit(now))
            if not frames:
                break
            start = time.process_time_ns()
            back = serve(server, now, frames)
            cost += time.process_time_ns() - start
        assert not server.connections()
        costs.append(cost)
    return low(costs)
