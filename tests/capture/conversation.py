"""Two stacks on a lossy link in virtual time, one of them recorded."""

from __future__ import annotations

from collections.abc import Sequence

from sansio_net.capture import Recording
from sansio_net.capture.record import Writer
from sansio_net.drivers import Device, memory_pair, turn
from sansio_net.machine import earliest
from sansio_net.packet import Capabilities
from sansio_net.stack import Stack
from sansio_net.stack.events import (
    Closed,
    ConnectionLost,
    DataReceived,
    EofReceived,
    SpaceFreed,
)
from sansio_net.stack.interface import Interface
from sansio_net.testing import Link
from sansio_net.units import SECOND

DATA = bytes(range(256)) * 800
START = 5 * SECOND


def capabilities(offload: bool) -> Capabilities:
    if offload:
        return Capabilities(checksum=True, gso_max=65536)
    return Capabilities()


class Client:
    """Connects, sends everything, half-closes, reads to the end."""

    def __init__(self, offload: bool = False, seed: bytes = b"c" * 32) -> None:
        self.stack = Stack(seed=seed)
        self.nic = self.stack.add_interface(
            "eth0", addresses=["10.0.0.1/24"], capabilities=capabilities(offload)
        )
        self.connection = self.stack.tcp_connect(("10.0.0.2", 7))
        self.left = DATA
        self.got = b""
        self.ended = False
        self.lost = False
        self._send()

    def _send(self) -> None:
        if self.left:
            self.left = self.left[self.connection.send(self.left) :]
            if not self.left:
                self.connection.shutdown()

    def app(self, events: Sequence[object], now: int) -> None:
        for event in events:
            match event:
                case SpaceFreed():
                    self._send()
                case DataReceived() | EofReceived():
                    while piece := self.connection.recv(1 << 20):
                        self.got += piece
                case Closed():
                    self.ended = True
                case ConnectionLost():
                    self.ended = self.lost = True


class EchoServer:
    """Sends back what it gets; what does not fit waits."""

    def __init__(self, offload: bool = False) -> None:
        self.stack = Stack(seed=b"s" * 32)
        self.nic = self.stack.add_interface(
            "eth0", addresses=["10.0.0.2/24"], capabilities=capabilities(offload)
        )
        self.stack.tcp_listen(("", 7))
        self.waiting = b""
        self.at_end = False

    def app(self, events: Sequence[object], now: int) -> None:
        for event in events:
            if not isinstance(event, DataReceived | EofReceived | SpaceFreed):
                continue
            connection = event.conn
            if not isinstance(event, SpaceFreed):
                while piece := connection.recv(1 << 20):
                    self.waiting += piece
            self.at_end = self.at_end or isinstance(event, EofReceived)
            if self.waiting:
                self.waiting = self.waiting[connection.send(self.waiting) :]
            if self.at_end and not self.waiting:
                connection.close()
                self.at_end = False


def converse(
    writer: Writer,
    *,
    offload: bool = False,
    flatten: bool = False,
    epoch: int = 0,
    loss: str = "5%",
) -> Client:
    """The whole conversation; the client's side goes to `writer`."""
    client, server = Client(offload), EchoServer(offload)
    link = Link(7, latency="10ms", loss=loss, rate="50mbit", offload=offload)
    mine, theirs = memory_pair(link, capabilities(offload))
    now = START
    with Recording(writer, epoch=epoch, flatten=flatten) as recording:
        clock = recording.clock(lambda: now)
        device = recording.device(mine, client.nic)
        ours: dict[Interface, Device] = {client.nic: device}
        peers: dict[Interface, Device] = {server.nic: theirs}
        for _ in range(50_000):
            now = clock()
            turn(
                client.stack,
                ours,
                [(client.nic, device.receive(now))],
                now,
                client.app,
            )
            turn(
                server.stack,
                peers,
                [(server.nic, theirs.receive(now))],
                now,
                server.app,
            )
            due = earliest(
                client.stack.next_timeout(),
                server.stack.next_timeout(),
                mine.next_timeout(),
                theirs.next_timeout(),
            )
            if due is None or client.ended:
                break
            now = max(now, due)
    return client
