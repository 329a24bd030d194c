"""A recording of interfaces that share a device replays byte for byte."""

from __future__ import annotations

import io
from collections.abc import Sequence

from sansio_net.capture import Recording, replay
from sansio_net.drivers import Device, Trunk, arrivals, memory_pair, turn
from sansio_net.machine import earliest
from sansio_net.stack import Accepted, DataReceived, Interface, Stack
from sansio_net.testing import Link
from sansio_net.units import SECOND

VLANS = (7, 8)
DATA = bytes(range(256)) * 100


class Host:
    """On both VLANs; `dials` the other one on each, else takes and sends back."""

    def __init__(self, number: int, dials: bool) -> None:
        self.stack = Stack(seed=bytes([number]) * 32)
        self.nics: list[Interface] = [
            self.stack.add_interface(
                f"eth0.{vlan}", addresses=[f"10.0.{vlan}.{number}/24"], vlan=vlan
            )
            for vlan in VLANS
        ]
        self.got: dict[str, bytes] = {}
        if dials:
            for vlan in VLANS:
                self.stack.tcp_connect((f"10.0.{vlan}.2", 7)).send(DATA)
        else:
            self.stack.tcp_listen(("", 7))

    def app(self, events: Sequence[object], now: int) -> bool:
        for event in events:
            if isinstance(event, DataReceived):
                data = event.conn.recv(1 << 20) or b""
                host = event.conn.peer[0]
                self.got[host] = self.got.get(host, b"") + data
                if event.conn.listener is not None:
                    event.conn.send(data)
            elif isinstance(event, Accepted):
                self.got[event.conn.peer[0]] = b""
        return False


def test_two_vlans_of_one_device() -> None:
    client, server = Host(1, dials=True), Host(2, dials=False)
    file = io.BytesIO()
    now = SECOND
    with Recording(file) as recording:
        clock = recording.clock(lambda: now)
        worlds: list[tuple[Host, dict[Interface, Device]]] = []
        link = Link(1, loss="5%", latency="5ms")
        for host, end in zip((client, server), memory_pair(link), strict=True):
            trunk = Trunk(end)
            ports: list[Device] = [trunk.port(vlan) for vlan in VLANS]
            devices = dict(zip(host.nics, ports, strict=True))
            if host is client:
                devices = {n: recording.device(d, n) for n, d in devices.items()}
            worlds.append((host, devices))
        for _ in range(20_000):
            clock()
            for host, devices in worlds:
                turn(host.stack, devices, arrivals(devices, (), now), now, host.app)
            if all(client.got.get(f"10.0.{vlan}.2") == DATA for vlan in VLANS):
                break
            due = earliest(
                *(host.stack.next_timeout() for host, _ in worlds),
                *(d.next_timeout() for _, ports_ in worlds for d in ports_.values()),
            )
            assert due is not None
            now = max(now, due)
        else:
            raise AssertionError(client.got.keys())
    twin = Host(1, dials=True)
    done = replay(file.getvalue(), twin.stack, twin.nics, twin.app)
    assert done.difference is None
    assert twin.got == client.got
    assert {one.nic for one in done.sent} == {"eth0.7", "eth0.8"}
