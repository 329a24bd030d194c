"""Our stack as a test's program: one app on one link, lossy if asked.

``python -m tests.interop.station sink --link tap:tap0 -a 10.0.0.2/24 ...`` prints
`ready`, `first byte` once, and a JSON report when it ends: after `--streams`
connections, or at Ctrl-C. It uses what any embedder would.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from sansio_net.addresses import pack_mac
from sansio_net.capture import Recording, replay
from sansio_net.cli.tables import info_row
from sansio_net.drivers.descriptor import Offload, gso_max
from sansio_net.drivers.loop import Device, Loop
from sansio_net.drivers.memory import LinkedDevice
from sansio_net.drivers.rawsock import RawSocketDevice
from sansio_net.drivers.tap import TapDevice
from sansio_net.entropy import Entropy
from sansio_net.errors import ConnectionFailed
from sansio_net.packet import Capabilities, Medium
from sansio_net.protocols.tcp import Connection
from sansio_net.stack import Interface, Stack, StackConfig
from sansio_net.stack.events import (
    Accepted,
    AddressAdded,
    AddressConflict,
    AddressRemoved,
    Closed,
    Connected,
    ConnectionLost,
    DataReceived,
    EofReceived,
    Event,
    LinkUp,
    SpaceFreed,
    UdpReceived,
)
from sansio_net.testing import Link
from sansio_net.units import parse_duration

from .datagrams import Datagrams
from .lab import pattern

CHUNK = 1 << 18
APPS = ["echo", "sink", "source", "send", "fetch", "datagrams"]


class Stream:
    """One connection: sends what it was told, reads all, closes when both are done."""

    def __init__(self, conn: Connection, to_send: bytes, app: str) -> None:
        self.conn = conn
        self.to_send = memoryview(to_send)
        self.echo = app == "echo"
        self.waits = app in ("echo", "sink")  # for the peer's end, with ours
        self.sent = 0
        self.received = 0
        self.digest = hashlib.sha256()
        self.error: str | None = None
        self.peer_ended = False
        self.ended = False  # our FIN is asked for
        self.aborted = False

    def write(self) -> None:
        if self.ended:
            return
        while self.sent < len(self.to_send):
            chunk = self.to_send[self.sent : self.sent + CHUNK]
            taken = self.conn.send(chunk)
            self.sent += taken
            if taken < len(chunk):
                return
        if not self.waits or self.peer_ended:
            self.ended = True
            self.conn.shutdown()

    def read(self) -> None:
        try:
            self.read_all()
        except ConnectionFailed:
            pass  # the event that says so is on its way

    def read_all(self) -> None:
        while data := self.conn.recv(CHUNK):
            self.received += len(data)
            self.digest.update(data)
            if self.echo:
                self.to_send = memoryview(bytes(self.to_send[self.sent :]) + data)
                self.sent = 0
                self.write()

    def report(self) -> dict[str, Any]:
        return {
            "received": self.received,
            "sha256": self.digest.hexdigest(),
            "sent": self.sent,
            "error": self.error,
            "info": info_row(self.conn.info(), self.conn.clock),
        }


class App:
    """What the stack's events lead to, as a function of them."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.echo = args.app == "echo"
        self.to_send = pattern(args.size) if args.app in ("source", "send") else b""
        self.streams: dict[int, Stream] = {}
        self.reports: list[dict[str, Any]] = []
        self.datagrams = Datagrams()
        self.paused = args.pause > 0
        self.loop: Loop[Interface, Event] | None = None
        self.stack: Stack | None = None

    def __call__(self, events: list[Event], now: int) -> bool:
        for event in events:
            if isinstance(event, Accepted):
                self.open(event.conn)
            elif isinstance(event, Connected):
                self.streams[event.conn.id].write()
            elif isinstance(event, DataReceived):
                self.data(self.streams[event.conn.id])
            elif isinstance(event, SpaceFreed):
                self.streams[event.conn.id].write()
            elif isinstance(event, EofReceived):
                stream = self.streams[event.conn.id]
                stream.peer_ended = True
                if not self.paused:
                    stream.read()
                    stream.write()
            elif isinstance(event, ConnectionLost):
                self.over(event.conn, type(event.error).__name__)
            elif isinstance(event, Closed):
                self.over(event.conn, None)
            elif isinstance(event, LinkUp):
                ready(event.nic)
            elif isinstance(event, AddressAdded | AddressRemoved | AddressConflict):
                print(type(event).__name__, event.address, flush=True)
            elif isinstance(event, UdpReceived):
                while (datagram := event.sock.receive()) is not None:
                    asked = datagram.destination
                    if self.args.app == "datagrams":
                        self.datagrams.arrives(event.sock, datagram)
                    else:
                        event.sock.send_to(datagram.data, datagram.source, source=asked)
        return 0 < self.args.streams <= len(self.reports)

    def open(self, conn: Connection) -> None:
        stream = self.streams[conn.id] = Stream(conn, self.to_send, self.args.app)
        if conn.listener is not None:
            stream.write()

    def data(self, stream: Stream) -> None:
        if not stream.received and not any(s.received for s in self.streams.values()):
            print("first byte", flush=True)
            if self.paused and self.loop is not None:
                self.loop.call_at(self.loop.now + self.args.pause, self.go_on)
        if self.paused:
            return
        stream.read()
        if self.args.abort_after and stream.received >= self.args.abort_after:
            stream.aborted = True
            stream.conn.abort()

    def go_on(self, now: int) -> None:
        self.paused = False
        for stream in self.streams.values():
            stream.read()
            stream.write()

    def over(self, conn: Connection, error: str | None) -> None:
        stream = self.streams.pop(conn.id)
        if not stream.aborted:
            stream.read()  # what had arrived
        stream.error = error
        self.reports.append(stream.report())
        if self.args.peer and len(self.reports) < self.args.streams:
            self.dial()

    def dial(self) -> None:
        """Connect to the peer; what is sent before the SYN leaves may go with it."""
        host, _, port = self.args.peer.rpartition(":")
        stack = self.stack
        assert stack is not None
        conn = stack.tcp_connect((host, int(port)))
        self.open(conn)
        if stack.config.tcp.fast_open:
            self.streams[conn.id].write()


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    made.add_argument("app", choices=APPS)
    made.add_argument("--link", required=True)
    made.add_argument("-a", "--address", required=True, action="append")
    made.add_argument("--no-dad", action="store_true", help="IPv6's at once")
    made.add_argument("--mac")
    made.add_argument("--host-address")
    made.add_argument("-g", "--gateway")
    made.add_argument("--port", type=int, default=8888, help="0: every port")
    made.add_argument("--vlan", default="", help="7, or 100.7")
    made.add_argument("--offload", default="none", help="none, checksum, full; or bare")
    made.add_argument("--gro", action="store_true", help="datagrams that came as one")
    made.add_argument("--transparent", action="store_true", help="every address")
    made.add_argument("--peer")
    made.add_argument("--size", type=int, default=0)
    made.add_argument("--streams", type=int, default=0, help="end after so many")
    made.add_argument("--conditions", default="", help="loss=1%%,latency=20ms,...")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--user-timeout", type=parse_duration, default=0)
    made.add_argument("--pause", type=parse_duration, default=0)
    made.add_argument("--abort-after", type=int, default=0)
    made.add_argument("--tcp", default="", help="fast_open=1,syn_cookies=always,...")
    made.add_argument("--no-icmp-limit", action="store_true")
    made.add_argument("--answer-broadcasts", action="store_true")
    made.set_defaults(wire=None)
    made.add_argument("--record", help="write every turn to this file")
    made.add_argument("--flat", action="store_true", help="record what a wire carries")
    made.add_argument("--replay", help="run this file instead of a device")
    return made


