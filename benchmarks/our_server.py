"""Our stack as a server: UDP echo, TCP discard and source, in one Python process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sansio_net.drivers.loop import Device, Loop
from sansio_net.drivers.rawsock import RawSocketDevice
from sansio_net.drivers.tap import TapDevice
from sansio_net.entropy import Entropy
from sansio_net.errors import ConnectionFailed
from sansio_net.stack import Interface, Stack, StackConfig
from sansio_net.stack.events import (
    Accepted,
    DataReceived,
    EofReceived,
    Event,
    LinkUp,
    SpaceFreed,
    UdpReceived,
)

from .workloads import DISCARD, ECHO, SOURCE

if TYPE_CHECKING:
    from sansio_net.protocols.tcp import Connection

CHUNK = bytes(1 << 18)


def fill(conn: Connection) -> None:
    try:
        while conn.send(CHUNK) == len(CHUNK):
            pass
    except ConnectionFailed:
        pass  # the client has had enough


def ready(nic: Interface) -> None:
    """A veth's carrier may come a second late; its LinkUp says so again."""
    if nic.has_carrier:
        print("ready", flush=True)


def app(events: list[Event], now: int) -> None:
    for event in events:
        if isinstance(event, DataReceived):
            event.conn.recv_chunks()
        elif isinstance(event, UdpReceived):
            sock = event.sock
            while (datagram := sock.receive()) is not None:
                sock.send_to(datagram.data, datagram.source)
        elif isinstance(event, SpaceFreed):
            fill(event.conn)
        elif isinstance(event, Accepted):
            if event.conn.local[1] == SOURCE:
                fill(event.conn)
        elif isinstance(event, EofReceived):
            event.conn.close()
        elif isinstance(event, LinkUp):
            ready(event.nic)


def main(kind: str, name: str, address: str) -> None:
    config = StackConfig()
    config.icmp.limited = False
    stack = Stack(config, Entropy.of(1).bytes(32))
    device: Device = TapDevice(name) if kind == "tap" else RawSocketDevice(name)
    nic = stack.add_interface(addresses=[address], capabilities=device.capabilities)
    stack.tcp_listen(("", DISCARD), backlog=512)
    stack.tcp_listen(("", SOURCE), backlog=512)
    stack.udp_bind(("", ECHO))
    with Loop(stack, {nic: device}) as loop:
        # after the first turn the device has been asked for its carrier
        loop.call_at(0, lambda now: loop.call_at(now + 1, lambda now: ready(nic)))
        loop.run(app)


if __name__ == "__main__":
    main(*sys.argv[1:])
