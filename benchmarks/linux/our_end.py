"""One end of a transfer with our stack on an interface of its own.

``python -m benchmarks.linux.our_end send|receive ADDRESS PORT CONGESTION SIZE INTERFACE
OUR_ADDRESS`` prints what `kernel_end` prints.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from sansio_net.drivers.descriptor import Offload
from sansio_net.drivers.loop import Loop
from sansio_net.drivers.rawsock import RawSocketDevice
from sansio_net.entropy import Entropy
from sansio_net.stack import Interface, Stack, StackConfig
from sansio_net.stack.events import (
    Accepted,
    Closed,
    Connected,
    ConnectionLost,
    DataReceived,
    EofReceived,
    Event,
    LinkUp,
    SpaceFreed,
)
from sansio_net.trace import Trace
from tests.interop.lab import pattern

if TYPE_CHECKING:
    from sansio_net.protocols.tcp import Connection


class End:
    """The application: sends everything, or takes everything."""

    def __init__(self, stack: Stack, what: str, size: int, trace: Trace) -> None:
        self.stack = stack
        self.trace = trace
        self.data = memoryview(pattern(size)) if what == "send" else memoryview(b"")
        self.sends = what == "send"
        self.sent = 0
        self.received = 0
        self.digest = hashlib.sha256()
        self.started = self.ended = 0
        self.congestion = ""
        self.timeouts = 0
        self.error: str | None = None

    def __call__(self, events: list[Event], now: int) -> bool:
        for event in events:
            if isinstance(event, LinkUp):
                ready(event.nic)
            elif isinstance(event, Accepted | Connected):
                self.congestion = event.conn.options.congestion
                self.open(event.conn, now)
            elif isinstance(event, SpaceFreed):
                self.fill(event.conn)
            elif isinstance(event, DataReceived):
                self.take(event.conn, now)
            elif isinstance(event, EofReceived):
                if self.sends:
                    self.ended = now  # the receiver has everything
                event.conn.close()
            elif isinstance(event, ConnectionLost):
                self.error = str(event.error)
                return True
            elif isinstance(event, Closed):
                return True
        self.timeouts += sum(entry[1] == "tcp.rto" for entry in self.trace)
        self.trace.clear()
        return False

    def open(self, conn: Connection, now: int) -> None:
        if self.sends:
            self.started = now
            self.fill(conn)

    def fill(self, conn: Connection) -> None:
        while self.sent < len(self.data):
            taken = conn.send(self.data[self.sent : self.sent + (1 << 18)])
            self.sent += taken
            if not taken:
                return
        conn.shutdown()

    def take(self, conn: Connection, now: int) -> None:
        self.started = self.started or now
        self.ended = now
        for chunk in conn.recv_chunks():
            self.received += len(chunk)
            self.digest.update(chunk)

    def report(self) -> dict[str, Any]:
        return {
            "bytes": self.sent if self.sends else self.received,
            "seconds": (self.ended - self.started) / 1e9,
            "congestion": self.congestion,
            "timeouts": self.timeouts,
            "sha256": self.digest.hexdigest(),
            "error": self.error,
        }


def ready(nic: Interface) -> None:
    """A veth's carrier may come a second late; its LinkUp says so again."""
    if nic.has_carrier:
        print("ready", flush=True)


def main(
    what: str,
    address: str,
    port: str,
    congestion: str,
    size: str,
    interface: str,
    ours: str,
) -> None:
    config = StackConfig()
    config.tcp.congestion = congestion
    trace: Trace = []
    seed = Entropy.of(time.time_ns()).bytes(32)
    stack = Stack(config, seed, trace=trace)
    device = RawSocketDevice(interface, offload=Offload.NONE)
    nic = stack.add_interface(
        addresses=[f"{ours}/24"], capabilities=device.capabilities
    )
    end = End(stack, what, int(size), trace)
    if what == "receive":
        stack.tcp_listen(("", int(port)))
    with Loop(stack, {nic: device}) as loop:

        def begin(now: int) -> None:
            if what == "send":
                stack.tcp_connect((address, int(port)))
            else:
                ready(nic)

        def later(now: int) -> None:
            loop.call_at(now + 1, begin)

        # after the first turn the device has been asked for its carrier
        loop.call_at(0, later)
        loop.run(end)
    print(json.dumps(end.report()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
