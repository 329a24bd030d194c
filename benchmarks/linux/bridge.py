"""A `Link` between two interfaces: what one sends reaches the other, as it would.

``python -m benchmarks.linux.bridge ONE OTHER SEED LOSS [CONDITION=NUMBER...]``, in the
namespace of both; on SIGTERM it prints a line of JSON: what became of the packets, and
which TCP segments were dropped.
"""

from __future__ import annotations

import json
import select
import signal
import sys
import time
from dataclasses import asdict
from typing import Any, Final

from sansio_net.drivers.descriptor import Offload
from sansio_net.drivers.rawsock import RawSocketDevice
from sansio_net.packet import Packet
from sansio_net.testing.link import Link
from sansio_net.units import SECOND
from sansio_net.wire.ethernet import ETHERTYPE_IPV4
from sansio_net.wire.ipv4 import PROTO_TCP

RATE: Final = 50_000_000
RTT: Final = 20_000_000
FRAME: Final = 1514
MASK: Final = 0xFFFFFFFF
QUEUE: Final = RATE // 8 * RTT // SECOND // FRAME
"""A bandwidth-delay product, in packets."""


def make_link(seed: int, loss: str, **more: int) -> Link:
    link = Link(
        seed, latency=RTT // 2, rate=RATE, queue=QUEUE, queue_bytes=1 << 24, loss=loss
    )
    link.set(None, **more)
    return link


class Drops:
    """The TCP segments that did not get through, and whether they went again."""

    def __init__(self) -> None:
        self._dropped: list[tuple[tuple[int, bytes], dict[str, Any]]] = []
        self._highest: dict[tuple[int, bytes], int] = {}

    def entered(self, end: int, frame: bytes, fate: str) -> None:
        if len(frame) < 54 or int.from_bytes(frame[12:14], "big") != ETHERTYPE_IPV4:
            return
        at = 14 + (frame[14] & 15) * 4
        if frame[23] != PROTO_TCP or len(frame) < at + 20:
            return
        total = int.from_bytes(frame[16:18], "big")
        size = total + 14 - at - (frame[at + 12] >> 4) * 4
        seq = int.from_bytes(frame[at + 4 : at + 8], "big")
        flow = (end, frame[at : at + 4])
        highest = self._highest.get(flow, seq)
        # differences, since numbers wrap
        again = size > 0 and ((seq - highest) & MASK) >= 1 << 31
        if size > 0 and not again:
            self._highest[flow] = (seq + size) & MASK
        if fate not in ("carried", ""):
            drop = {"why": fate, "seq": seq, "size": size, "again": again}
            self._dropped.append((flow, drop))

    def report(self, end: int) -> list[dict[str, Any]]:
        """`left`: how much of the stream lies behind the segment."""
        return [
            drop
            | {"left": self._highest.get(flow, 0) - drop["seq"] - drop["size"] & MASK}
            for flow, drop in self._dropped
            if flow[0] == end
        ]


class Bridge:
    def __init__(self, names: tuple[str, str], link: Link) -> None:
        self.link = link
        self.link.trace = []
        self.devices = tuple(
            RawSocketDevice(name, offload=Offload.NONE) for name in names
        )
        self.drops = Drops()
        self.latest = 0
        self.going = True

    def run(self) -> None:
        files = [device.fileno() for device in self.devices]
        while self.going:
            due = self.link.next_timeout()
            now = time.monotonic_ns()
            wait = 0.5 if due is None else min(max(0, due - now) / SECOND, 0.5)
            if not any(device.readable() for device in self.devices):
                select.select(files, (), (), wait)
            self.turn(time.monotonic_ns())

    def turn(self, now: int) -> None:
        for end, device in enumerate(self.devices):
            self.take(end, device.receive(now), now)
        due = self.link.next_timeout()
        if due is not None and due and now - due > self.latest:
            self.latest = now - due
        while arrived := self.link.transmit(now):
            for end, packet in arrived:
                self.devices[end].send([packet], now)

    def take(self, end: int, packets: list[Packet], now: int) -> None:
        trace = self.link.trace
        assert trace is not None
        for packet in packets:
            self.link.receive([(end, packet)], now)
            for _, _, _, _, fate, _ in trace:
                self.drops.entered(end, packet.join(), str(fate))
            trace.clear()

    def report(self) -> dict[str, Any]:
        return {
            "counts": [asdict(self.link.counts(end)) for end in (0, 1)],
            "drops": [self.drops.report(end) for end in (0, 1)],
            "latest": self.latest,
        }


def main(one: str, other: str, seed: str, loss: str, *conditions: str) -> None:
    named = (condition.split("=") for condition in conditions)
    more = {name: int(number) for name, number in named}
    bridge = Bridge((one, other), make_link(int(seed), loss, **more))

    def stop(*_: object) -> None:
        bridge.going = False

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    print("ready", flush=True)
    bridge.run()
    print(json.dumps(bridge.report()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
