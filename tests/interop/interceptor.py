"""A router that answers for port 80 of everybody, and passes on the rest.

python -m tests.interop.interceptor TAP VETH     (nets 10.1, 10.2, fd00:1, fd00:2)
"""

from __future__ import annotations

import signal
import sys
import time

from sansio_net.drivers import Device, Loop, RawSocketDevice, TapDevice, interface
from sansio_net.stack import (
    Accepted,
    DataReceived,
    Event,
    Interface,
    Stack,
    StackConfig,
)

MACS = {1: "02:00:00:00:00:01", 2: "02:00:00:00:00:02"}


def app(events: list[Event], now: int) -> bool:
    for event in events:
        if isinstance(event, Accepted):
            event.conn.send(f"intercepted {event.conn.local[0]}\n".encode())
        elif isinstance(event, DataReceived) and not event.conn.closed:
            event.conn.recv(1 << 16)
            event.conn.close()
    return False


def main(tap: str, veth: str) -> None:
    stack = Stack(StackConfig(forward=True), bytes(32))
    opened: list[Device] = [TapDevice(tap), RawSocketDevice(veth)]
    for address in ("10.1.0.1/24", "fd00:1::1/64"):
        interface.add_address(tap, address)
    devices: dict[Interface, Device] = {}
    for n, device in enumerate(opened, 1):
        nic = stack.add_interface(
            mac=MACS[n],
            addresses=[f"10.{n}.0.2/24", f"fd00:{n}::2/64"],
            dad=False,
            capabilities=device.capabilities,
        )
        devices[nic] = device
    stack.tcp_listen(("", 80), transparent=True, nic=stack.interface("eth0"))
    with Loop(stack, devices, time.monotonic_ns) as loop:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: loop.stop())
        print("ready", flush=True)
        loop.run(app)
    print(stack.counters().get("ipv4.forwarded", 0), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