def open_device(args: argparse.Namespace) -> Device:
    kind, _, name = args.link.partition(":")
    bare = args.offload == "bare"
    offload = Offload.NONE if bare else Offload(args.offload)
    device: Device
    if kind == "veth":
        mac = pack_mac(args.mac) if args.mac else None
        device = RawSocketDevice(name, mac=mac, offload=offload, vnet=not bare)
    else:
        medium = Medium.ETHERNET if kind == "tap" else Medium.IP
        host = args.host_address
        device = TapDevice(name, medium=medium, offload=offload, host_address=host)
    if args.conditions:
        conditions = dict(part.split("=") for part in args.conditions.split(","))
        link = Link(args.seed, medium=device.capabilities.medium, **conditions)
        device = LinkedDevice(device, link)
        args.wire = link
    return device


def make_stack(args: argparse.Namespace) -> Stack:
    config = StackConfig()
    config.icmp.echo_ignore_broadcasts = not args.answer_broadcasts
    if args.no_icmp_limit:
        config.icmp.limited = False
    for part in filter(None, args.tcp.split(",")):
        name, _, word = part.partition("=")
        setattr(config.tcp, name, int(word) if word.isdigit() else word)
    if args.user_timeout:
        config.tcp.user_timeout = args.user_timeout
    return Stack(config, Entropy.of(args.seed).bytes(32))


