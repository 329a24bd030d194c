"""Our stack as a server, on the bare loop; every option has its default.

``python -m benchmarks.servers.ours tap|veth INTERFACE ADDRESS/PREFIX
[--offload none|checksum|full] [--busy-poll MICROSECONDS]``
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sansio_net.drivers import Device, Loop, Offload, RawSocketDevice, TapDevice
from sansio_net.entropy import Entropy
from sansio_net.errors import ConnectionFailed
from sansio_net.stack import (
    Accepted,
    Closed,
    ConnectionLost,
    DataReceived,
    EofReceived,
    Event,
    Interface,
    LinkUp,
    SpaceFreed,
    Stack,
    UdpReceived,
)
from sansio_net.units import MICROSECOND

from . import DISCARD, ECHO, PATTERN, PERIOD, SOURCE, count_message

if TYPE_CHECKING:
    from sansio_net.stack import Connection

STREAM = memoryview(PATTERN * 5)


class App:
    """The four services. A connection that is only open costs it nothing."""

    def __init__(self, stack: Stack) -> None:
        self.echo = stack.tcp_listen(("", ECHO), backlog=512)
        self.discard = stack.tcp_listen(("", DISCARD), backlog=512)
        self.source = stack.tcp_listen(("", SOURCE), backlog=512)
        stack.udp_bind(("", ECHO))
        self.discarded: dict[Connection, int] = {}
        self.given: dict[Connection, int] = {}

    def __call__(self, events: list[Event], now: int) -> None:
        for event in events:
            if isinstance(event, DataReceived):
                self.read(event.conn)
            elif isinstance(event, UdpReceived):
                sock = event.sock
                while (datagram := sock.receive()) is not None:
                    sock.send_to(datagram.data, datagram.source)
            elif isinstance(event, (SpaceFreed, Accepted)):
                self.fill(event.conn)
            elif isinstance(event, EofReceived):
                self.finish(event.conn)
            elif isinstance(event, (Closed, ConnectionLost)):
                self.discarded.pop(event.conn, None)
                self.given.pop(event.conn, None)
            elif isinstance(event, LinkUp):
                ready(event.nic)

    def read(self, conn: Connection) -> None:
        listener = conn.listener
        if listener is self.echo:
            try:
                conn.send(conn.recv(1 << 16) or b"")
            except ConnectionFailed:
                pass  # reset since
        elif listener is self.discard:
            size = sum(map(len, conn.recv_chunks()))
            self.discarded[conn] = self.discarded.get(conn, 0) + size

    def fill(self, conn: Connection) -> None:
        if conn.listener is not self.source:
            return
        at = self.given.get(conn, 0)
        try:
            while taken := conn.send(STREAM[at : at + 4 * PERIOD]):
                at = (at + taken) % PERIOD
        except ConnectionFailed:
            pass  # the client has had enough
        self.given[conn] = at

    def finish(self, conn: Connection) -> None:
        if conn.listener is self.discard:
            try:
                conn.send(count_message(self.discarded.pop(conn, 0)))
            except ConnectionFailed:
                pass
        self.given.pop(conn, None)
        conn.close()


def ready(nic: Interface) -> None:
    """A veth's carrier may come a second late; its LinkUp says so again."""
    if nic.has_carrier:
        print("ready", flush=True)


def open_device(kind: str, name: str, offload: Offload) -> Device:
    make = TapDevice if kind == "tap" else RawSocketDevice
    return make(name, offload=offload)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["tap", "veth"])
    parser.add_argument("interface")
    parser.add_argument("address")
    parser.add_argument("--offload", type=Offload, default=Offload.FULL)
    parser.add_argument("--busy-poll", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    stack = Stack(seed=Entropy.of(1).bytes(32))
    device = open_device(asked.kind, asked.interface, asked.offload)
    nic = stack.add_interface(
        addresses=[asked.address], capabilities=device.capabilities
    )
    app = App(stack)
    spin = asked.busy_poll * MICROSECOND
    with Loop(stack, {nic: device}, busy_poll=spin) as loop:

        def after_a_turn(now: int) -> None:
            loop.call_at(now + 1, lambda now: ready(nic))

        # by then the device has been asked for its carrier
        loop.call_at(0, after_a_turn)
        loop.run(app)


if __name__ == "__main__":
    main()
