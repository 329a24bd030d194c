"""``python -m benchmarks.micro``: the cost of a packet inside the process, no device.

Nanoseconds of CPU time per packet, the best of several rounds: the least that the
machine can do, whoever else uses it. ``--save FILE`` keeps the figures, ``--compare
FILE`` shows them beside; ``--only WORD`` runs the lines that begin with it.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from sansio_net.addresses import mask_ip
from sansio_net.packet import Packet
from sansio_net.protocols.tcp import Connection
from sansio_net.stack import Stack, StackConfig
from sansio_net.stack.routes import Route, RouteTable
from sansio_net.testing.craft import udp_packet
from sansio_net.units import MICROSECOND, SECOND
from sansio_net.wire.icmp import build_icmp
from sansio_net.wire.ipv4 import build_ipv4, parse_ipv4
from sansio_net.wire.segment import flatten
from sansio_net.wire.tcp import parse_tcp

from . import codecs
from .exchanges import tcp_connection, tcp_echo, udp_echo
from .memory import exchange, stack_pair

ROUNDS = 7
BATCH = 64
BY_HAND = "struct code by hand"


def best(run: Callable[[], int]) -> float:
    """The least nanoseconds per packet of several rounds; `run` says how many."""
    costs = []
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        packets = run()
        costs.append((time.process_time_ns() - start) / packets)
    return min(costs)


def connected() -> tuple[Stack, Stack, Connection]:
    one, other = stack_pair()
    other.tcp_listen(("", 80))
    conn = one.tcp_connect(("10.0.0.2", 80))
    exchange(one, other, SECOND)
    return one, other, conn


def parse() -> Callable[[], int]:
    """The headers of a full segment as one of our connections sends it."""
    one, _, conn = connected()
    conn.send(bytes(1460))
    packet = flatten(one.transmit(SECOND)[0])[0]

    def run() -> int:
        n = 2_000
        for _ in range(n):
            header = parse_ipv4(packet)
            parse_tcp(packet, header.header_length, header.total_length)
        return n

    return run


def echo() -> Callable[[], int]:
    """An echo request in, its reply out, 64 in a batch."""
    _, other = stack_pair()
    message = build_icmp(8, 0, bytes(4), bytes(56))
    header = build_ipv4(b"\n\0\0\1", b"\n\0\0\2", 1, len(message))
    request = header + message
    now = SECOND

    def run() -> int:
        nonlocal now
        answered = 0
        for _ in range(20):
            now += MICROSECOND
            other.receive([request] * BATCH, now)
            other.handle_timeout(now)
            other.events()
            answered += len(other.transmit(now))
        return answered

    return run


def transfer(size: int) -> tuple[float, float, float]:
    """Nanoseconds per segment to send it and take its ACK, to cut and sum it for a
    plain device, to receive it and make the ACK; `size` bytes are sent each turn."""
    rounds = [one_transfer(size) for _ in range(ROUNDS)]
    sending, cutting, receiving = map(min, zip(*rounds, strict=True))
    return sending, cutting, receiving


def one_transfer(size: int) -> tuple[float, float, float]:
    one, other, conn = connected()
    conn.set(nodelay=True)
    peer = other.connections()[0]
    data = bytes(size)
    now = SECOND
    sending = receiving = cutting = 0
    segments = 0
    clock = time.process_time_ns
    for _ in range(100):
        now += 100 * MICROSECOND
        conn.send(data)
        t0 = clock()
        one.handle_timeout(now)
        one.events()
        packets = one.transmit(now)
        t1 = clock()
        frames = [Packet.received(f) for p in packets for f in flatten(p)]
        t2 = clock()
        other.receive(frames, now)
        other.handle_timeout(now)
        other.events()
        peer.recv_chunks()
        answers = other.transmit(now)
        t3 = clock()
        one.receive([f for p in answers for f in flatten(p)], now)
        t4 = clock()
        sending += t1 - t0 + t4 - t3
        cutting += t2 - t1
        receiving += t3 - t2
        segments += len(frames)
    return sending / segments, cutting / segments, receiving / segments


def table_of(n: int, size: int) -> tuple[RouteTable, list[Route], list[bytes]]:
    """`n` routes with prefix lengths as the Internet's tables have them, and addresses
    most of which match one."""
    dice, nic = Random(n), Stack(seed=bytes(32)).lo
    least, usual, most = (8, 24, 24) if size == 4 else (19, 48, 64)
    space = 1 << 16 if size == 4 else 1 << 13  # first bits in use
    table, routes, seen = RouteTable(), [], set()
    while len(routes) < n:
        length = usual if dice.random() < 0.6 else dice.randint(least, most)
        first = dice.randrange(space)
        value = (first << 112 | dice.getrandbits(112)) >> 128 - size * 8
        network = mask_ip(value.to_bytes(size, "big"), length)
        if (network, length) not in seen:
            seen.add((network, length))
            routes.append(Route(network, length, nic, network))
    for route in routes:
        table.add(route)
    looked_for = [
        (
            int.from_bytes(route.network, "big")
            | dice.getrandbits(size * 8 - route.prefixlen)
        ).to_bytes(size, "big")
        for route in dice.choices(routes, k=10_000)
    ]
    return table, routes, looked_for


def routing(n: int, size: int) -> tuple[float, float, float]:
    """Nanoseconds per look-up, and per route added to and taken from so many."""
    table, routes, looked_for = table_of(n, size)

    def look_up() -> int:
        for address in looked_for:
            table.lookup(address)
        return len(looked_for)

    some = routes[: min(n, 2_000)]
    costs: dict[Callable[[Route], None], list[float]] = {
        table.forget: [],
        table.add: [],
    }
    for _ in range(ROUNDS):
        for change, spent in costs.items():
            start = time.process_time_ns()
            for route in some:
                change(route)
            spent.append((time.process_time_ns() - start) / len(some))
    removing, adding = map(min, costs.values())
    return best(look_up), adding, removing


def forwarding(size: int, length: int, destinations: int) -> float:
    """Nanoseconds per datagram of `length` bytes that a router passes on, 64 a turn."""
    stack = Stack(StackConfig(forward=True), bytes(32))
    nics = [
        stack.add_interface(addresses=[f"10.{n}.0.1/16", f"fd00:{n}::1/64"], dad=False)
        for n in range(2)
    ]
    if size == 4:
        cache, via, source, network = nics[1].arp, "10.1.0.2", "10.0.0.2", 203 << 24
    else:
        cache, via, source = nics[1].ndp, "fd00:1::2", "fd00:0::2"
        network = 0x3FFF << 112
    assert cache is not None
    cache.add_static(via, "02:00:00:00:00:02")
    stack.add_route("default", via=via, nic=nics[1])
    to = [(network + n).to_bytes(size, "big") for n in range(1, destinations + 1)]
    link = nics[0].mac + bytes(6) + (b"\x08\x00" if size == 4 else b"\x86\xdd")
    frames = [
        link + udp_packet((source, 1), (to[n % len(to)], 2), bytes(length))
        for n in range(max(BATCH, destinations))
    ]
    batches = [frames[at : at + BATCH] for at in range(0, len(frames), BATCH)]
    turns = [*batches] * max(1, 64 // len(batches))

    def run() -> int:
        passed, now = 0, SECOND
        for batch in turns:
            now += MICROSECOND
            nics[0].receive(batch, now)
            stack.handle_timeout(now)
            stack.events()
            passed += len(nics[1].transmit(now))
        assert passed >= sum(map(len, turns)), (passed, stack.counters())
        return passed

    stack.handle_timeout(0)
    for nic in nics:
        nic.transmit(0)
    return best(run)


Costs = Callable[[], "tuple[float, ...]"]


def lines() -> Iterator[tuple[tuple[str, ...], Costs]]:
    """What each measurement is called, and how it is made."""
    yield ("parse IPv4 and TCP headers of a full segment",), lambda: (best(parse()),)
    for what in ("parse", "build"):
        for payload in codecs.PAYLOADS:
            name = f"{what} Ethernet, IPv4 and TCP, {payload} B"
            yield (
                (name, f"{name}: {BY_HAND}"),
                lambda what=what, payload=payload: codecs.compare(what, payload),
            )
    yield ("echo request in, reply out, 64 a turn",), lambda: (best(echo()),)
    for batch in (32, 1):
        name = f"UDP echo, 64 B, {batch} a turn"
        yield (name,), lambda batch=batch: (udp_echo(batch),)
    yield ("TCP request and response, 64 B",), lambda: (tcp_echo(),)
    yield ("TCP connection, SYN to FIN, a byte echoed",), lambda: (tcp_connection(),)
    for what, size in (("64 B, one a turn", 64), ("1448 B, 64 a turn", 64 * 1448)):
        names = (
            f"TCP segment, {what}: sent, its ACK taken",
            f"TCP segment, {what}: cut, checksum",
            f"TCP segment, {what}: received, ACK made",
        )
        yield names, lambda size=size: transfer(size)
    for family, size in (("IPv4", 4), ("IPv6", 16)):
        for length, n in ((64, 1), (1400, 1), (64, 10_000)):
            where = "one host" if n == 1 else f"{n:,} hosts"
            args = size, length, n
            names = (f"{family} datagram passed on, {length} B, {where}",)
            yield names, lambda args=args: (forwarding(*args),)
        for n in (10, 1_000, 100_000):
            names = (
                f"{family} routes, {n:,}: look-up",
                f"{family} routes, {n:,}: one more",
                f"{family} routes, {n:,}: one less",
            )
            yield names, lambda n=n, size=size: routing(n, size)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.micro")
    parser.add_argument("--save", type=Path, metavar="FILE")
    parser.add_argument("--compare", type=Path, metavar="FILE")
    parser.add_argument("--only", default="", metavar="WORD")
    asked = parser.parse_args()
    before = json.loads(asked.compare.read_text()) if asked.compare else {}
    found = {}
    for names, measure in lines():
        if not names[0].startswith(asked.only):
            continue
        gc.collect()
        gc.disable()
        costs = measure()
        gc.enable()
        for name, cost in zip(names, costs, strict=True):
            found[name] = round(cost)
            was = f"{before[name]:>9,} ns before" if name in before else ""
            print(f"{name:<60}{cost:>9,.0f} ns{was}", flush=True)
        if names[-1].endswith(BY_HAND):
            ratio = costs[0] / costs[1]
            print(
                f"{'':<4}{ratio:.2f} times as much; target at 1460 B: {codecs.TARGET}"
            )
    if asked.save:
        asked.save.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