def add_interface(
    stack: Stack, args: argparse.Namespace, capabilities: Capabilities
) -> Interface:
    nic = stack.add_interface(
        mac=args.mac,
        addresses=[one for one in args.address if one != "link-local"],
        link_local="link-local" in args.address,
        capabilities=capabilities,
        dad=not args.no_dad,
        vlan=tuple(map(int, filter(None, args.vlan.split(".")))),
    )
    if args.gateway:
        stack.add_route("default", via=args.gateway, nic=nic)
    return nic


def start(stack: Stack, app: App) -> None:
    """The verbs before the first turn, the same in a replay."""
    args = app.args
    if args.peer:
        app.stack = stack
        app.dial()
    else:
        kind = {"transparent": args.transparent, "any_port": not args.port}
        stack.tcp_listen(("", args.port), backlog=512, **kind)
        if app.echo or args.app == "datagrams":
            stack.udp_bind(("", args.port), **kind).set(gro=args.gro)


def main(argv: list[str]) -> int:
    args = parser().parse_args(argv)
    app = App(args)
    stack = make_stack(args)
    if args.replay:
        return replay_file(stack, app)
    device = open_device(args)
    nic = add_interface(stack, args, device.capabilities)
    start(stack, app)
    if args.record:
        with (
            open(args.record, "wb") as file,
            Recording(file, flatten=args.flat) as recording,
        ):
            clock = recording.clock(time.monotonic_ns)
            run(stack, nic, recording.device(device, nic), app, clock)
    else:
        run(stack, nic, device, app)
    report = {"streams": app.reports, "counters": stack.counters()}
    if args.wire is not None:
        report["reordered"] = [args.wire.counts(end).reordered for end in (0, 1)]
    # nothing may hold what is over: counted before any collection
    app.streams.clear()
    report["held"] = sum(type(o) is Connection for o in gc.get_objects())
    print(json.dumps(report), flush=True)
    device.close()
    return 0


def ready(nic: Interface) -> None:
    """A veth's carrier may come a second late; its LinkUp says so again."""
    if nic.has_carrier:
        print("ready", flush=True)


def replay_file(stack: Stack, app: App) -> int:
    """The same stack and application on the recorded turns."""
    medium = Medium.IP if app.args.link.startswith("tun:") else Medium.ETHERNET
    # as the device said when it was recorded: without offload the driver cuts
    longest = gso_max(Offload(app.args.offload))
    capabilities = Capabilities(medium=medium, gso_max=longest)
    nic = add_interface(stack, app.args, capabilities)
    start(stack, app)
    with open(app.args.replay, "rb") as file:
        done = replay(iter(lambda: file.read(1 << 16), b""), stack, [nic], app)
    report = {
        "turns": done.n_turns,
        "received": done.n_received,
        "sent": len(done.sent),
        "difference": None if done.difference is None else str(done.difference),
    }
    print(json.dumps(report), flush=True)
    return 0


def run(
    stack: Stack,
    nic: Interface,
    device: Device,
    app: App,
    clock: Callable[[], int] = time.monotonic_ns,
) -> None:
    # what is over must go by itself: no collection helps
    gc.disable()
    with Loop(stack, {nic: device}, clock) as loop:
        app.loop = loop
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: loop.stop())
        # after the first turn the device has been asked for its carrier
        loop.call_at(0, lambda now: loop.call_at(now + 1, lambda now: ready(nic)))
        loop.run(app)
    app.loop = None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
